"""Within what differences scores mean the same: their noise, and the spacing of the floating numbers that they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.blocks import row_blocks

EPSILON: Mapping[str, float] = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
"""From 1 to the next number of each type: a score of that type is known to within that share of itself."""
TELLING = 16
"""So many different scores that are no whole numbers tell which type they are of; fewer may be round by chance."""


def precision_of(scores: NDArray[Any]) -> str:
    """The coarsest floating type that has all of the scores, (N, classes); ``""`` for integers.

    What was computed in bfloat16 comes as float32, and what was computed in float32 perhaps as float64: the type of the
    array says less than its values.
    """
    if scores.dtype.kind != "f":
        return ""
    own = scores.dtype.name if scores.dtype.name in EPSILON else "float64"
    fitting = [name for name in EPSILON if EPSILON[name] > EPSILON[own]]
    telling: set[float] = set()
    for rows in row_blocks(scores):
        block = scores[rows]
        block = block[np.isfinite(block)]
        fitting = [name for name in fitting if _holds(name, block)]
        if not fitting:
            return own
        if len(telling) < TELLING:
            telling.update(np.unique(block[block != np.rint(block)])[:TELLING].tolist())
    return fitting[-1] if fitting and len(telling) >= TELLING else own


@dataclass(frozen=True)
class Blur:
    """What blurs both sides of a comparison of scores (N, classes).

    ``noise`` is how far a score of the reference may be off by itself, ``own_noise`` one of the cell; NaN where nothing
    was measured. ``precision`` is what `precision_of` tells of the reference's scores; ``None``: of those given here.
    """

    reference: NDArray[Any]
    cell: NDArray[Any]
    noise: float
    own_noise: float
    precision: str | None

    def kind(self, row: int, expected: int, actual: int, lead: float) -> Literal["real", "tie", "imprecise"]:
        """What a flip from label ``expected`` to ``actual`` is, ``lead`` being how far the reference's score of the
        first is ahead of its score of the second.
        """
        # what the reference gives is what it gives, to within one step; each score of the cell may lie a step beside
        if lead <= 2.0 * self.noise or lead <= _step(self._precisions[0], self.reference[row, [expected, actual]]):
            return "tie"
        step = _step(self._precisions[1], self.cell[row, [expected, actual]])
        return "imprecise" if lead <= 2.0 * self.own_noise or lead <= 2.0 * step else "real"

    @cached_property
    def _precisions(self) -> tuple[str, str]:
        theirs = precision_of(self.reference) if self.precision is None else self.precision
        return theirs, precision_of(self.cell)


def _step(precision: str, scores: NDArray[Any]) -> float:
    """How far apart two numbers of that type are beside the largest of the finite scores; 0 for integers."""
    sizes = (abs(score) for score in map(float, scores) if math.isfinite(score))
    return EPSILON.get(precision, 0.0) * max(sizes, default=0.0)


def _holds(name: str, block: NDArray[Any]) -> bool:
    with np.errstate(over="ignore"):
        return bool((_CAST[name](block) == block).all())


def _to_bfloat16(block: NDArray[Any]) -> NDArray[np.float32]:
    """The same without the lower half of their bits, which a bfloat16 has not."""
    single = np.ascontiguousarray(block, dtype=np.float32)
    return (single.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


_CAST: Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "float32": lambda block: block.astype(np.float32),
    "float16": lambda block: block.astype(np.float16),
    "bfloat16": _to_bfloat16,
}
