"""Whether a cell is fast enough: within a limit, over it, or too uncertain to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.core.timing import Timing
from pytest_envrobust.timing.ratios import CONFIDENCE, Ratio, median_interval, smallest_visible
from pytest_envrobust.verdicts.limits import MAX_LATENCY_MS, MAX_LATENCY_RATIO, Limit
from pytest_envrobust.verdicts.verdict import Verdict, closing_lines

Clock = Literal["wall", "cpu"]

NO_CONTROL = (
    "  no A/A control was run: the reference was not timed against itself, so a bias of this machine between "
    "two runs of one thing would go unseen"
)


@dataclass(frozen=True)
class LatencyEvidence:
    """What was measured of a cell's time; ratios are to the reference's, ``None`` where none was taken."""

    timing: Timing
    wall_ratio: Ratio | None = None
    cpu_ratio: Ratio | None = None

    def ratio(self, clock: Clock) -> Ratio | None:
        """The ratio on that clock."""
        return self.wall_ratio if clock == "wall" else self.cpu_ratio


@dataclass(frozen=True)
class LatencyFigures:
    """What a verdict on time rests on, as a record has it: no single calls.

    ``calls`` is how many were timed, ``median_ms`` their median wall time and ``interval_ms`` its interval, both in
    milliseconds, ``None`` where there were none or too few; ratios are to the reference's.
    """

    calls: int
    median_ms: float | None = None
    interval_ms: tuple[float, float] | None = None
    wall_ratio: Ratio | None = None
    cpu_ratio: Ratio | None = None

    @classmethod
    def of(cls, evidence: LatencyEvidence, confidence: float = CONFIDENCE) -> LatencyFigures:
        """The figures of what was measured."""
        timing = evidence.timing
        interval = median_interval([nanoseconds / 1e6 for nanoseconds in timing.wall_ns], confidence)
        median = timing.median_wall_ms if timing.calls else None
        return cls(timing.calls, median, interval, evidence.wall_ratio, evidence.cpu_ratio)

    def ratio(self, clock: Clock) -> Ratio | None:
        """The ratio on that clock."""
        return self.wall_ratio if clock == "wall" else self.cpu_ratio


def default_clock(environment: Environment | str) -> Clock:
    """CPU time on CPU devices, where it is the steadier; wall time elsewhere: the CPU only waits there."""
    device = (Environment.parse(environment) if isinstance(environment, str) else environment).device
    return "cpu" if device.partition("+")[0] == "cpu" else "wall"


def judge_latency(
    evidence: LatencyEvidence | LatencyFigures,
    limit: Limit,
    *,
    model: str,
    environment: Environment | str,
    reference: Environment | str,
    route: Sequence[str] = (),
    rerun: str = "",
    clock: Clock | None = None,
    confidence: float = CONFIDENCE,
) -> Verdict:
    """Hold a cell's time against ``max_latency_ms`` or ``max_latency_ratio``.

    Milliseconds are judged on the interval of the median wall time of a call, at ``confidence``; a ratio on the
    interval of the ratio on ``clock`` (`default_clock` by default). Ratios, and the interval of `LatencyFigures`, were
    taken at the same ``confidence``. An interval within the limit passes, one over it fails, and where the limit lies
    inside it, or there are too few calls for one, the verdict is inconclusive. Raises `DeclarationError` for another
    kind of limit.
    """
    figures = evidence if isinstance(evidence, LatencyFigures) else LatencyFigures.of(evidence, confidence)
    if limit.name == MAX_LATENCY_MS:
        status, said = _judge_milliseconds(figures, limit, confidence)
    elif limit.name == MAX_LATENCY_RATIO:
        chosen = clock or default_clock(environment)
        status, said = _judge_ratio(figures.ratio(chosen), limit, chosen, str(reference), confidence)
    else:
        raise DeclarationError(
            f"{limit.name} does not limit time", cause=f"{MAX_LATENCY_MS} and {MAX_LATENCY_RATIO} do"
        )
    lines = [f"{model} in {environment}: {said[0]}", *said[1:], NO_CONTROL]
    if status is not Status.PASSED:
        lines += closing_lines(route, rerun)
    return Verdict(status, "\n".join(lines), limit)


def _judge_milliseconds(figures: LatencyFigures, limit: Limit, confidence: float) -> tuple[Status, list[str]]:
    bound = f"limit {limit.value:g} ms from {limit.origin}"
    if figures.interval_ms is None or figures.median_ms is None:
        measured = "" if figures.median_ms is None else f"median {_number(figures.median_ms)} ms over "
        calls = f"{figures.calls} timed {'call' if figures.calls == 1 else 'calls'}"
        said = f"inconclusive, {measured}{calls}, too few for an interval of the median ({bound})"
        return Status.INCONCLUSIVE, [said]
    low, high = figures.interval_ms
    status = _status(low, high, limit.value)
    headline = (
        f"{_WORDS[status]}, a call takes {_number(figures.median_ms)} ms of wall time (median of "
        f"{figures.calls}, {confidence * 100:g} % interval {_span(low, high, limit.value)} ms, {bound})"
    )
    return status, [headline, "  an absolute limit holds for this machine and its load alone"]


def _judge_ratio(
    ratio: Ratio | None, limit: Limit, clock: Clock, reference: str, confidence: float
) -> tuple[Status, list[str]]:
    bound = f"limit {limit.value:g} from {limit.origin}"
    name = "CPU time" if clock == "cpu" else "wall time"
    if ratio is None:
        said = f"inconclusive, no ratio of its {name} to that of {reference} was taken ({bound})"
        return Status.INCONCLUSIVE, [said]
    status = _status(ratio.low, ratio.high, limit.value)
    headline = (
        f"{_WORDS[status]}, {_number(ratio.mid)} times the {name} of {reference} "
        f"({confidence * 100:g} % interval {_span(ratio.low, ratio.high, limit.value)}, {bound})"
    )
    visible = smallest_visible(ratio)
    if visible == float("inf"):
        return status, [headline, "  too few pairs of calls, or too coarse a clock, to tell any slowdown from none"]
    return status, [
        headline,
        f"  the smallest slowdown that this run could have told from none: {_number(visible)} times",
    ]


_WORDS = {Status.PASSED: "fast enough", Status.FAILED: "too slow", Status.INCONCLUSIVE: "inconclusive"}


def _status(low: float, high: float, limit: float) -> Status:
    if high <= limit:
        return Status.PASSED
    # not `else failed`: a NaN anywhere must end here as inconclusive
    return Status.FAILED if low > limit else Status.INCONCLUSIVE


def _number(value: float) -> str:
    return f"{value:#.3g}" if 0 < value < 100 else f"{value:.1f}"


def _span(low: float, high: float, limit: float) -> str:
    """Both ends, with as many digits as keep each on its own side of the limit."""
    for digits in range(3, 18):
        ends = [f"{end:#.{digits}g}".rstrip(".") if end < 10**digits else f"{end:.1f}" for end in (low, high)]
        if all((float(text) <= limit) == (end <= limit) for text, end in zip(ends, (low, high))):
            break
    return f"{ends[0]} to {ends[1]}"
