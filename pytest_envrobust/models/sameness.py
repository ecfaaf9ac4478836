"""Whether two declarations say the same: then what a run made for one holds for the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import PurePath

import numpy as np

_PLAIN = (str, bytes, int, float, bool, type(None), Enum, PurePath)


def declared_the_same(one: object, other: object) -> bool:
    """Whether two values of a declaration are the same, part by part.

    What has no parts that could be seen, such as a function or a network, is the same only as itself.
    """
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if is_dataclass(one) and not isinstance(one, type):
        names = [field.name for field in fields(one) if field.init]
        return all(declared_the_same(getattr(one, name), getattr(other, name)) for name in names)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return list(one) == list(other) and all(declared_the_same(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(declared_the_same, one, other))
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    return isinstance(one, _PLAIN) and one == other
