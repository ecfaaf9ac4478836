"""Waiting (a lock, a file, a sleep), which CPU time does not see: where wall time tells another story than CPU time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_envrobust.core.timing import Clock
from pytest_envrobust.timing.evidence import LatencyFigures
from pytest_envrobust.timing.intervals import Estimate
from pytest_envrobust.timing.regression import EarlierTime, Regression, regression_of

_WALL_CLOCKS: tuple[Clock, ...] = ("own", "wall")
"""The better one first: beside it nobody else's doing is taken for waiting."""
HARDLY_WAITS = 0.97
"""A call that has a processor for so much of its time hardly waits: reading the clocks takes time too."""


@dataclass(frozen=True)
class Disagreement:
    """An estimate on wall time that lies wholly above the one on CPU time, and the clock that it is of."""

    clock: Clock
    by_clock: Estimate
    by_cpu: Estimate


def disagreement(estimates: Mapping[Clock, Estimate]) -> Disagreement | None:
    """Where wall time says more than CPU time, beyond the intervals of both; ``None`` where it does not."""
    both = _both(estimates)
    if both is None or not (both.by_clock.is_bounded and both.by_clock.low > both.by_cpu.high):
        return None
    return both


def may_disagree(estimates: Mapping[Clock, Estimate]) -> bool:
    """Whether wall time seems to say more than CPU time, and more rounds may show it."""
    both = _both(estimates)
    return both is not None and both.by_clock.low <= both.by_cpu.high < both.by_clock.mid


def share_on_processor(figures: LatencyFigures, clock: Clock) -> float | None:
    """For which share of its time on that clock a call had a processor; ``None`` where that is not known."""
    wall, cpu = figures.medians.get(clock), figures.medians.get("cpu")
    return cpu.mid / wall.mid if wall is not None and cpu is not None and wall.mid > 0 else None


def reference_on_processor(figures: LatencyFigures) -> float | None:
    """For which share of its wall time the reference had a processor, where that is less than the cell's.

    ``None`` where it is not, beyond the intervals of both ratios, and where it hardly waits.
    """
    both = _both(figures.ratios)
    if both is None or not (both.by_cpu.is_bounded and both.by_clock.high < both.by_cpu.low):
        return None
    share = share_on_processor(figures, both.clock)
    theirs = None if share is None else share * both.by_clock.mid / both.by_cpu.mid
    return theirs if theirs is not None and theirs < HARDLY_WAITS else None


def waiting_regression(
    now: LatencyFigures, earlier: EarlierTime, by_cpu: Regression
) -> tuple[Clock, Regression] | None:
    """A regression by wall time that CPU time does not see, and its clock; ``None`` where there is none.

    Held against the reference's, the cell's time also grows where the reference waits less than it did. So at least
    half of what wall time says beyond CPU time must be found in the cell's own times.
    """
    found: dict[Clock, Regression] = {
        clock: by_clock
        for clock in _WALL_CLOCKS
        if (by_clock := regression_of(now, earlier, clock)) is not None and by_clock.by_reference is by_cpu.by_reference
    }
    both = disagreement({"cpu": by_cpu.change, **{clock: each.change for clock, each in found.items()}})
    if both is None:
        return None
    shares = share_on_processor(now, both.clock), share_on_processor(earlier.figures, both.clock)
    beyond = math.log(both.by_clock.mid / both.by_cpu.mid)
    if shares[0] and shares[1] and math.log(shares[1] / shares[0]) < beyond / 2:
        return None
    return both.clock, found[both.clock]


def _both(estimates: Mapping[Clock, Estimate]) -> Disagreement | None:
    clock = next((clock for clock in _WALL_CLOCKS if clock in estimates), None)
    if clock is None or "cpu" not in estimates:
        return None
    return Disagreement(clock, estimates[clock], estimates["cpu"])
