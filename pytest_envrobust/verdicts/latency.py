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
from pytest_envrobust.timing.drift import moved
from pytest_envrobust.timing.evidence import TAILS, LatencyEvidence, LatencyFigures, TimedPoint, deciding_clock
from pytest_envrobust.timing.intervals import CONFIDENCE, Estimate, calls_for_quantile
from pytest_envrobust.timing.ratios import smallest_visible
from pytest_envrobust.timing.regression import EarlierTime, Regression, regression_of
from pytest_envrobust.timing.waiting import disagreement, reference_on_processor, share_on_processor, waiting_regression
from pytest_envrobust.verdicts.limits import (
    MAX_LATENCY_MS,
    MAX_LATENCY_RATIO,
    MAX_LATENCY_REGRESSION,
    TAIL_LIMITS,
    Limit,
)
from pytest_envrobust.verdicts.verdict import Subject, Verdict, closing_lines

NO_CONTROL = (
    "  no A/A control was run: the reference was not timed against itself, so a bias of this machine between "
    "two runs of one thing would go unseen"
)
_LIMITS = (MAX_LATENCY_MS, *TAIL_LIMITS, MAX_LATENCY_RATIO, MAX_LATENCY_REGRESSION)
CLOCK_NAMES = {"cpu": "CPU time", "wall": "wall time", "own": "undisturbed wall time", "device": "device time"}

_Judged = tuple[Status, list[str]]


@dataclass(frozen=True)
class TimedCell:
    """What was measured of a cell: at its own point of the axes and at further ones; what an earlier run measured."""

    own: LatencyEvidence
    further: tuple[TimedPoint, ...] = ()
    earlier: EarlierTime | None = None


def judge_latency(
    evidence: LatencyEvidence | LatencyFigures,
    limit: Limit,
    subject: Subject,
    *,
    clock: Clock | None = None,
    point: Point | None = None,
    earlier: EarlierTime | None = None,
    confidence: float = CONFIDENCE,
) -> Verdict:
    """Hold a cell's time against a limit on it.

    Milliseconds are judged on the interval of the median (or the tail's) wall time of a call, at ``confidence``; a
    ratio on the interval of the ratio on ``clock`` (by default the one that the evidence says, else `deciding_clock`;
    instead of CPU time on wall time where that says more, beyond the intervals of both), and only where the A/A control
    stays within its margin; a regression on the interval of the change against the
    ``earlier`` time, under the same control where there is one. ``point`` is named where it is not the base one. An
    interval within the limit passes, one over it fails, and where the limit lies inside it, or there are too few calls
    for one, the verdict is inconclusive. Raises `DeclarationError` for another kind of limit.
    """
    figures = evidence if isinstance(evidence, LatencyFigures) else LatencyFigures.of(evidence, confidence)
    chosen: Clock = clock or figures.clock or deciding_clock(subject.environment)
    if limit.name == MAX_LATENCY_MS:
        status, said = _judge_milliseconds(figures, limit, confidence)
    elif limit.name in TAIL_LIMITS:
        status, said = _judge_tail(figures, limit, confidence)
    elif limit.name == MAX_LATENCY_RATIO:
        status, said = _judge_ratio(figures, limit, chosen, subject, confidence)
    elif limit.name == MAX_LATENCY_REGRESSION:
        status, said = _judge_regression(figures, limit, chosen, earlier, confidence)
    else:
        raise DeclarationError(f"{limit.name} does not limit time", cause=f"those that do are {', '.join(_LIMITS)}")
    at = f" at {point}" if point is not None else ""
    lines = [f"{subject}{at}: {said[0]}", *said[1:]]
    if status is not Status.PASSED:
        lines += closing_lines(subject)
    return Verdict(status, "\n".join(lines), limit)


def _judge_milliseconds(figures: LatencyFigures, limit: Limit, confidence: float) -> _Judged:
    bound = f"limit {limit.value:g} ms from {limit.origin}"
    median = figures.medians.get("wall")
    if median is None or not median.is_bounded:
        measured = "" if median is None else f"median {_number(median.mid)} ms over "
        said = f"inconclusive, {measured}{_calls(figures)}, too few for an interval of the median ({bound})"
        return Status.INCONCLUSIVE, [said]
    status, drifting = _steady(_status(median, limit.value), figures.drift.time, "times")
    headline = (
        f"{_WORDS[status]}, a call takes {_number(median.mid)} ms of wall time (median of "
        f"{figures.calls}, {confidence * 100:g} % interval {_span(median, limit.value)} ms, {bound})"
    )
    return status, [headline, _ABSOLUTE, *drifting]


def _judge_tail(figures: LatencyFigures, limit: Limit, confidence: float) -> _Judged:
    name = TAIL_LIMITS[limit.name]
    share = TAILS[name]
    bound = f"limit {limit.value:g} ms from {limit.origin}"
    tail = figures.tails.get(name)
    status = _status(tail, limit.value) if tail is not None else Status.INCONCLUSIVE
    enough = calls_for_quantile(share, confidence)
    if tail is None or (status is Status.INCONCLUSIVE and figures.calls < enough):
        said = f"inconclusive, {_calls(figures)}, and an upper bound of {name} needs {enough} ({bound})"
        return Status.INCONCLUSIVE, [said, "  give it more time with --envrobust-time-budget"]
    status, drifting = _steady(status, figures.drift.time, "times")
    headline = (
        f"{_WORDS[status]}, {share * 100:g} % of {figures.calls} calls take {_number(tail.mid)} ms of wall time or "
        f"less ({name}, {confidence * 100:g} % interval {_span(tail, limit.value)} ms, {bound})"
    )
    return status, [headline, _ABSOLUTE, *drifting]


_ABSOLUTE = "  an absolute limit holds for this machine and its load alone"


def _judge_ratio(figures: LatencyFigures, limit: Limit, clock: Clock, subject: Subject, confidence: float) -> _Judged:
    reference = subject.reference
    bound = f"limit {limit.value:g} from {limit.origin}"
    by_cpu = figures.ratios.get("cpu")
    waits = disagreement(figures.ratios) if clock == "cpu" else None
    if waits and by_cpu and _decides(by_cpu, waits.by_clock, limit):
        clock = waits.clock
    else:
        waits = None
    name = CLOCK_NAMES[clock]
    ratio = figures.ratios.get(clock)
    if ratio is None:
        said = f"inconclusive, no ratio of its {name} to that of {reference} was taken ({bound})"
        return Status.INCONCLUSIVE, [said]
    status, control = _with_control(_status(ratio, limit.value), figures, ratio, clock, limit.value, confidence)
    unseen = _unseen(figures, clock, subject, limit.value)
    if waits:
        status, unseen = _waiting(status, figures, clock, waits.by_cpu)
    status, drifting = _steady(status, figures.drift.ratio, "the ratio to the reference")
    headline = (
        f"{_WORDS[status]}, {_number(ratio.mid)} times the {name} of {reference} "
        f"({confidence * 100:g} % interval {_span(ratio, limit.value)}, {bound})"
    )
    return status, [headline, _visible(ratio), control, *unseen, *drifting]


def _steady(status: Status, drift: float | None, what: str) -> tuple[Status, list[str]]:
    """The status that is left where something drifted: no pass, as it may go on."""
    if drift is None:
        return status, []
    said = f"  {what} {moved(drift)} from the first round to the last"
    if status is not Status.PASSED:
        return status, [said]
    why = "does it leak, or the processor get hot?" if drift > 1 else "what is it once it has settled?"
    return Status.INCONCLUSIVE, [f"{said}: {why} Give it more time with --envrobust-time-budget"]


def _decides(by_cpu: Estimate, by_wall: Estimate, limit: Limit) -> bool:
    """Whether a wall time that says more than CPU time changes the verdict: by itself it is not within the limit."""
    return _status(by_cpu, limit.value) is not Status.FAILED and _status(by_wall, limit.value) is not Status.PASSED


def _waiting(status: Status, figures: LatencyFigures, clock: Clock, by_cpu: Estimate) -> tuple[Status, list[str]]:
    """The status of a cell whose wall time says more than its CPU time: too slow only where nobody else was at work."""
    said = f"  judged on {CLOCK_NAMES[clock]}, since CPU time does not see all of it: by CPU time {_times(by_cpu)}"
    if share := share_on_processor(figures, clock):
        said += f". A call has a processor for {100 * share:.0f} % of its {CLOCK_NAMES[clock]}: what does it wait for?"
    doubt = ""
    if status is Status.FAILED and clock not in figures.controls:
        doubt = "without an A/A control on that clock"
    elif status is Status.FAILED and not figures.quiet:
        doubt = "other processes were at work" if figures.quiet is False else "nothing tells how busy the machine was"
    if not doubt:
        return status, [said]
    remedy = f"  {doubt}, so whether it is the cell that waits is not sure: run it again on a quiet machine"
    return Status.INCONCLUSIVE, [said, remedy]


def _with_control(
    status: Status, figures: LatencyFigures, ratio: Estimate, clock: Clock, limit: float, confidence: float
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
        f" ({confidence * 100:g} % interval {_span(control, 1.0)})"
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
    return f"  the smallest slowdown that this run could have told from none: {_number(visible)} times"


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
    return f"{_number(ratio.mid)} times ({_span(ratio, limit)})"


def _why_wall(figures: LatencyFigures, subject: Subject) -> str:
    device = subject.environment.rpartition("/")[2]
    if not is_processor(device):
        return f"CPU time cannot see what {device} does"
    if figures.threads > 1:
        return f"CPU time cannot see waiting, or how well {figures.threads} threads share the work"
    return "the CPU clock here goes in steps that are too long for so short calls"


def _judge_regression(
    figures: LatencyFigures, limit: Limit, clock: Clock, earlier: EarlierTime | None, confidence: float
) -> _Judged:
    bound = f"limit {limit.value:g} from {limit.origin}"
    if earlier is None:
        said = f"inconclusive, no earlier run to compare its time with ({bound})"
        return Status.INCONCLUSIVE, [said, "  name one that --envrobust-json wrote: --envrobust-baseline=RUN.json"]
    found = regression_of(figures, earlier, clock)
    if found is None:
        said = f"inconclusive, {earlier.origin} has no time of it to compare with ({bound})"
        return Status.INCONCLUSIVE, [said]
    waits = waiting_regression(figures, earlier, found) if clock == "cpu" else None
    by_cpu = found.change
    if waits and _decides(by_cpu, waits[1].change, limit):
        clock, found = waits
    else:
        waits = None
    status = _status(found.change, limit.value)
    lines = [_visible(found.change), f"  {_yardstick(found, clock)}"]
    doubt = found.doubt(status is Status.FAILED)
    if found.by_reference or clock in figures.controls or figures.control_fault:
        status, control = _with_control(status, figures, found.change, clock, limit.value, confidence)
        lines.append(control)
    if waits:
        status, unseen = _waiting(status, figures, clock, by_cpu)
        lines += unseen
    by_ratio = found.by_reference
    drifted = figures.drift.ratio if by_ratio else figures.drift.time
    status, drifting = _steady(status, drifted, "the ratio to the reference" if by_ratio else "times")
    lines += drifting
    if doubt:
        status = Status.INCONCLUSIVE
        lines.append(f"  {doubt}")
    headline = (
        f"{_WORDS[status]}, {_number(found.change.mid)} times what it took in {earlier.origin} "
        f"({confidence * 100:g} % interval {_span(found.change, limit.value)}, {bound})"
    )
    return status, [headline, *lines]


def _yardstick(found: Regression, clock: Clock) -> str:
    name = CLOCK_NAMES[clock]
    if found.by_reference:
        return f"by {name}, as a ratio to the reference's in both runs: what slows the whole machine cancels out"
    return f"by {name} in both runs: nothing tells a slower cell from a slower machine"


_WORDS = {Status.PASSED: "fast enough", Status.FAILED: "too slow", Status.INCONCLUSIVE: "inconclusive"}


def _status(estimate: Estimate, limit: float) -> Status:
    if estimate.high <= limit:
        return Status.PASSED
    # not `else failed`: a NaN anywhere must end here as inconclusive
    return Status.FAILED if estimate.low > limit else Status.INCONCLUSIVE


def _calls(figures: LatencyFigures) -> str:
    return f"{figures.calls} timed {'call' if figures.calls == 1 else 'calls'}"


def _number(value: float) -> str:
    return f"{value:#.3g}" if 0 < value < 100 else f"{value:.1f}"


def _span(estimate: Estimate, limit: float) -> str:
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
