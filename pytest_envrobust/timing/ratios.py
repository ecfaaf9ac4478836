"""How many times the time of another: ratios with their intervals.

Nothing here measures; see `core.timing.Timing` for what the worker measured. No shape of distribution is assumed:
inference times are skewed, have outliers, and successive calls are not independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.timing.intervals import (
    CONFIDENCE,
    Estimate,
    Interval,
    check_confidence,
    fewest_values,
    series_median_interval,
    widened_range,
)


def paired_ratio(
    cell: Sequence[float], reference: Sequence[float], *, confidence: float = CONFIDENCE, seed: int = 0
) -> Estimate:
    """The median ratio of paired times, with a two-sided block-bootstrap interval.

    ``cell`` and ``reference`` are times (ns) of turns that were taken beside each other: the i-th of one by the i-th
    of the other. The ratio is the median of the pairs' log ratios, its interval that of `series_median_interval`,
    because successive pairs are not independent. Where they depend on each other so much that they are worth fewer than
    6 it is `widened_range`: wide, but an obvious pass or fail stays one. The same numbers and ``seed`` give the same
    interval.

    Fewer than 6 pairs (more above 95 %), or any time of zero (a clock too coarse for the call), give the interval from
    0 to infinity.
    Raises `DeclarationError` where there are no pairs, the numbers of times differ, a time is negative, or
    ``confidence`` is not in (0, 1).
    """
    check_confidence(confidence)
    above, below = np.asarray(cell, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if len(above) != len(below) or len(above) == 0:
        raise DeclarationError(
            f"{len(above)} times of the cell and {len(below)} of the reference make no pairs",
            cause="each call of the cell needs one of the reference beside it",
        )
    if not (above.min() >= 0 and below.min() >= 0):  # this way round, NaN is refused too
        raise DeclarationError("times of calls cannot be compared", cause="a negative time is among them")
    if above.min() == 0 or below.min() == 0:
        return Estimate(0.0, float(above.sum() / below.sum()) if below.any() else math.nan, math.inf)
    logs = np.log(above / below)
    mid = math.exp(float(np.median(logs)))
    interval: Interval | None = None
    if len(logs) >= fewest_values(confidence):
        interval = series_median_interval(logs, confidence, seed) or widened_range(logs, confidence)
    if interval is None:
        return Estimate(0.0, mid, math.inf)
    return Estimate(math.exp(interval[0]), mid, math.exp(interval[1]))


def change(now: Estimate, then: Estimate, *, spread: float = 0.0) -> Estimate:
    """How many times as much one measurement is of another, independent one, with the interval of that quotient.

    On the logarithmic scale the distances from middle to end add as the roots of squares do, as those of independent
    errors. ``spread``, a share (0.02: 2 %), is a third such distance: what two measurements of one thing differ by
    beyond their own intervals. Not bounded where one of both is not.
    """
    mid = now.mid / then.mid if then.mid > 0 else math.nan
    if not (now.is_bounded and then.is_bounded):
        return Estimate(0.0, mid, math.inf)
    extra = math.log1p(spread)
    down = math.hypot(math.log(now.mid / now.low), math.log(then.high / then.mid), extra)
    up = math.hypot(math.log(now.high / now.mid), math.log(then.mid / then.low), extra)
    return Estimate(mid * math.exp(-down), mid, mid * math.exp(up))


def smallest_visible(ratio: Estimate) -> float:
    """The smallest slowdown, as a ratio, that this run could have told from none: 1.03 is 3 % slower.

    Half the interval's width on the logarithmic scale, that is the square root of ``high / low``: a median ratio
    above it would have had its whole interval above 1. A true slowdown of just this size is seen about every second
    time. Infinite where the interval says nothing.
    """
    return math.sqrt(ratio.high / ratio.low) if ratio.is_bounded else math.inf
