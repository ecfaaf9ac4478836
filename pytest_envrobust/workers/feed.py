"""How a session is fed: by views of the mapped inputs, unless its model writes into what it is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ALIGNMENT = 64
"""Bytes at which engines may read an array without copying it first."""


class Feed:
    """Batches for one session.

    A batch is a view of the mapped inputs, since copying 32 images takes as long as a small network's inference. The
    first one is copied; where the call has changed it, the model works in place, and every other is copied as well.
    """

    def __init__(self) -> None:
        self._known = False
        self._copies = True

    def batches(self, inputs: NDArray[Any], batch: int) -> Iterable[NDArray[Any]]:
        """All inputs, ``batch`` at a time; each is to be run before the next is asked for.

        Views are all made before the first one runs: an inference empties the processor's caches, and what Python does
        right after one takes many times as long. Copies are made one by one, as they may not all fit into memory.
        """
        starts = range(0, len(inputs), batch)
        if self._copies or batch * inputs.strides[0] % _ALIGNMENT:
            return self._one_by_one(inputs, batch, starts)
        return [self.chunk(inputs, first, batch) for first in starts]

    def chunk(self, inputs: NDArray[Any], first: int, batch: int) -> NDArray[Any]:
        """``batch`` inputs from ``first`` on, the last one repeated where too few are left."""
        chunk = inputs[first : first + batch]
        if len(chunk) < batch:
            return np.concatenate([chunk, np.repeat(chunk[-1:], batch - len(chunk), axis=0)])
        if self._copies or chunk.ctypes.data % _ALIGNMENT:
            return np.array(chunk)
        return chunk

    def check(self, inputs: NDArray[Any], first: int, chunk: NDArray[Any]) -> None:
        """Learn, from the first batch that has run, whether the model writes into its input."""
        if self._known:
            return
        valid = inputs[first : first + len(chunk)]
        self._copies = not _equal(chunk[: len(valid)], valid)
        self._known = True

    def evidence(self) -> dict[str, str]:
        """That the model writes into its input, where it has been seen to."""
        return {"input": "overwritten by the model"} if self._known and self._copies else {}

    def _one_by_one(self, inputs: NDArray[Any], batch: int, starts: range) -> Iterator[NDArray[Any]]:
        for first in starts:
            chunk = self.chunk(inputs, first, batch)
            yield chunk
            self.check(inputs, first, chunk)


def _equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    if one.dtype.names:
        return one.tobytes() == other.tobytes()
    return np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")
