"""The parts of a preprocessing, and one preprocessing with parts of another.

``filter`` is how pixels are resampled, ``geometry`` which of them the source sees (resize and crop, or squash),
``channels`` their order, and ``values`` what becomes of a pixel: scale, mean and standard deviation, by color.
Layout and dtype are no parts: they are the source's input itself.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.models.preprocess import GRAY, Preprocess, Size

PreprocessPart = Literal["filter", "geometry", "channels", "values"]
PARTS: Final[tuple[PreprocessPart, ...]] = ("filter", "geometry", "channels", "values")

Pair = tuple[int, int]

_SAME = 1e-5
"""Values are the same that differ by less than this share of what they reach over."""


def differing_parts(own: Preprocess, other: Preprocess, size: Pair) -> tuple[PreprocessPart, ...]:
    """The parts in which two preprocessings differ, as far as ``own`` could take them from ``other``.

    ``size`` is height and width that ``own`` ends in. A filter that resizes nothing is no difference, nor is a scale
    that is written otherwise.
    """
    return tuple(part for part in PARTS if _differs(part, own, other, size))


def with_parts(own: Preprocess, other: Preprocess, parts: Collection[PreprocessPart], size: Pair) -> Preprocess:
    """``own`` with these parts of ``other``; it still ends in ``size``, height and width.

    The geometry of one that ends in another size is scaled. What is not taken keeps its meaning: each color its mean
    where only the order of channels is taken. One gray channel stays one.
    """
    taken = own
    if "geometry" in parts:
        resize, crop = _scaled_geometry(other, size)
        taken = replace(taken, resize=resize, crop=crop)
        if own.resize is None:
            taken = replace(taken, filter=other.filter)
    if "filter" in parts and other.resize is not None:
        taken = replace(taken, filter=other.filter)
    if "channels" in parts and _have_orders(own, other) and own.channels != other.channels:
        taken = replace(taken, channels=other.channels, mean=own.mean[::-1], std=own.std[::-1])
    if "values" in parts:
        turn = -1 if _have_orders(taken, other) and taken.channels != other.channels else 1
        mean, std = other.mean, other.std
        if other.channels == GRAY:
            mean, std = (_average(mean),), (_average(std),)
        taken = replace(taken, scale=other.scale, mean=mean[::turn], std=std[::turn])
    return taken


def _differs(part: PreprocessPart, own: Preprocess, other: Preprocess, size: Pair) -> bool:
    if part == "filter":
        return own.filter != other.filter and own.resize is not None and other.resize is not None
    if part == "geometry":
        return _plain(own.resize, own.crop) != _plain(*_scaled_geometry(other, size))
    if part == "channels":
        return _have_orders(own, other) and own.channels != other.channels
    mine, theirs = _ends(own), _ends(with_parts(own, other, (part,), size))
    return bool(np.abs(mine - theirs).max() > _SAME * np.ptp(mine))


def _have_orders(one: Preprocess, other: Preprocess) -> bool:
    """Whether both have colors, which come in some order."""
    return GRAY not in (one.channels, other.channels)


def _ends(preprocess: Preprocess) -> NDArray[Any]:
    """What black and white become, (2, channels)."""
    plain = replace(preprocess, resize=None, crop=None, dtype="float32", layout="NHWC")
    probe = np.array([[[0] * 3, [255] * 3]], dtype=np.uint8)
    found: NDArray[Any] = plain.apply([probe], layout="NHWC")[0, 0]
    return found


def _scaled_geometry(other: Preprocess, size: Pair) -> tuple[Size | None, Size | None]:
    """Its resize and crop, scaled so that they end in ``size`` where they end in some size for all pictures."""
    end = _pair(other.crop) if other.crop is not None else other.resize
    if not isinstance(end, tuple) or end == size:
        return other.resize, other.crop
    crop = None if other.crop is None else size
    if isinstance(other.resize, int):
        return max(round(other.resize * min(size) / min(end)), min(size)), crop
    if other.resize is None:
        return None, crop
    height, width = (max(round(side * wanted / had), wanted) for side, wanted, had in zip(other.resize, size, end))
    return (height, width), crop


def _plain(resize: Size | None, crop: Size | None) -> tuple[Size | None, Pair | None]:
    """The same without a crop that cuts nothing off."""
    cut = None if crop is None else _pair(crop)
    return resize, None if cut == resize else cut


def _pair(size: Size) -> Pair:
    return (size, size) if isinstance(size, int) else size


def _average(values: tuple[float, ...]) -> float:
    return sum(values) / len(values)
