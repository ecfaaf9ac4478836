"""A cell's time now against its time in an earlier run on the same machine."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_envrobust.core.timing import Clock
from pytest_envrobust.timing.evidence import LatencyFigures
from pytest_envrobust.timing.intervals import Estimate
from pytest_envrobust.timing.ratios import change

SPREAD = 0.03
"""What two runs of one thing on one machine differ by beyond their own intervals, as a share: each has processes of its
own, whose memory lies elsewhere (`benchmarks/gate.py` measures it)."""


@dataclass(frozen=True)
class EarlierTime:
    """What an earlier run measured of a cell.

    ``origin`` names that run. ``differences`` are what differs of the machine and its packages, in words; there must be
    none for a regression to be told. ``same_reference`` is whether both runs held the cell against the same model in
    the same environment, and ``is_reference`` whether the cell is that very one.
    """

    origin: str
    figures: LatencyFigures
    differences: tuple[str, ...] = ()
    same_reference: bool = False
    is_reference: bool = False


@dataclass(frozen=True)
class Regression:
    """How many times its earlier time a cell takes now.

    ``by_reference``: as a quotient of both ratios to the reference, so that the machine's state cancels out.
    """

    change: Estimate
    by_reference: bool
    earlier: EarlierTime

    def doubt(self, slower: bool) -> str:
        """Why it cannot be judged; empty where it can. ``slower`` is whether it would be over its limit."""
        if self.earlier.differences:
            return (
                f"not the same machine as then: {'; '.join(self.earlier.differences)}. Save a new run to compare with"
            )
        if slower and self.earlier.is_reference and self.earlier.same_reference:
            return "this is the reference, its model and packages are what they were: it is the machine that is slower"
        return ""


def regression_of(now: LatencyFigures, earlier: EarlierTime, clock: Clock) -> Regression | None:
    """The change on that clock, by the ratios to the reference where both runs have them of the same reference.

    ``None`` where one of both runs has no time of the cell on that clock.
    """
    then = earlier.figures.at(now.confidence)
    if earlier.same_reference and clock in now.ratios and clock in then.ratios:
        return Regression(change(now.ratios[clock], then.ratios[clock], spread=SPREAD), True, earlier)
    if clock in now.medians and clock in then.medians:
        return Regression(change(now.medians[clock], then.medians[clock], spread=SPREAD), False, earlier)
    return None
