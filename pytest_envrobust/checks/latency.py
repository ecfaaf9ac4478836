"""Is a call fast enough: in milliseconds, as a multiple of the reference's time, or of its own in an earlier run?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_envrobust.checks.base import (
    Asked,
    Check,
    JudgedAgain,
    Result,
    all_verdicts,
    inconclusive,
)
from pytest_envrobust.core.errors import Unavailable
from pytest_envrobust.core.status import Status
from pytest_envrobust.verdicts.family import ALONE, Family
from pytest_envrobust.verdicts.limits import (
    MAX_LATENCY_MS,
    MAX_LATENCY_P90_MS,
    MAX_LATENCY_P99_MS,
    MAX_LATENCY_RATIO,
    MAX_LATENCY_REGRESSION,
    TAIL_LIMITS,
    Limit,
    LimitKind,
)
from pytest_envrobust.verdicts.verdict import Subject, Verdict

if TYPE_CHECKING:
    from pytest_envrobust.checks.cells import MeasuredCell, RecordedCell
    from pytest_envrobust.record.schema import Cell
    from pytest_envrobust.timing.evidence import LatencyEvidence, TimedPoint
    from pytest_envrobust.verdicts.latency import TimedCell

AXES = "axes"
"""The argument that says what else a cell is timed with."""


class LatencyCheck(Check["TimedCell"]):
    """The time of a call, in turns with the reference and its A/A control; without a limit it is recorded only."""

    name = "latency"
    summary = "a call is fast enough"
    limits = (
        LimitKind.positive(MAX_LATENCY_MS, "longest median wall time of a call, in milliseconds", ", in milliseconds"),
        LimitKind.positive(
            MAX_LATENCY_P90_MS,
            "wall time that nine in ten calls must not exceed, in milliseconds",
            ", in milliseconds",
        ),
        LimitKind.positive(
            MAX_LATENCY_P99_MS,
            "wall time that 99 in 100 calls must not exceed, in milliseconds",
            ", in milliseconds",
        ),
        LimitKind.positive(
            MAX_LATENCY_RATIO,
            "longest time of a call, as a multiple of the reference's",
            "; 1.5 is half as long again as the reference",
            of_reference=False,
        ),
        LimitKind.positive(
            MAX_LATENCY_REGRESSION,
            "longest time of a call, as a multiple of its own in the run of --envrobust-baseline",
            "; 1.1 is a tenth longer than before",
        ),
    )
    rank = 20
    asked_for_by_default = True

    def measure(self, cell: MeasuredCell, asked: Asked) -> TimedCell:
        """Its time at its own point of the axes and at the further ones, or why it cannot be brought there."""
        from pytest_envrobust.core.axes import Axes
        from pytest_envrobust.timing.evidence import TimedPoint
        from pytest_envrobust.timing.intervals import CONFIDENCE
        from pytest_envrobust.verdicts.latency import TimedCell

        own, *further = cell.points(asked.arguments.get(AXES, Axes()))
        family = _timed_family(asked.limits, asked.family, 1 + len(further))
        confidence = family.confidence if asked.limits else CONFIDENCE
        effort = cell.effort(_calls_of(asked.limits, confidence), confidence)
        evidence = cell.timed(own, effort)
        found: list[TimedPoint] = []
        for point in further:
            try:
                found.append(TimedPoint(point, cell.timed(point, effort)))
            except Unavailable as error:
                found.append(TimedPoint(point, reason=error.headline))
        earlier = cell.earlier_time if MAX_LATENCY_REGRESSION in asked.limits else None
        return TimedCell(evidence, tuple(found), earlier, family)

    def judge(self, evidence: TimedCell, asked: Asked, subject: Subject) -> list[Verdict]:
        """One verdict a limit; a limit on the ratio holds at each further point too."""
        from pytest_envrobust.verdicts.latency import judge_latency

        found = []
        for limit in asked.limits.values():
            earlier = evidence.earlier if limit.name == MAX_LATENCY_REGRESSION else None
            found.append(judge_latency(evidence.own, limit, subject, earlier=earlier, family=evidence.family))
            for timed in evidence.further if limit.name == MAX_LATENCY_RATIO else ():
                if timed.evidence is not None:
                    found.append(
                        judge_latency(timed.evidence, limit, subject, point=timed.point, family=evidence.family)
                    )
        return found

    def recorded(self, results: Sequence[Result[TimedCell]]) -> dict[str, Any]:
        """The record's ``latency``."""
        from pytest_envrobust.record.judged_part import with_verdicts
        from pytest_envrobust.record.latency_part import latency_part

        evidence = results[-1].evidence
        part = latency_part(evidence.own, evidence.further, evidence.family.confidence)
        return {"latency": with_verdicts(part, list(all_verdicts(results)))}

    def was_asked(self, entry: Cell) -> bool:
        """Whether a time was asked for."""
        return entry.latency is not None and entry.latency.was_asked_for

    def missed(self, entry: Cell) -> bool:
        """Whether a recorded limit was not kept, or not surely."""
        return entry.latency is not None and entry.latency.verdict not in (None, Status.PASSED)

    def judge_again(self, cell: RecordedCell, limits: Mapping[str, Limit]) -> JudgedAgain:
        """Judge the recorded intervals and controls; recorded verdicts on other limits stand."""
        from pytest_envrobust.record.judged_part import recorded_limits, with_verdicts
        from pytest_envrobust.record.schema import Latency

        recorded = recorded_limits(cell.entry.latency)
        points = 1 + len((cell.entry.latency or Latency()).points or ())
        family = _timed_family({**recorded, **limits}, cell.family(), points) if cell.entry.family else ALONE
        standing = [limit for name, limit in recorded.items() if name not in limits]
        verdicts = [_standing(cell, limit, family) for limit in standing]
        verdicts += [verdict for limit in limits.values() for verdict in _judged_again(cell, limit, family)]
        if not verdicts:
            return JudgedAgain()
        return JudgedAgain(verdicts, {"latency": with_verdicts(cell.entry.latency or Latency(), verdicts)})


CHECK = LatencyCheck()


def alone(evidence: LatencyEvidence, family: Family = ALONE) -> Result[TimedCell]:
    """What was measured and held against no limit."""
    from pytest_envrobust.verdicts.latency import TimedCell

    return Result(CHECK, TimedCell(evidence, family=family), ())


def _timed_family(limits: Mapping[str, Limit], family: Family, points: int) -> Family:
    """The verdicts that share a risk: those on each cell, at each of its points where the ratio is asked.

    Several limits share nothing: a cell passes only where it keeps all of them, so that no wrong pass is likelier, and
    an interval errs on the side of a wrong failure with half of its risk.
    """
    return Family(family.cells, points if MAX_LATENCY_RATIO in limits or not limits else 1)


def _calls_of(limits: Mapping[str, Limit], confidence: float) -> int:
    """How many calls the limits on tails need."""
    from pytest_envrobust.timing.evidence import TAILS
    from pytest_envrobust.timing.intervals import calls_for_quantile

    shares = [TAILS[TAIL_LIMITS[name]] for name in limits if name in TAIL_LIMITS]
    return max((calls_for_quantile(share, confidence) for share in shares), default=0)


def _judged_again(cell: RecordedCell, limit: Limit, family: Family) -> list[Verdict]:
    """The verdict on the recorded time and, for a ratio, those on it at further points of the axes."""
    from pytest_envrobust.record.latency_part import point_of, recorded_times
    from pytest_envrobust.verdicts.latency import judge_latency

    latency = cell.entry.latency
    if latency is None or not latency.was_asked_for:
        unasked = ", only the calls that gave the predictions, first ones included" if latency is not None else ""
        return [inconclusive(cell.subject, f"no time was measured{unasked}", limit)]
    confidence = family.confidence
    found = [judge_latency(recorded_times(latency, confidence), limit, cell.subject, family=family)]
    for point in (latency.points or ()) if limit.name == MAX_LATENCY_RATIO else ():
        if point.reason is None:
            times = recorded_times(point, confidence)
            found.append(judge_latency(times, limit, cell.subject, point=point_of(point), family=family))
    return found


def _standing(cell: RecordedCell, limit: Limit, family: Family) -> Verdict:
    """The recorded verdict on a limit that nobody asks to judge again."""
    from pytest_envrobust.checks.labels import CHECK as LABELS
    from pytest_envrobust.record.judged_part import recorded_verdicts

    told = recorded_verdicts(cell.entry.latency)
    status = next(each.verdict for each in told if each.limit_name == limit.name)
    reason = cell.entry.reason or ""
    if not LABELS.missed(cell.entry) and f"limit {limit.value:g} " in reason and f"from {limit.origin})" in reason:
        return Verdict(status, reason, limit)
    again = _judged_again(cell, limit, family) if limit.name != MAX_LATENCY_REGRESSION else []
    same = next((verdict for verdict in again if verdict.status is status), None)
    if same is not None:
        return same
    said = f"{limit.name} was judged as {status.value} in the run (limit {limit.value:g} from {limit.origin})"
    return Verdict(status, f"{cell.subject}: {said}", limit)
