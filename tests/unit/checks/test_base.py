"""A check of one's own: what it has from its base class, in a run, in a record and judged again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from support.cells import CELL, EYE, SUBJECT, PlainCell, PlainRecordedCell, recorded

from pytest_envrobust.checks.base import (
    Asked,
    Check,
    JudgedAgain,
    Result,
    all_verdicts,
    inconclusive,
    verdict_on,
)
from pytest_envrobust.core.status import Status
from pytest_envrobust.record.judged_part import with_verdicts
from pytest_envrobust.record.schema import OtherPart
from pytest_envrobust.verdicts.limits import Limit, LimitKind
from pytest_envrobust.verdicts.verdict import Subject, Verdict


class Sum(Check[float]):
    """The sum of all scores."""

    name = "sum"
    summary = "scores sum up to little"
    limits = (
        LimitKind.at_least_zero("max_sum", "largest sum"),
        LimitKind.at_least_zero("min_sum", "smallest sum"),
    )

    def measure(self, cell: Any, asked: Asked) -> float:
        return float(cell.scores.sum())

    def judge(self, evidence: float, asked: Asked, subject: Subject) -> list[Verdict]:
        return [verdict_on(limit, evidence, f"the sum is {evidence:g}", subject) for limit in asked.limits.values()]

    def figures(self, evidence: float) -> dict[str, Any]:
        return {"sum": evidence}

    def evidence(self, figures: Mapping[str, Any]) -> float:
        return float(figures["sum"])


class Unrecorded(Sum):
    name = "unrecorded"
    figures = Check.figures
    evidence = Check.evidence


SUM = Sum()
MOST, LEAST = Limit("max_sum", 3.0, "marker"), Limit("min_sum", 3.0, "ini")


def test_a_call_of_an_assertion_may_say_nothing() -> None:
    assert (Asked().limits, Asked().arguments) == ({}, {})
    assert JudgedAgain() == JudgedAgain((), {})


def test_what_a_check_is_by_default() -> None:
    assert (Sum.rank, Sum.asked_for_by_default) == (100, False)
    assert SUM.compares(4.0, is_reference=True) is True
    assert SUM.compares_scores(4.0) is False


@pytest.mark.parametrize(
    ("limit", "value", "status"),
    [
        (MOST, 3.0, Status.PASSED),
        (MOST, 3.001, Status.FAILED),
        (MOST, float("nan"), Status.FAILED),
        (LEAST, 3.0, Status.PASSED),
        (LEAST, 2.999, Status.FAILED),
        (LEAST, float("nan"), Status.FAILED),
    ],
)
def test_a_figure_keeps_its_limit_up_to_the_limit_itself(limit: Limit, value: float, status: Status) -> None:
    verdict = verdict_on(limit, value, "the sum", SUBJECT)
    assert (verdict.status, verdict.limit) == (status, limit)


def test_a_figure_that_keeps_its_limit_is_told_in_one_line_and_one_that_does_not_in_all() -> None:
    subject = Subject("signs", CELL, "torch/eager/cpu", ("onnx_from_torch",), "pytest x")
    assert (
        verdict_on(MOST, 3, "the sum is 3", subject).message == f"signs in {CELL}: the sum is 3 (limit 3 from marker)"
    )
    assert verdict_on(LEAST, 2, "the sum is 2", subject).message.splitlines() == [
        f"signs in {CELL}: the sum is 2 (limit 3 from ini)",
        "  route: onnx_from_torch",
        "  to run this cell alone: pytest x",
    ]


def test_what_cannot_be_judged_says_why() -> None:
    assert inconclusive(SUBJECT, "nobody looked", LEAST) == Verdict(
        Status.INCONCLUSIVE, f"signs in {CELL}: inconclusive, nobody looked (limit 3 from ini)", LEAST
    )


# recording


def result(evidence: float, *limits: Limit) -> Result[float]:
    return Result(SUM, evidence, SUM.judge(evidence, Asked({limit.name: limit for limit in limits}), SUBJECT))


def test_verdicts_of_several_results_keep_their_order() -> None:
    first, second = result(4, LEAST, MOST), result(2, MOST)
    assert list(all_verdicts([first, second])) == [*first.verdicts, *second.verdicts]


def test_the_last_figures_are_recorded_and_the_verdicts_on_all_limits() -> None:
    first, last = result(4, MOST), result(SUM.measure(PlainCell(all_scores=EYE), Asked()) - 1, LEAST)
    without = Result(SUM, 5.0, [Verdict(Status.FAILED, "on no limit")])
    part = with_verdicts(OtherPart(figures={"sum": 3.0}), [*first.verdicts, *last.verdicts])
    assert SUM.recorded([first, without, last]) == {"checks": {"sum": part}}
    assert (part.verdict, part.limit_name) == (Status.FAILED, "max_sum")
    assert SUM.recorded([without]) == {"checks": {"sum": OtherPart(figures={"sum": 5.0})}}


def test_a_check_that_keeps_no_figures_says_so() -> None:
    with pytest.raises(NotImplementedError, match=r"^unrecorded keeps no figures$"):
        Unrecorded().recorded([Result(Unrecorded(), 3.0, [])])
    entry = recorded(checks={"unrecorded": OtherPart(figures={})})
    with pytest.raises(NotImplementedError, match=r"^unrecorded reads no figures$"):
        Unrecorded().judge_again(PlainRecordedCell(entry), {})


def entry(*verdicts: Verdict) -> Any:
    part = with_verdicts(OtherPart(figures={"sum": 4.0}), verdicts)
    return recorded(checks={"sum": part, "other": OtherPart(figures={}, verdict=Status.PASSED)})


@pytest.mark.parametrize(
    ("status", "missed"), [(Status.PASSED, False), (Status.FAILED, True), (Status.INCONCLUSIVE, True)]
)
def test_a_record_tells_whether_a_limit_was_missed(status: Status, missed: bool) -> None:
    assert SUM.missed(entry(Verdict(status, "", MOST))) is missed


def test_a_record_tells_whether_it_was_asked() -> None:
    assert SUM.was_asked(entry())
    assert not SUM.missed(entry())
    for without in (recorded(), recorded(checks={"other": OtherPart(figures={}, verdict=Status.FAILED)})):
        assert not SUM.was_asked(without)
        assert not SUM.missed(without)


# judged again


def test_recorded_figures_are_judged_under_new_limits_and_those_that_stand() -> None:
    cell = PlainRecordedCell(
        entry(Verdict(Status.PASSED, "", LEAST), Verdict(Status.PASSED, "", Limit("max_sum", 9, "ini")))
    )
    again = SUM.judge_again(cell, {"max_sum": MOST})
    assert [(each.status, each.limit) for each in again.verdicts] == [(Status.PASSED, LEAST), (Status.FAILED, MOST)]
    assert again.verdicts[1].message.startswith(f"signs in {CELL}: the sum is 4 (limit 3 from marker)")
    known = cell.entry.checks
    assert known is not None
    assert again.fields == {"checks": {**known, "sum": with_verdicts(known["sum"], again.verdicts)}}
    assert list(again.fields["checks"]) == ["sum", "other"]


@pytest.mark.parametrize("checks", [None, {"other": OtherPart(figures={})}])
def test_what_was_not_measured_is_inconclusive(checks: dict[str, OtherPart] | None) -> None:
    cell = PlainRecordedCell(recorded(checks=checks))
    assert SUM.judge_again(cell, {"max_sum": MOST, "min_sum": LEAST}) == JudgedAgain(
        [inconclusive(SUBJECT, "sum was not measured", MOST), inconclusive(SUBJECT, "sum was not measured", LEAST)]
    )
    assert SUM.judge_again(cell, {}) == JudgedAgain([])
