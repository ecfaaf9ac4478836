"""Whether a cell's milliseconds, or those of its tails, keep their limit: on this machine, under its load."""

from __future__ import annotations

from pytest_envrobust.core.status import Status
from pytest_envrobust.core.wording import counted
from pytest_envrobust.timing.evidence import TAILS, LatencyFigures
from pytest_envrobust.timing.intervals import calls_for_quantile
from pytest_envrobust.verdicts.family import Family
from pytest_envrobust.verdicts.limits import TAIL_LIMITS, Limit
from pytest_envrobust.verdicts.time_wording import WORDS, Judged, calls_of, interval_of, number, span, status_of, steady

_ABSOLUTE = "  an absolute limit holds for this machine and its load alone"


def judge_milliseconds(figures: LatencyFigures, limit: Limit, family: Family) -> Judged:
    """Hold the interval of the median wall time against the limit."""
    bound = f"limit {limit.value:g} ms from {limit.origin}"
    median = figures.medians.get("wall")
    if median is None or not median.is_bounded:
        measured = "" if median is None else f"median {number(median.mid)} ms over "
        said = f"inconclusive, {measured}{calls_of(figures)}, too few for an interval of the median ({bound})"
        return Status.INCONCLUSIVE, [said]
    status, drifting = steady(status_of(median, limit.value), figures.drift.time, "times", median, limit.value)
    headline = (
        f"{WORDS[status]}, a call takes {number(median.mid)} ms of wall time (median of "
        f"{figures.calls}, {interval_of(figures, median, limit.value, family, ' ms')}, {bound})"
    )
    return status, [headline, _ABSOLUTE, *drifting]


def judge_tail(figures: LatencyFigures, limit: Limit, family: Family) -> Judged:
    """Hold the interval of a tail of the wall time against the limit.

    What is over it only for what other processes took of the calls is no failure of the cell's: inconclusive.
    """
    name = TAIL_LIMITS[limit.name]
    share = TAILS[name]
    bound = f"limit {limit.value:g} ms from {limit.origin}"
    tail = figures.tails.get(name)
    status = status_of(tail, limit.value) if tail is not None else Status.INCONCLUSIVE
    enough = calls_for_quantile(share, family.confidence)
    if tail is None or (status is Status.INCONCLUSIVE and figures.calls < enough):
        said = f"inconclusive, {calls_of(figures)}, and an upper bound of {name} needs {enough} ({bound})"
        return Status.INCONCLUSIVE, [said, "  give it more time with --envrobust-time-budget"]
    own = figures.own_tails.get(name)
    others = status is Status.FAILED and own is not None and status_of(own, limit.value) is not Status.FAILED
    status = Status.INCONCLUSIVE if others else status
    status, drifting = steady(status, figures.drift.time, "times", tail, limit.value)
    headline = (
        f"{WORDS[status]}, {share * 100:g} % of {figures.calls} calls take {number(tail.mid)} ms of wall time or "
        f"less ({name}, {interval_of(figures, tail, limit.value, family, ' ms')}, {bound})"
    )
    lines = [headline, _ABSOLUTE, *_causes(figures, name, limit.value)]
    if others:
        lines.append("  what is over the limit is the other processes' doing: run it again on a quiet machine")
    return status, [*lines, *drifting]


def _causes(figures: LatencyFigures, name: str, limit: float) -> list[str]:
    """Why the calls of a tail were slow, and the tail without what other processes took of them."""
    causes, own = figures.tail_causes.get(name), figures.own_tails.get(name)
    if causes is None or not causes.calls:
        return []
    beyond = f"  {counted(causes.calls, 'call')} took so long:"
    if causes.held_up is None or own is None:
        if not causes.waited:
            return []
        return [f"{beyond} {causes.waited} without a processor meanwhile, waiting or because other processes had it"]
    computed = causes.calls - causes.held_up - causes.waited
    said = f"{beyond} {causes.held_up} held up by other processes, {causes.waited} waiting, {computed} computing longer"
    return [f"{said}; without what other processes took it is {number(own.mid)} ms ({span(own, limit)})"]
