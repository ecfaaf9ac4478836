"""Whether times rise or fall while they are taken: memory leaks, a processor throttles, a cache fills."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.timing.intervals import block_length, effective_size

SMALLEST_DRIFT = 0.03
"""A smaller change from the first round to the last is none."""
FALSE_ALARMS = 0.001
"""The chance that a series of independent rounds seems to drift, whatever it comes to. With correlations of up to .5
between neighbors it is below .01, of up to .8 below .02, as simulated in the tests."""
FEWEST_ROUNDS = 20
"""Too short a series tells no drift from a slow noise."""
_FEWEST_BLOCKS = 6
_CONCORDANT = 0.8
_MOST_BLOCKS = 20


@dataclass(frozen=True)
class Drift:
    """How many times as long the last round took as the first; ``None`` where nothing drifts.

    ``time`` is of the cell's own times, ``ratio`` of those to the reference's.
    """

    time: float | None = None
    ratio: float | None = None


NO_DRIFT = Drift()


def moved(factor: float) -> str:
    """``rose by 12 %`` or ``fell by 12 %``."""
    return f"{'rose' if factor > 1 else 'fell'} by {abs(factor - 1) * 100:.0f} %"


def drift(times: Sequence[float], beside: Sequence[float] = ()) -> float | None:
    """How many times as long the last of some rounds takes as the first (1.1: a tenth longer); ``None``: no drift.

    ``times`` are the rounds' typical calls, in their order; with ``beside``, those of another session in the same
    rounds, it is their quotient that may drift. A line is fitted to the medians of blocks of logarithms, blocks longer
    than what the line leaves depends on itself. A drift is told where the line's slope differs from none in Student's t
    test at `FALSE_ALARMS`, or the rounds lie nearly in the order of their times, as along a curve; and what it comes to
    is `SMALLEST_DRIFT` at least. Fewer than `FEWEST_ROUNDS`, and times of zero, tell none.
    """
    series = np.asarray(times, dtype=np.float64)
    if len(series) < FEWEST_ROUNDS or not series.min() > 0:
        return None
    logs = np.log(series)
    if len(beside):
        other = np.asarray(beside, dtype=np.float64)
        if not other.min() > 0:
            return None
        logs = logs - np.log(other)
    change = _change(logs)
    return None if change is None or abs(change) < math.log1p(SMALLEST_DRIFT) else math.exp(change)


def _change(logs: NDArray[np.float64]) -> float | None:
    """What the fitted line comes to from the first round to the last; ``None`` where it may be level."""
    left_over = logs - _line(logs)
    block = 2 if effective_size(left_over) == len(logs) else 2 * block_length(left_over)
    block = max(block, math.ceil(len(logs) / _MOST_BLOCKS))
    if _rises(logs, len(logs) // block) or abs(_concordance(logs)) >= _CONCORDANT:
        line = _line(logs)
        return float(line[-1] - line[0])
    return None


def _rises(logs: NDArray[np.float64], blocks: int) -> bool:
    """Whether the medians of so many blocks lie on a line that is not level, by Student's t test of its slope."""
    from scipy.special import stdtr  # late: not every run has times to judge

    if blocks < _FEWEST_BLOCKS:
        return False
    medians = np.array([np.median(part) for part in np.array_split(logs, blocks)])
    centered = np.arange(blocks) - (blocks - 1) / 2
    slope = float(centered @ medians / (centered @ centered))
    left_over = medians - medians.mean() - slope * centered
    error = math.sqrt(float(left_over @ left_over) / (blocks - 2) / float(centered @ centered))
    return error == 0 or float(2 * stdtr(blocks - 2, -abs(slope) / error)) <= FALSE_ALARMS


def _concordance(values: NDArray[np.float64]) -> float:
    """Kendall's tau of the values and their order: 1 where each is larger than all before, -1 where smaller."""
    n = len(values)
    later = np.triu(np.ones((n, n), dtype=bool), 1)
    return float(np.sign(values[None, :] - values[:, None])[later].sum() / (n * (n - 1) / 2))


def _line(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The straight line through a series, by the median of the slopes between all pairs (Theil and Sen)."""
    places = np.arange(len(values), dtype=np.float64)
    first, second = np.triu_indices(len(values), 1)
    slope = float(np.median((values[second] - values[first]) / (second - first)))
    return np.asarray(slope * places + np.median(values - slope * places), dtype=np.float64)
