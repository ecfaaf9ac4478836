"""What the check of accuracy asks of a cell, what it records, and how it judges a record again."""

from __future__ import annotations

import numpy as np
import pytest
from support.cells import CELL, EYE, SUBJECT, PlainCell, PlainEnvironment, PlainRecordedCell, recorded

from pytest_envrobust.checks.accuracy import CHECK, accuracy_limits
from pytest_envrobust.checks.base import Asked, JudgedAgain, Result
from pytest_envrobust.comparison.accuracy import McNemar
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.record.accuracy_part import accuracy_part, recorded_accuracy, with_accuracy_verdicts
from pytest_envrobust.record.schema import CellAccuracy, Model
from pytest_envrobust.verdicts.accuracy import AccuracyEvidence
from pytest_envrobust.verdicts.family import Family
from pytest_envrobust.verdicts.limits import AccuracyLimit, Limit

EVIDENCE = AccuracyEvidence(4, 3, None, McNemar(0, 1, 1.0))
SWAPPED = EYE[[1, 0, 2, 3]]


def limits(**values: float) -> dict[str, Limit]:
    return {name: Limit(name, value, "marker") for name, value in values.items()}


def test_limits_with_their_terms() -> None:
    asked = limits(min_accuracy=0.9, max_accuracy_drop=0.01, accuracy_bound=1)
    assert accuracy_limits(asked) == [
        AccuracyLimit("min_accuracy", 0.9, "marker", bound=True, family=Family(1, 2)),
        AccuracyLimit("max_accuracy_drop", 0.01, "marker", bound=True, family=Family(1, 2)),
    ]
    assert accuracy_limits(limits(min_accuracy=1)) == [AccuracyLimit("min_accuracy", 1, "marker", bound=False)]
    with pytest.raises(DeclarationError, match="no number of inputs shows that all are right"):
        accuracy_limits(limits(min_accuracy=1, accuracy_bound=1))


def test_the_reference_is_asked_only_where_a_drop_is_limited() -> None:
    cell = PlainCell(all_scores=SWAPPED, truth=(0, 1, -1), count=3, reference=PlainEnvironment())
    assert CHECK.measure(cell, Asked(limits(min_accuracy=0.5))) == AccuracyEvidence(2, 0, 2)
    found = CHECK.measure(cell, Asked(limits(max_accuracy_drop=0.5)))
    assert found == AccuracyEvidence(2, 0, 2, McNemar(0, 2, 0.5))
    assert (CHECK.compares_scores(found), CHECK.compares_scores(AccuracyEvidence(2, 0))) == (True, False)


def test_truth_is_something_to_be_held_against_for_the_reference_too() -> None:
    assert CHECK.compares(EVIDENCE, is_reference=True)


def test_the_last_counts_are_recorded_and_all_verdicts() -> None:
    verdicts = CHECK.judge(EVIDENCE, Asked(limits(min_accuracy=0.7, max_accuracy_drop=0.1)), SUBJECT)
    found = CHECK.recorded([Result(CHECK, AccuracyEvidence(4, 0), []), Result(CHECK, EVIDENCE, verdicts)])
    part = found["accuracy"]
    assert (part.n, part.right, part.limit_on, part.verdict) == (4, 3, "share", Status.FAILED)
    assert [(each.limit_name, each.verdict) for each in part.verdicts] == [
        ("min_accuracy", Status.PASSED),
        ("max_accuracy_drop", Status.FAILED),
    ]
    assert recorded_accuracy(part) == EVIDENCE
    assert CHECK.recorded([Result(CHECK, EVIDENCE, [])]) == {"accuracy": accuracy_part(EVIDENCE)}


@pytest.mark.parametrize(
    ("part", "asked", "missed"),
    [
        (None, False, False),
        (CellAccuracy(n=4, right=3), True, False),
        (CellAccuracy(n=4, right=3, verdict=Status.PASSED), True, False),
        (CellAccuracy(n=4, right=3, verdict=Status.INCONCLUSIVE), True, True),
    ],
)
def test_a_record_tells_whether_it_was_asked_and_missed(part: CellAccuracy | None, asked: bool, missed: bool) -> None:
    assert CHECK.was_asked(recorded(accuracy=part)) is asked
    assert CHECK.missed(recorded(accuracy=part)) is missed


def test_recorded_counts_are_judged_under_new_limits_and_those_that_stand() -> None:
    assert CHECK.judge_again(PlainRecordedCell(recorded(accuracy=accuracy_part(EVIDENCE))), {}) == JudgedAgain()
    standing = CHECK.judge(EVIDENCE, Asked(limits(max_accuracy_drop=0.3, accuracy_bound=1)), SUBJECT)
    part = with_accuracy_verdicts(accuracy_part(EVIDENCE), standing)
    assert part.limit_on == "bound"
    again = CHECK.judge_again(PlainRecordedCell(recorded(accuracy=part)), limits(min_accuracy=0.1))
    assert [(each.limit, each.status) for each in again.verdicts] == [
        (AccuracyLimit("max_accuracy_drop", 0.3, "marker", bound=True), Status.INCONCLUSIVE),
        (AccuracyLimit("min_accuracy", 0.1, "marker"), Status.PASSED),
    ]
    assert again.fields == {"accuracy": with_accuracy_verdicts(part, again.verdicts)}


def test_what_no_test_asked_is_counted_in_the_scores_that_were_kept() -> None:
    model = Model(name="signs", truth=[0, 1, 2, 3])
    cell = PlainRecordedCell(recorded(), model, kept=SWAPPED, expected=EYE)
    again = CHECK.judge_again(cell, limits(min_accuracy=0.5, max_accuracy_drop=0.4))
    assert [each.status for each in again.verdicts] == [Status.PASSED, Status.FAILED]
    assert recorded_accuracy(again.fields["accuracy"]) == AccuracyEvidence(4, 2, 4, McNemar(0, 2, 0.5))


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        (PlainRecordedCell(recorded(), kept=EYE), "the record has no true classes"),
        (PlainRecordedCell(recorded(), Model(name="signs", truth=[0, 1, 2, 3])), "its predictions were not kept"),
        (
            PlainRecordedCell(recorded(), Model(name="signs", truth=[0, 1, 2, 3]), has_reference=False, kept=EYE),
            "its reference torch/eager/cpu gave no predictions in this run",
        ),
        (
            PlainRecordedCell(recorded(), Model(name="signs", truth=[-1] * 4), kept=EYE),
            "accuracy cannot be told: the true class of no input is known",
        ),
    ],
)
def test_what_cannot_be_counted_is_inconclusive_and_says_why(cell: PlainRecordedCell, why: str) -> None:
    again = CHECK.judge_again(cell, limits(max_accuracy_drop=0.4))
    (verdict,) = again.verdicts
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.message.startswith(f"signs in {CELL}: inconclusive, {why}")
    assert again.fields["accuracy"].verdict is Status.INCONCLUSIVE


def test_scores_with_nan_are_wrong_there() -> None:
    odd = EYE.copy()
    odd[0] = np.nan
    assert CHECK.measure(PlainCell(all_scores=odd), Asked()).right == 3
