"""Several named inputs as one array: shape (N,), an element of which holds one input of each name.

It is sliced, padded, sent and compared as any other batch. Only what feeds an engine takes it apart again.
"""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.tensors import TensorSpec


def combined(arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """One array of named arrays, each of shape (N, ...).

    Raises `DeclarationError` where they do not hold equally many inputs.
    """
    plain = {name: np.asarray(array, array.dtype.newbyteorder("=")) for name, array in arrays.items()}
    counts = {len(array) if array.ndim else 0 for array in plain.values()}
    if len(counts) != 1 or 0 in counts:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in plain.items())
        raise DeclarationError(
            f"inputs by name of shapes {shapes}",
            cause="the first dimension of each counts the inputs, and must be the same in all and not 0",
            remedy="repeat what is the same for all inputs: numpy.repeat(array[None], N, axis=0)",
        )
    batch = np.empty(counts.pop(), [(name, array.dtype, array.shape[1:]) for name, array in plain.items()])
    for name, array in plain.items():
        batch[name] = array
    return batch


def feeds(batch: NDArray[Any], name: str = "input") -> dict[str, NDArray[Any]]:
    """The inputs by name, C-contiguous and aligned; a batch of one input is the one of that ``name``."""
    if not batch.dtype.names:
        return {name: batch}
    return {each: np.require(batch[each], requirements=("C", "A")) for each in batch.dtype.names}


def dtype_of(text: str) -> np.dtype[Any]:
    """The dtype of which ``str`` gave that text, be it one of several named inputs."""
    return np.dtype(literal_eval(text) if text.startswith("[") else text)


def zeros_for(spec: TensorSpec) -> NDArray[Any]:
    """Zeros of a concrete spec; open dimensions are 1."""
    return np.zeros([size or 1 for size in spec.shape], dtype_of(spec.dtype))


def spec_of(batch: NDArray[Any], calls: int, name: str = "input") -> TensorSpec:
    """The concrete spec of what a batch holds, ``calls`` inputs a call."""
    shape, dtype = (calls, *batch.shape[1:]), str(batch.dtype)
    parts = [
        TensorSpec((calls, *batch.dtype[each].shape), str(batch.dtype[each].base), each)
        for each in batch.dtype.names or ()
    ]
    return TensorSpec(shape, dtype, ", ".join(part.name for part in parts) or name, parts=tuple(parts))


def declared_spec(parts: Iterable[TensorSpec], subject: str) -> TensorSpec:
    """What a model declares that takes these inputs; the only one itself.

    Raises `DeclarationError` where they are made for batches of several sizes, which is no batch of inputs.
    """
    found = tuple(parts)
    if len(found) == 1:
        return found[0]
    sizes = {part.shape[0] if part.shape else 0 for part in found} - {None}
    if len(sizes) > 1 or 0 in sizes:
        raise DeclarationError(
            f"{subject} takes {', '.join(f'{part.name} {part}' for part in found)}",
            cause="the first dimension of each input counts the images of a batch, and these are not the same",
            remedy="make constants of those that are the same for all images",
        )
    return TensorSpec((next(iter(sizes), None),), "several", ", ".join(part.name for part in found), parts=found)
