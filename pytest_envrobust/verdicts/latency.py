"""Whether a cell is fast enough: within a limit, over it, or too uncertain to say."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_envrobust.core.axes import Point
from pytest_envrobust.core.devices import is_processor
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.core.timing import Clock
from pytest_envrobust.timing.control import check_control
from pytest_envrobust.timing.evidence import LatencyEvidence, LatencyFigures, TimedPoint, deciding_clock
from pytest_envrobust.timing.intervals import CONFIDENCE, Estimate
from pytest_envrobust.timing.ratios import smallest_visible
from pytest_envrobust.timing.regression import EarlierTime, Regression, regression_of
from pytest_envrobust.timing.waiting import (
    HARDLY_WAITS,
    disagreement,
    reference_on_processor,
    share_on_processor,
    waiting_regression,
)
from pytest_envrobust.verdicts.family import ALONE, Family, confidence_text
from pytest_envrobust.verdicts.limits import (
    MAX_LATENCY_MS,
    MAX_LATENCY_RATIO,
    MAX_LATENCY_REGRESSION,
    TAIL_LIMITS,
    Limit,
)
from pytest_envrobust.verdicts.milliseconds import judge_milliseconds, judge_tail
from pytest_envrobust.verdicts.time_wording import (
    CLOCK_NAMES,
    WORDS,
    Judged,
    interval_of,
    number,
    span,
    status_of,
    steady,
)
from pytest_envrobust.verdicts.verdict import Subject, Verdict, closing_lines

NO_CONTROL = (
    "  no A/A control was run: the reference was not timed against itself, so a bias of this machine between "
    "two runs of one thing would go unseen"
)
_LIMITS = (MAX_LATENCY_MS, *TAIL_LIMITS, MAX_LATENCY_RATIO, MAX_LATENCY_REGRESSION)


@dataclass(frozen=True)
class TimedCell:
    """What was measured of a cell: at its own point of the axes and at further ones; what an earlier run measured.

    ``family`` are the verdicts that share their risk with one on it.
    """

    own: LatencyEvidence
    further: tuple[TimedPoint, ...] = ()
    earlier: EarlierTime | None = None
    family: Family = ALONE


def judge_latency(
    evidence: LatencyEvidence | LatencyFigures,
    limit: Limit,
    subject: Subject,
    *,
    clock: Clock | None = None,
    point: Point | None = None,
    earlier: EarlierTime | None = None,
    family: Family = ALONE,
) -> Verdict:
    """Hold a cell's time against a limit on it, at 95 % over all cells of its ``family``.

    Milliseconds are judged on the interval of the median (or the tail's) wall time of a call; a
    ratio on the interval of the ratio on ``clock`` (by default the one that the evidence says, else `deciding_clock`;
    instead of CPU time on wall time where that says more, beyond the intervals of both), and only where the A/A control
    stays within its margin; a regression on the interval of the change against the
    ``earlier`` time, under the same control where there is one. ``point`` is named where it is not the base one. An
    interval within the limit passes, one over it fails, and where the limit lies inside it, or there are too few calls
    for one, the verdict is inconclusive. Raises `DeclarationError` for another kind of limit.
    """
    confidence = family.confidence
    if isinstance(evidence, LatencyFigures):
        figures = evidence.at(confidence)
    else:
        figures = LatencyFigures.of(evidence, confidence)
    chosen: Clock = clock or figures.clock or deciding_clock(subject.environment)
    if limit.name == MAX_LATENCY_MS:
        status, said = judge_milliseconds(figures, limit, family)
    elif limit.name in TAIL_LIMITS:
        status, said = judge_tail(figures, limit, family)
    elif limit.name == MAX_LATENCY_RATIO:
        status, said = _judge_ratio(figures, limit, chosen, subject, family)
    elif limit.name == MAX_LATENCY_REGRESSION:
        status, said = _judge_regression(figures, limit, chosen, earlier, family)
    else:
        raise DeclarationError(f"{limit.name} does not limit time", cause=f"those that do are {', '.join(_LIMITS)}")
    at = f" at {point}" if point is not None else ""
    lines = [f"{subject}{at}: {said[0]}", *said[1:]]
    if status is not Status.PASSED:
        lines += closing_lines(subject)
    return Verdict(status, "\n".join(lines), limit)


def _judge_ratio(figures: LatencyFigures, limit: Limit, clock: Clock, subject: Subject, family: Family) -> Judged:
    reference = subject.reference
    bound = f"limit {limit.value:g} from {limit.origin}"
    by_cpu = figures.ratios.get("cpu")
    waits = disagreement(figures.shown.ratios) if clock == "cpu" else None  # a doubt needs no more than 95 %
    if waits and by_cpu and _decides(by_cpu, figures.ratios[waits.clock], limit):
        clock = waits.clock
    else:
        waits = None
    name = CLOCK_NAMES[clock]
    ratio = figures.ratios.get(clock)
    if ratio is None:
        said = f"inconclusive, no ratio of its {name} to that of {reference} was taken ({bound})"
        return Status.INCONCLUSIVE, [said]
    status, control = _with_control(status_of(ratio, limit.value), figures, ratio, clock, limit.value)
    unseen = _unseen(figures, clock, subject, limit.value)
    if waits:
        status, unseen = _waiting(status, figures, clock, waits.by_cpu)
    status, drifting = steady(status, figures.drift.ratio, "the ratio to the reference", ratio, limit.value)
    headline = (
        f"{WORDS[status]}, {number(ratio.mid)} times the {name} of {reference} "
        f"({interval_of(figures, ratio, limit.value, family)}, {bound})"
    )
    return status, [headline, _visible(ratio), control, *unseen, *drifting]


def _decides(by_cpu: Estimate, by_wall: Estimate, limit: Limit) -> bool:
    """Whether a wall time that says more than CPU time changes the verdict: by itself it is not within the limit."""
    return status_of(by_cpu, limit.value) is not Status.FAILED and status_of(by_wall, limit.value) is not Status.PASSED


def _waiting(status: Status, figures: LatencyFigures, clock: Clock, by_cpu: Estimate) -> tuple[Status, list[str]]:
    """The status of a cell whose wall time says more than its CPU time: too slow only where nobody else was at work."""
    said = f"  judged on {CLOCK_NAMES[clock]}, since CPU time does not see all of it: by CPU time {_times(by_cpu)}"
    share = share_on_processor(figures, clock)
    if share is not None and share < HARDLY_WAITS:
        said += f". A call has a processor for {100 * share:.0f} % of its {CLOCK_NAMES[clock]}: what does it wait for?"
    doubt = ""
    if status is Status.FAILED and clock not in figures.controls:
        doubt = "without an A/A control on that clock"
    elif status is Status.FAILED and not figures.quiet:
        doubt = "other processes were at work" if figures.quiet is False else "nothing tells how busy the machine was"
    if not doubt:
        return status, [said]
    remedy = f"  {doubt}, so whether it is the cell that takes longer is not sure: run it again on a quiet machine"
    return Status.INCONCLUSIVE, [said, remedy]


def _with_control(
    status: Status, figures: LatencyFigures, ratio: Estimate, clock: Clock, limit: float
) -> tuple[Status, str]:
    """The status that the control allows, and what the control said."""
    if figures.control_fault:
        return Status.INCONCLUSIVE, f"  the A/A control could not run: {figures.control_fault}"
    control = figures.controls.get(clock)
    if control is None:
        return status, NO_CONTROL
    check = check_control(control, ratio, limit)
    said = (
        f"  the A/A control (the reference against itself) took {control.mid:.3f} times its own {CLOCK_NAMES[clock]}"
        f" ({confidence_text(CONFIDENCE)} interval {span(control, 1.0)})"
    )
    margin = f"margin of {round(check.margin * 100, 1):g} %"
    if check.holds:
        return status, f"{said}, within its {margin}"
    return Status.INCONCLUSIVE, f"{said}, outside its {margin}: this run can judge no such difference"


def _visible(ratio: Estimate) -> str:
    visible = smallest_visible(ratio)
    if visible == math.inf:
        return (
            "  too few pairs of calls, or too coarse a clock, to tell any slowdown from none: "
            "give it more time with --envrobust-time-budget"
        )
    return f"  the smallest slowdown that this run could have told from none: {number(visible)} times"


def _unseen(figures: LatencyFigures, clock: Clock, subject: Subject, limit: float) -> list[str]:
    """Which clock was judged, and what it cannot see."""
    wall = figures.ratios.get("wall")
    if clock == "device":
        return ["  judged on device time, which cannot see what the host adds to a call"]
    if clock == "wall":
        return [f"  judged on wall time, since {_why_wall(figures, subject)}"]
    said = "  judged on CPU time, which other processes disturb least and which cannot see waiting"
    if wall is None or not wall.is_bounded:
        return [said]
    lines = [f"{said}; by wall time {_times(wall, limit)}"]
    if share := reference_on_processor(figures):
        lines.append(
            f"  the reference has a processor for {100 * share:.0f} % of its wall time alone: what it waits for makes "
            "the ratio of wall times small"
        )
    return lines


def _times(ratio: Estimate, limit: float = 1.0) -> str:
    return f"{number(ratio.mid)} times ({span(ratio, limit)})"


def _why_wall(figures: LatencyFigures, subject: Subject) -> str:
    device = subject.environment.rpartition("/")[2]
    if not is_processor(device):
        return f"CPU time cannot see what {device} does"
    if figures.threads > 1:
        return f"CPU time cannot see waiting, or how well {figures.threads} threads share the work"
    return "the CPU clock here goes in steps that are too long for so short calls"


def _judge_regression(
    figures: LatencyFigures, limit: Limit, clock: Clock, earlier: EarlierTime | None, family: Family
) -> Judged:
    bound = f"limit {limit.value:g} from {limit.origin}"
    if earlier is None:
        said = f"inconclusive, no earlier run to compare its time with ({bound})"
        return Status.INCONCLUSIVE, [said, "  name one that --envrobust-json wrote: --envrobust-baseline=RUN.json"]
    found = regression_of(figures, earlier, clock)
    if found is None:
        said = f"inconclusive, {earlier.origin} has no time of it to compare with ({bound})"
        return Status.INCONCLUSIVE, [said]
    by_cpu = found.change
    waits = _waits_more(figures, earlier) if clock == "cpu" else None
    if waits and _decides(by_cpu, waits[1].change, limit):
        clock, found = waits
    else:
        waits = None
    status = status_of(found.change, limit.value)
    lines = [_visible(found.change), f"  {_yardstick(found, clock)}"]
    doubt = found.doubt(status is Status.FAILED)
    if found.by_reference or clock in figures.controls or figures.control_fault:
        status, control = _with_control(status, figures, found.change, clock, limit.value)
        lines.append(control)
    if waits:
        status, unseen = _waiting(status, figures, clock, by_cpu)
        lines += unseen
    by_ratio = found.by_reference
    drifted = figures.drift.ratio if by_ratio else figures.drift.time
    what = "the ratio to the reference" if by_ratio else "times"
    status, drifting = steady(status, drifted, what, found.change, limit.value)
    lines += drifting
    if doubt:
        status = Status.INCONCLUSIVE
        lines.append(f"  {doubt}")
    headline = (
        f"{WORDS[status]}, {number(found.change.mid)} times what it took in {earlier.origin} "
        f"({interval_of(figures, found.change, limit.value, family)}, {bound})"
    )
    return status, [headline, *lines]


def _waits_more(figures: LatencyFigures, earlier: EarlierTime) -> tuple[Clock, Regression] | None:
    """A regression by wall time that CPU time does not see, and its clock: a doubt, for which 95 % are enough."""
    by_cpu = regression_of(figures.shown, earlier, "cpu")
    waits = None if by_cpu is None else waiting_regression(figures.shown, earlier, by_cpu)
    found = None if waits is None else regression_of(figures, earlier, waits[0])
    return None if waits is None or found is None else (waits[0], found)


def _yardstick(found: Regression, clock: Clock) -> str:
    name = CLOCK_NAMES[clock]
    if found.by_reference:
        return f"by {name}, as a ratio to the reference's in both runs: what slows the whole machine cancels out"
    return f"by {name} in both runs: nothing tells a slower cell from a slower machine"
