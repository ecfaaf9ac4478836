"""What all verdicts on time share: whether an estimate keeps its limit, whether it drifted, and how it is written."""

from __future__ import annotations

import math

from pytest_envrobust.core.status import Status
from pytest_envrobust.timing.drift import moved
from pytest_envrobust.timing.evidence import LatencyFigures
from pytest_envrobust.timing.intervals import Estimate
from pytest_envrobust.verdicts.family import Family, confidence_text

Judged = tuple[Status, list[str]]
"""A status and the lines of its message."""

_GOES_ON = 10
CLOCK_NAMES = {"cpu": "CPU time", "wall": "wall time", "own": "undisturbed wall time", "device": "device time"}
WORDS = {Status.PASSED: "fast enough", Status.FAILED: "too slow", Status.INCONCLUSIVE: "inconclusive"}


def status_of(estimate: Estimate, limit: float) -> Status:
    """Passed where its whole interval is within the limit, failed where it is over, else inconclusive."""
    if estimate.high <= limit:
        return Status.PASSED
    # not `else failed`: a NaN anywhere must end here as inconclusive
    return Status.FAILED if estimate.low > limit else Status.INCONCLUSIVE


def steady(
    status: Status, drift: float | None, what: str, measured: Estimate, limit: float
) -> tuple[Status, list[str]]:
    """The status that is left where something drifted: no pass, as it may go on, but for a limit out of its reach.

    That is where ten times as much, on the logarithmic scale, would not lead from the middle to the limit.
    """
    if drift is None:
        return status, []
    said = f"  {what} {moved(drift)} from the first round to the last"
    far = measured.mid > 0 and _GOES_ON * abs(math.log(drift)) < math.log(limit / measured.mid)
    if status is not Status.PASSED or far:
        return status, [said]
    why = "does it leak, or the processor get hot?" if drift > 1 else "what is it once it has settled?"
    return Status.INCONCLUSIVE, [f"{said}: {why} Give it more time with --envrobust-time-budget"]


def calls_of(figures: LatencyFigures) -> str:
    """How many calls were timed."""
    return f"{figures.calls} timed {'call' if figures.calls == 1 else 'calls'}"


def number(value: float) -> str:
    """A time or a ratio in three digits, a long one to a tenth."""
    return f"{value:#.3g}" if 0 < value < 100 else f"{value:.1f}"


def interval_of(figures: LatencyFigures, estimate: Estimate, limit: float, family: Family, unit: str = "") -> str:
    """``95 % interval 1.42 to 1.58``, or ``99.83 % interval 1.4 to 1.6, 95 % over 30 cells``."""
    said = f"{confidence_text(figures.confidence)} interval {span(estimate, limit)}{unit}"
    return said if family.size == 1 else f"{said}, {family.over}"


def span(estimate: Estimate, limit: float) -> str:
    """Both ends, with as many digits as keep each on its own side of the limit."""
    for digits in range(3, 18):
        ends = [
            f"{end:#.{digits}g}".rstrip(".") if end < 10**digits else f"{end:.1f}"
            for end in (estimate.low, estimate.high)
        ]
        sides = zip(ends, (estimate.low, estimate.high))
        if all((float(text) <= limit) == (end <= limit) for text, end in sides):
            break
    return f"{ends[0]} to {ends[1]}"
