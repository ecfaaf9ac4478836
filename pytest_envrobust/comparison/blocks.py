"""Large arrays of scores, a block of rows at a time: what is mapped from a file does not stay in memory."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK_ELEMENTS = 1 << 16
_RELEASED_AFTER = 1 << 22
"""Elements after which the pages that were read of a mapped file are given back; the system's cache keeps them."""


def row_blocks(*arrays: NDArray[Any]) -> Iterator[slice]:
    """Slices over the rows of arrays of one shape, (N, classes), each of a size that fits a processor's cache."""
    rows, classes = arrays[0].shape
    step = max(1, _BLOCK_ELEMENTS // max(1, classes))
    often = max(1, _RELEASED_AFTER // (step * max(1, classes)))
    for number, start in enumerate(range(0, rows, step), 1):
        yield slice(start, start + step)
        if number % often == 0:
            _release(arrays)
    _release(arrays)


def largest_difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    """The largest absolute difference of two arrays of one shape, where both are finite; NaN where that is nowhere.

    Makes arrays of that size: give it blocks, or use `largest_difference_of`.
    """
    # float64 for integers and doubles; halves and singles need no more than a single holds, unless they overflow
    narrow = all(block.dtype.kind == "f" and block.dtype.itemsize <= 4 for block in (one, other))
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.subtract(one, other, dtype=np.float32 if narrow else np.float64)
        largest = max(float(difference.max()), -float(difference.min()))
        if math.isfinite(largest):
            return largest
        finite = np.isfinite(one) & np.isfinite(other)
        if not finite.any():
            return math.nan
        largest = float(np.abs(difference[finite]).max())  # in the same precision: blocks must not show
        if math.isfinite(largest):
            return largest
        return float(np.abs(one[finite].astype(np.float64) - other[finite].astype(np.float64)).max())


def largest_difference_of(one: NDArray[Any], other: NDArray[Any]) -> float:
    """The same of whole arrays of one shape, (N, classes)."""
    largest = math.nan
    for rows in row_blocks(one, other):
        largest = float(np.fmax(largest, largest_difference(one[rows], other[rows])))
    return largest


def spread_of(scores: NDArray[Any]) -> float:
    """How far an input's scores lie apart: their standard deviation around its mean, root mean square over all inputs.

    Of scores (N, classes), over the finite ones; what an input's scores have in common counts nothing, as it decides no
    label. 0 where they are all alike, or none is finite.
    """
    count, squares = 0, 0.0
    for rows in row_blocks(scores):
        block = scores[rows].astype(np.float64)
        finite = np.isfinite(block)
        each = finite.sum(axis=1, keepdims=True)
        away = np.where(finite, block, 0.0)
        away = np.where(finite, away - away.sum(axis=1, keepdims=True) / np.maximum(each, 1), 0.0)
        count += int(each.sum())
        squares += float((away * away).sum())
    return math.sqrt(squares / count) if count else 0.0


def _release(arrays: tuple[NDArray[Any], ...]) -> None:
    for array in arrays:
        base: object = array
        while isinstance(base, np.ndarray):
            base = base.base
        if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            base.madvise(mmap.MADV_DONTNEED)
