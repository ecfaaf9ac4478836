"""What the check of times asks of a cell, what it records, and how it judges a record again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.cells import CELL, REFERENCE, SUBJECT, PlainCell, PlainRecordedCell, recorded

from pytest_envrobust.checks.base import Asked, JudgedAgain, Result
from pytest_envrobust.checks.latency import AXES, CHECK, alone
from pytest_envrobust.core.axes import Axes, Point
from pytest_envrobust.core.status import Status
from pytest_envrobust.core.timing import Clock, Timing
from pytest_envrobust.record import schema
from pytest_envrobust.record.judged_part import with_verdicts
from pytest_envrobust.record.label_part import with_label_verdict
from pytest_envrobust.record.latency_part import latency_part, predicted_part
from pytest_envrobust.record.schema import FlipCounts, Labels, Latency
from pytest_envrobust.timing.evidence import LatencyEvidence, LatencyFigures, TimedPoint
from pytest_envrobust.timing.intervals import Estimate
from pytest_envrobust.timing.ratios import paired_ratio
from pytest_envrobust.timing.regression import EarlierTime
from pytest_envrobust.timing.sampling import Effort
from pytest_envrobust.verdicts.family import Family
from pytest_envrobust.verdicts.latency import TimedCell, judge_latency
from pytest_envrobust.verdicts.limits import LabelLimit, Limit
from pytest_envrobust.verdicts.verdict import Verdict

MS, P90, P99, RATIO, REGRESSION = (kind.name for kind in CHECK.limits)
TIMING = Timing.of([10_000_000 + 100_000 * i for i in range(20)], [8_000_000] * 20)
BASE, WIDE, LARGE = Point(), Point(1, 2), Point(8, 1)
EARLIER = EarlierTime("old.json", LatencyFigures(20, medians={"wall": Estimate(5, 5.1, 5.2)}))


def evidence(ratio: float = 1.2, point: Point = BASE) -> LatencyEvidence:
    """Timed in turns with the reference, within 5 % of that ratio on wall time; the control shows nothing."""
    ratios: dict[Clock, Estimate] = {"wall": Estimate(ratio / 1.05, ratio, ratio * 1.05)}
    return LatencyEvidence(TIMING, ratios, {"wall": Estimate(0.99, 1.0, 1.01)}, clock="wall", point=point)


def limits(origin: str = "marker", **values: float) -> dict[str, Limit]:
    return {name: Limit(name, value, origin) for name, value in values.items()}


def verdict(status: Status, name: str, value: float, origin: str = "marker") -> Verdict:
    return Verdict(status, "", Limit(name, value, origin))


def part(*verdicts: Verdict, ratio: float = 1.2, points: tuple[TimedPoint, ...] = ()) -> Latency:
    return with_verdicts(latency_part(evidence(ratio), points), verdicts)


# measuring


@pytest.mark.parametrize(
    ("names", "points", "family"),
    [
        ((), 1, Family(30)),
        ((RATIO,), 1, Family(30)),
        ((RATIO, MS), 1, Family(30)),
        ((RATIO,), 6, Family(30, 6)),
        ((MS,), 6, Family(30)),
    ],
)
def test_verdicts_share_their_risk_with_all_on_the_cells(names: tuple[str, ...], points: int, family: Family) -> None:
    there = [Point(batch) for batch in range(2, points + 1)]
    cell = PlainCell(times={point: evidence(point=point) for point in (BASE, *there)})
    axes = {AXES: Axes(tuple(range(1, points + 1)))} if there else {}
    asked = Asked(limits(**dict.fromkeys(names, 5.0)), axes, Family(30))
    found = CHECK.measure(cell, asked)
    assert found.family == family
    confidence = family.confidence if names else 0.95  # what is only recorded is not timed for longer
    assert {effort.confidence for _, effort in cell.asked} == {confidence}
    assert all("95 % over 30 cells" in verdict.message for verdict in CHECK.judge(found, asked, SUBJECT))


def test_a_record_is_judged_as_the_run_did_among_as_many_cells() -> None:
    """On the intervals that the run was sure of, which the record keeps beside those at 95 %."""
    random = np.random.default_rng(0)
    pairs = (1.2e7 * np.exp(0.05 * random.normal(size=40))).tolist(), [1e7] * 40
    measured = LatencyEvidence(
        TIMING, {"wall": paired_ratio(*pairs)}, {"wall": Estimate(0.99, 1.0, 1.01)}, clock="wall", pairs={"wall": pairs}
    )
    asked = Asked(limits(max_latency_ratio=1.23, max_latency_ms=11.4), family=Family(30))
    found = CHECK.measure(PlainCell(times={BASE: measured}), asked)
    live = CHECK.judge(found, asked, SUBJECT)
    assert [each.status for each in live] == [Status.INCONCLUSIVE, Status.INCONCLUSIVE]
    assert [each.status for each in CHECK.judge(TimedCell(measured), asked, SUBJECT)] == [Status.PASSED] * 2
    written = CHECK.recorded([Result(CHECK, found, live)])["latency"]
    assert written.simultaneous is not None
    assert written.ratio["wall"][0] > written.simultaneous.ratio["wall"][0]
    for cells, statuses in ((30, [Status.INCONCLUSIVE] * 2), (1, [Status.PASSED] * 2)):
        entry = recorded(latency=written, family=schema.Family(cells=cells))
        again = CHECK.judge_again(PlainRecordedCell(entry), asked.limits)
        assert [each.status for each in again.verdicts] == statuses
        if cells == 30:
            assert [each.message for each in again.verdicts] == [each.message for each in live]


def test_a_cell_is_timed_at_its_own_point() -> None:
    cell = PlainCell(times={BASE: evidence()}, earlier_time=EARLIER)
    assert CHECK.measure(cell, Asked()) == TimedCell(evidence())
    assert cell.asked == [(BASE, Effort(2.5, calls=0))]


def test_and_at_further_ones_where_they_are_asked_for() -> None:
    cell = PlainCell(times={BASE: evidence(), WIDE: evidence(1.4, WIDE)})
    found = CHECK.measure(cell, Asked(arguments={AXES: Axes((1, 8), (1, 2))}))
    reason = "it cannot be brought to {}: its batch is fixed (export it anew)"
    both = Point(8, 2)
    assert found == TimedCell(
        evidence(),
        (
            TimedPoint(LARGE, reason=reason.format("batch 8, 1 thread")),
            TimedPoint(WIDE, evidence(1.4, WIDE)),
            TimedPoint(both, reason=reason.format("batch 8, 2 threads")),
        ),
        family=Family(1, 4),
    )
    assert [point for point, _ in cell.asked] == [BASE, LARGE, WIDE, both]
    assert len({effort for _, effort in cell.asked}) == 1


@pytest.mark.parametrize(
    ("names", "calls"), [((MS, RATIO), 0), ((P90,), 36), ((P99,), 368), ((P99, P90), 368), ((MS, P90), 36)]
)
def test_a_tail_asks_for_as_many_calls_as_its_bound_needs(names: tuple[str, ...], calls: int) -> None:
    cell = PlainCell(times={BASE: evidence()})
    CHECK.measure(cell, Asked(limits(**dict.fromkeys(names, 5.0))))
    assert cell.asked == [(BASE, Effort(2.5, calls=calls))]


def test_the_earlier_time_is_looked_up_for_a_regression_alone() -> None:
    cell = PlainCell(times={BASE: evidence()}, earlier_time=EARLIER)
    assert CHECK.measure(cell, Asked(limits(max_latency_regression=2))).earlier == EARLIER
    assert CHECK.measure(cell, Asked(limits(max_latency_ratio=2))).earlier is None


# judging


def test_one_verdict_a_limit_and_one_at_each_further_point_for_a_ratio() -> None:
    timed = TimedCell(
        evidence(),
        (TimedPoint(WIDE, evidence(2.0, WIDE)), TimedPoint(LARGE, reason="its batch is fixed")),
        replace(EARLIER, origin="then.json"),
    )
    asked = limits(max_latency_ms=20, max_latency_ratio=1.5, max_latency_regression=2)
    assert CHECK.judge(timed, Asked(asked), SUBJECT) == [
        judge_latency(evidence(), asked[MS], SUBJECT),
        judge_latency(evidence(), asked[RATIO], SUBJECT),
        judge_latency(evidence(2.0, WIDE), asked[RATIO], SUBJECT, point=WIDE),
        judge_latency(evidence(), asked[REGRESSION], SUBJECT, earlier=replace(EARLIER, origin="then.json")),
    ]
    statuses = [each.status for each in CHECK.judge(timed, Asked(asked), SUBJECT)]
    assert statuses == [Status.PASSED, Status.PASSED, Status.FAILED, Status.FAILED]
    assert CHECK.judge(timed, Asked(), SUBJECT) == []


def test_what_is_timed_is_compared_but_not_by_its_scores() -> None:
    assert CHECK.compares(TimedCell(evidence()), is_reference=True)
    assert not CHECK.compares_scores(TimedCell(evidence()))


# recording


def test_the_last_times_are_recorded_with_their_points_and_all_verdicts() -> None:
    points = (TimedPoint(WIDE, evidence(1.4, WIDE)), TimedPoint(LARGE, reason="its batch is fixed"))
    kept, missed = verdict(Status.PASSED, RATIO, 2), verdict(Status.FAILED, MS, 2)
    first = Result(CHECK, TimedCell(evidence(9.0)), [missed])
    found = CHECK.recorded([first, first, Result(CHECK, TimedCell(evidence(), points), [kept])])
    assert found == {"latency": with_verdicts(latency_part(evidence(), points), [missed, missed, kept])}


def test_times_held_against_no_limit_are_recorded_alone() -> None:
    assert alone(evidence()) == Result(CHECK, TimedCell(evidence()), ())
    assert CHECK.recorded([alone(evidence())]) == {"latency": latency_part(evidence())}


@pytest.mark.parametrize(
    ("latency", "asked", "missed"),
    [
        (None, False, False),
        (predicted_part(TIMING), False, False),
        (part(), True, False),
        (part(verdict(Status.PASSED, MS, 20)), True, False),
        (part(verdict(Status.FAILED, MS, 2)), True, True),
        (part(verdict(Status.INCONCLUSIVE, MS, 11)), True, True),
    ],
)
def test_a_record_tells_whether_it_was_asked_and_missed(latency: Latency | None, asked: bool, missed: bool) -> None:
    assert CHECK.was_asked(recorded(latency=latency)) is asked
    assert CHECK.missed(recorded(latency=latency)) is missed


# judged again


def again(latency: Latency | None, given: dict[str, Limit] | None = None, **entry: Any) -> JudgedAgain:
    return CHECK.judge_again(PlainRecordedCell(recorded(latency=latency, **entry)), given or {})


def test_without_any_limit_nothing_is_judged_again() -> None:
    assert again(part()) == JudgedAgain()
    assert again(None) == JudgedAgain()


@pytest.mark.parametrize(
    ("limit", "status", "word"),
    [(1.3, Status.PASSED, "fast enough"), (1.2, Status.INCONCLUSIVE, "inconclusive"), (1.1, Status.FAILED, "too slow")],
)
def test_a_ratio_is_judged_again_from_its_recorded_interval(limit: float, status: Status, word: str) -> None:
    found = again(part(), limits(max_latency_ratio=limit))
    (verdict,) = found.verdicts
    assert (verdict.status, verdict.limit) == (status, Limit(RATIO, limit, "marker"))
    assert verdict.message.startswith(
        f"signs in {CELL}: {word}, 1.20 times the wall time of {REFERENCE} (95 % interval"
    )
    assert found.fields == {"latency": with_verdicts(part(), [verdict])}


def test_a_ratio_is_judged_again_at_each_point_that_has_times() -> None:
    points = (
        TimedPoint(LARGE, reason="its batch is fixed"),
        TimedPoint(WIDE, evidence(2.0, WIDE)),
        TimedPoint(Point(4, 2), evidence(1.1, Point(4, 2))),
    )
    recorded_part = part(points=points)
    found = again(recorded_part, limits(max_latency_ratio=1.5))
    assert [each.status for each in found.verdicts] == [Status.PASSED, Status.FAILED, Status.PASSED]
    own, wide, wider = (each.message for each in found.verdicts)
    assert own.startswith(f"signs in {CELL}: fast enough, 1.20 times")
    assert wide.startswith(f"signs in {CELL} at batch 1, 2 threads: too slow, 2.00 times")
    assert wider.startswith(f"signs in {CELL} at batch 4, 2 threads: fast enough, 1.10 times")
    assert [each.status for each in again(recorded_part, limits(max_latency_ms=20)).verdicts] == [Status.PASSED]


@pytest.mark.parametrize(
    ("latency", "why"),
    [
        (None, "no time was measured"),
        (
            predicted_part(TIMING),
            "no time was measured, only the calls that gave the predictions, first ones included",
        ),
    ],
)
def test_without_times_a_limit_is_inconclusive(latency: Latency | None, why: str) -> None:
    said = f"signs in {CELL}: inconclusive, {why} (limit 20 from marker)"
    expected = Verdict(Status.INCONCLUSIVE, said, Limit(MS, 20, "marker"))
    found = again(latency, limits(max_latency_ms=20))
    assert found == JudgedAgain([expected], {"latency": with_verdicts(latency or Latency(), [expected])})


# recorded verdicts that nobody asks to judge again


def test_a_standing_verdict_keeps_the_reason_that_the_cell_has() -> None:
    latency = part(verdict(Status.FAILED, MS, 2, "conftest.py:3"))
    reason = f"signs in {CELL}: too slow, as we said then (limit 2 ms from conftest.py:3)"
    found = again(latency, reason=reason)
    assert found.verdicts == [Verdict(Status.FAILED, reason, Limit(MS, 2.0, "conftest.py:3"))]
    assert found.fields == {"latency": latency}


@pytest.mark.parametrize(
    "reason",
    [
        None,
        "too slow (limit 20 ms from conftest.py:3)",  # another limit
        "too slow (limit 2 ms from conftest.py:33)",  # of another place
    ],
)
def test_a_reason_that_is_not_the_limits_is_not_taken_for_its_own(reason: str | None) -> None:
    latency = part(verdict(Status.FAILED, MS, 2, "conftest.py:3"))
    (verdict_again,) = again(latency, reason=reason).verdicts
    assert verdict_again.status is Status.FAILED
    assert verdict_again.message.startswith(f"signs in {CELL}: too slow, a call takes 10.9 ms of wall time")


def test_a_reason_is_the_labels_own_where_they_failed() -> None:
    limit = LabelLimit("min_label_agreement", 1.0, "conftest.py:3")
    labels = Labels(n=4, agreement=0.5, bound=0.1, flips=FlipCounts(real=2, tie=0, undefined=0))
    failed = with_label_verdict(labels, Verdict(Status.FAILED, "", limit))
    latency = part(verdict(Status.FAILED, MS, 2, "conftest.py:3"))
    reason = "labels differ (limit 1 from conftest.py:3), and (limit 2 ms from conftest.py:3)"
    (told,) = again(latency, reason=reason, labels=failed).verdicts
    assert told.message.startswith(f"signs in {CELL}: too slow, a call takes 10.9 ms")


def test_a_standing_verdict_that_the_figures_do_not_give_again_is_told_as_it_was() -> None:
    """The record has no single calls: the run may have known more."""
    found = again(part(verdict(Status.PASSED, MS, 2)))
    said = f"signs in {CELL}: max_latency_ms was judged as passed in the run (limit 2 from marker)"
    assert found.verdicts == [Verdict(Status.PASSED, said, Limit(MS, 2.0, "marker"))]


def test_a_standing_regression_is_told_as_it_was_as_its_earlier_run_is_not_at_hand() -> None:
    found = again(part(verdict(Status.INCONCLUSIVE, REGRESSION, 2)))
    said = f"signs in {CELL}: max_latency_regression was judged as inconclusive in the run (limit 2 from marker)"
    assert found.verdicts == [Verdict(Status.INCONCLUSIVE, said, Limit(REGRESSION, 2.0, "marker"))]


def test_a_standing_ratio_is_told_by_the_point_that_missed_it() -> None:
    points = (TimedPoint(WIDE, evidence(2.0, WIDE)),)
    latency = part(verdict(Status.PASSED, RATIO, 1.5), verdict(Status.FAILED, RATIO, 1.5), points=points)
    (told,) = again(latency).verdicts
    assert told.status is Status.FAILED
    assert told.message.startswith(f"signs in {CELL} at batch 1, 2 threads: too slow, 2.00 times")


def test_recorded_limits_stand_before_the_new_ones_and_give_way_to_those_of_their_name() -> None:
    latency = part(verdict(Status.PASSED, MS, 20, "ini"), verdict(Status.PASSED, RATIO, 2, "ini"))
    found = again(latency, limits("report", max_latency_ratio=1.1, max_latency_p90_ms=20))
    assert [each.limit for each in found.verdicts] == [
        Limit(MS, 20.0, "ini"),
        Limit(RATIO, 1.1, "report"),
        Limit(P90, 20.0, "report"),
    ]
    assert found.fields == {"latency": with_verdicts(latency, found.verdicts)}
