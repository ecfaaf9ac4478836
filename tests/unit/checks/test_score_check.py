"""What the check of scores asks of a cell, what it records, and how it judges a record again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support.cells import CELL, EYE, SUBJECT, PlainCell, PlainRecordedCell, recorded

from pytest_envrobust.checks.base import Asked, JudgedAgain, Result
from pytest_envrobust.checks.scores import CHECK
from pytest_envrobust.comparison.fidelity import Fidelity, ScoreErrors
from pytest_envrobust.core.status import Status
from pytest_envrobust.record.judged_part import with_verdicts
from pytest_envrobust.record.schema import Scores
from pytest_envrobust.record.score_part import scores_part
from pytest_envrobust.verdicts.limits import Limit
from pytest_envrobust.verdicts.scores import ScoreEvidence
from pytest_envrobust.verdicts.verdict import Verdict

EXACT = "torch/float64/cpu"
EVIDENCE = ScoreEvidence(ScoreErrors(0.02, 0.004), Fidelity(3e-6, 1e-6), EXACT)


def limits(**values: float) -> dict[str, Limit]:
    return {name: Limit(name, value, "marker") for name, value in values.items()}


def verdict(status: Status, name: str = "max_abs_error", value: float = 0.1) -> Verdict:
    return Verdict(status, "", Limit(name, value, "marker"))


def test_errors_are_those_of_the_inputs_that_are_run_here() -> None:
    scores = EYE.copy()
    scores[0] *= 2
    scores[3] *= 9
    cell = PlainCell(all_scores=scores, count=3, exact=(Fidelity(1, 1), EXACT))
    assert CHECK.measure(cell, Asked(limits(max_abs_error=1))) == ScoreEvidence(ScoreErrors(1.0, 1.0))
    assert cell.asked == []  # double precision costs time: only a limit on it asks for it


def test_fidelity_is_measured_where_a_limit_asks_for_it() -> None:
    asked = Asked(limits(max_fidelity_ratio=2))
    fidelity = Fidelity(3e-6, 1e-6)
    none = ScoreErrors(0.0, 0.0)
    assert CHECK.measure(PlainCell(exact=(fidelity, EXACT)), asked) == ScoreEvidence(none, fidelity, EXACT)
    assert CHECK.measure(PlainCell(exact=(None, "no such source")), asked) == ScoreEvidence(
        none, no_fidelity="no such source"
    )


def test_one_verdict_a_limit_in_their_order() -> None:
    asked = Asked(limits(max_relative_error=0.001, max_abs_error=1, max_fidelity_ratio=2))
    found = CHECK.judge(EVIDENCE, asked, SUBJECT)
    assert [(each.limit and each.limit.name, each.status) for each in found] == [
        ("max_relative_error", Status.FAILED),
        ("max_abs_error", Status.PASSED),
        ("max_fidelity_ratio", Status.FAILED),
    ]
    assert all(each.message.startswith(f"signs in {CELL}: ") for each in found)
    assert CHECK.judge(EVIDENCE, Asked(), SUBJECT) == []


def test_the_references_scores_are_its_own() -> None:
    assert CHECK.compares(EVIDENCE, is_reference=False)
    assert not CHECK.compares(EVIDENCE, is_reference=True)
    assert CHECK.compares_scores(EVIDENCE)


def test_the_last_errors_are_recorded_and_all_verdicts() -> None:
    kept, missed = verdict(Status.PASSED), verdict(Status.FAILED, "max_relative_error", 0.001)
    first = Result(CHECK, ScoreEvidence(ScoreErrors(9, 9)), [missed])
    found = CHECK.recorded([first, first, Result(CHECK, EVIDENCE, [kept])])
    assert found == {"scores": with_verdicts(scores_part(EVIDENCE), [missed, missed, kept])}
    assert found["scores"].verdict is Status.FAILED


@pytest.mark.parametrize(
    ("scores", "asked", "missed"),
    [
        (None, False, False),
        (Scores(), True, False),
        (Scores(verdict=Status.PASSED), True, False),
        (Scores(verdict=Status.FAILED), True, True),
        (Scores(verdict=Status.INCONCLUSIVE), True, True),
    ],
)
def test_a_record_tells_whether_it_was_asked_and_missed(scores: Scores | None, asked: bool, missed: bool) -> None:
    assert CHECK.was_asked(recorded(scores=scores)) is asked
    assert CHECK.missed(recorded(scores=scores)) is missed


def test_without_any_limit_nothing_is_judged_again() -> None:
    assert CHECK.judge_again(PlainRecordedCell(recorded()), {}) == JudgedAgain()
    assert CHECK.judge_again(PlainRecordedCell(recorded(scores=scores_part(EVIDENCE))), {}) == JudgedAgain()


def test_recorded_errors_are_judged_under_new_limits_and_those_that_stand() -> None:
    standing = verdict(Status.PASSED, "max_relative_error", 0.01)
    part = with_verdicts(scores_part(EVIDENCE), [standing, verdict(Status.PASSED, "max_abs_error", 0.5)])
    again = CHECK.judge_again(PlainRecordedCell(recorded(scores=part)), limits(max_abs_error=0.01))
    assert [(each.limit, each.status) for each in again.verdicts] == [
        (standing.limit, Status.PASSED),
        (Limit("max_abs_error", 0.01, "marker"), Status.FAILED),
    ]
    assert again.fields == {"scores": with_verdicts(part, again.verdicts)}
    assert again.fields["scores"].limit == 0.01


def test_errors_that_were_not_measured_keep_no_limit_and_miss_none() -> None:
    again = CHECK.judge_again(PlainRecordedCell(recorded()), limits(max_abs_error=0.01))
    said = f"signs in {CELL}: inconclusive, the errors of its scores were not measured (limit 0.01 from marker)"
    expected = Verdict(Status.INCONCLUSIVE, said, Limit("max_abs_error", 0.01, "marker"))
    assert again == JudgedAgain([expected], {"scores": with_verdicts(Scores(), [expected])})


def test_errors_that_are_not_finite_fail_again() -> None:
    odd = EYE.copy()
    odd[0, 0] = np.nan
    evidence = CHECK.measure(PlainCell(all_scores=odd), Asked())
    assert evidence == ScoreEvidence(ScoreErrors(math.inf, math.inf))
    cell = PlainRecordedCell(recorded(scores=scores_part(evidence)))
    (again,) = CHECK.judge_again(cell, limits(max_abs_error=1e9)).verdicts
    assert again.status is Status.FAILED
