"""What the check of single classes asks of a cell, judges, records and reads back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from support.cells import SUBJECT, PlainCell, PlainEnvironment, PlainRecordedCell, recorded

from pytest_envrobust.checks import calibration, labels
from pytest_envrobust.checks.base import Asked, Result
from pytest_envrobust.core.status import Status
from pytest_envrobust.record import codec, schema
from pytest_envrobust.verdicts.limits import MAX_CLASSES_OFF, Limit

EXPECTED: NDArray[np.float32] = np.random.default_rng(0).standard_normal((16, 6)).astype(np.float32)
EXPECTED[:, 4:] -= 20  # no input is near the last two classes
SWAPPED = EXPECTED[:, [0, 1, 2, 3, 5, 4]]


def cell(actual: NDArray[Any] = SWAPPED, **more: Any) -> PlainCell:
    reference = PlainEnvironment(all_scores=EXPECTED, count=16)
    return PlainCell(all_scores=actual, reference=reference, count=16, batch=actual, **more)


def asked(limit: float = 0) -> Asked:
    return Asked({MAX_CLASSES_OFF: Limit(MAX_CLASSES_OFF, limit, "marker")})


def statuses(actual: NDArray[Any], limit: float = 0) -> list[Status]:
    found = calibration.CHECK.measure(cell(actual), asked(limit))
    return [verdict.status for verdict in calibration.CHECK.judge(found, asked(limit), SUBJECT)]


def test_no_class_may_be_off_unless_the_limit_says_so() -> None:
    assert statuses(EXPECTED) == [Status.PASSED]
    assert statuses(SWAPPED) == [Status.FAILED]
    assert statuses(SWAPPED, 2) == [Status.PASSED]
    assert statuses(np.exp(EXPECTED) / np.exp(EXPECTED).sum(axis=1, keepdims=True)) == [Status.INCONCLUSIVE]


def test_the_message_names_the_classes() -> None:
    found = calibration.CHECK.measure(cell(class_names=list("abcdef")), asked())
    [verdict] = calibration.CHECK.judge(found, asked(), SUBJECT)
    said = "signs in onnx/ort-all/cpu: 2 of 6 classes off from torch/eager/cpu: classes 4 (e) and 5 (f) look swapped: "
    assert verdict.message.startswith(said)
    assert "(limit 0 from marker)" in verdict.message


def test_the_reference_is_not_judged_and_compares_nothing() -> None:
    found = calibration.CHECK.measure(cell(), asked())
    assert calibration.CHECK.judge(found, Asked(), SUBJECT) == []
    assert [kind.of_reference for kind in calibration.CHECK.limits] == [False]
    assert calibration.CHECK.compares(found, is_reference=False)
    assert not calibration.CHECK.compares(found, is_reference=True)
    assert not calibration.CHECK.compares(None, is_reference=False)
    assert calibration.CHECK.compares_scores(found)


def test_what_is_recorded_is_read_back_and_judged_again() -> None:
    found = calibration.CHECK.measure(cell(class_names=list("abcdef")), asked())
    result = Result(calibration.CHECK, found, calibration.CHECK.judge(found, asked(), SUBJECT))
    [part] = calibration.CHECK.recorded([result])["checks"].values()
    back = codec.typed(codec.plain(part), schema.OtherPart)
    assert back.figures["classes"] == "2 of 6 off"
    assert calibration.CHECK.evidence(back.figures) == found
    assert calibration.CHECK.evidence(calibration.CHECK.figures(None)) is None
    entry = recorded(checks={"calibration": back})
    again = calibration.CHECK.judge_again(PlainRecordedCell(entry), asked(2).limits)
    assert [verdict.status for verdict in again.verdicts] == [Status.PASSED]


def test_a_run_that_did_not_ask_is_judged_by_the_scores_that_it_kept() -> None:
    kept = PlainRecordedCell(recorded(), kept=SWAPPED, expected=EXPECTED)
    again = calibration.CHECK.judge_again(kept, asked().limits)
    assert [verdict.status for verdict in again.verdicts] == [Status.FAILED]
    assert again.fields["checks"]["calibration"].figures["classes"] == "2 of 6 off"
    assert calibration.CHECK.judge_again(kept, {}).verdicts == []
    lost = PlainRecordedCell(recorded(), kept=None, expected=EXPECTED)
    [verdict] = calibration.CHECK.judge_again(lost, asked().limits).verdicts
    assert verdict.status is Status.INCONCLUSIVE
    assert "calibration was not measured" in verdict.message


def test_a_pass_of_labels_says_which_classes_are_off() -> None:
    def remarks(made: PlainCell) -> tuple[str, ...]:
        return tuple(labels.CHECK.measure(made, Asked()).remarks)

    [said] = remarks(cell())
    assert said.startswith("classes 4 and 5 look swapped")
    assert remarks(cell(EXPECTED)) == ()
    assert remarks(cell(is_reference=True)) == ()
    [verdict] = labels.CHECK.judge(labels.CHECK.measure(cell(), Asked()), Asked(), SUBJECT)
    assert verdict.status is Status.PASSED
    assert "\n  classes 4 and 5 look swapped" in verdict.message
