"""How far scores lie from others: from the reference's, and from those of the same network in double precision."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.blocks import row_blocks


@dataclass(frozen=True)
class ScoreErrors:
    """``largest``: the largest absolute difference of two scores; ``relative``: that of any row as a share of the row's
    largest absolute expected score, since a single score may lie anywhere near 0. Infinite where a score is NaN or
    infinite and the expected one is not the same.
    """

    largest: float
    relative: float


@dataclass(frozen=True)
class Fidelity:
    """Root mean square errors against the scores in double precision: a cell's, and the reference's own."""

    error: float
    reference_error: float

    @property
    def ratio(self) -> float:
        """The cell's error as a multiple of the reference's; 1 where both are 0."""
        if self.reference_error == 0:
            return 1.0 if self.error == 0 else math.inf
        return self.error / self.reference_error


def score_errors(actual: NDArray[Any], expected: NDArray[Any]) -> ScoreErrors:
    """The errors of ``actual`` against ``expected``, both (N, classes), N at least 1."""
    largest = relative = 0.0
    for rows in row_blocks(expected, actual):
        worst = np.abs(_differences(actual[rows], expected[rows])).max(axis=1)
        scale = np.abs(expected[rows].astype(np.float64))
        scale = np.where(np.isfinite(scale), scale, 0.0).max(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(worst == 0, 0.0, worst / scale)
        largest, relative = max(largest, float(worst.max())), max(relative, float(shares.max()))
    return ScoreErrors(largest, relative)


def fidelity(actual: NDArray[Any], reference: NDArray[Any], exact: NDArray[Any]) -> Fidelity:
    """The errors of a cell and of the reference against ``exact``, float64; all (N, classes), N at least 1."""
    return Fidelity(_root_mean_square(actual, exact), _root_mean_square(reference, exact))


def _root_mean_square(scores: NDArray[Any], exact: NDArray[Any]) -> float:
    squares = sum(float(np.square(_differences(scores[rows], exact[rows])).sum()) for rows in row_blocks(exact, scores))
    return math.sqrt(squares / exact.size)


def _differences(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", over="ignore"):
        found: NDArray[np.float64] = np.subtract(one, other, dtype=np.float64)
    odd = ~np.isfinite(found)
    if odd.any():
        found[odd] = np.where(one[odd] == other[odd], 0.0, np.inf)
    return found
