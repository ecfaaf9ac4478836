"""Verdicts on accuracy and on its drop to the reference's."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_envrobust.comparison.accuracy import McNemar
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.verdicts.accuracy import AccuracyEvidence, judge_accuracy
from pytest_envrobust.verdicts.limits import AccuracyLimit, Limit
from pytest_envrobust.verdicts.verdict import Subject

SUBJECT = Subject("signs", "onnx/ort-all/cpu", "torch/eager/cpu", rerun="pytest it")
EVIDENCE = AccuracyEvidence(20, 14, 18, McNemar(1, 3, 0.625))


def of(name: str, value: float, *, bound: bool = False) -> AccuracyLimit:
    return AccuracyLimit(name, value, "marker", bound)


def test_evidence_is_counted_from_scores() -> None:
    scores, expected = np.eye(6)[[0, 1, 2, 3]], np.eye(6)[[0, 1, 1, 2]]
    found = AccuracyEvidence.of(scores, [0, 1, 1, -1], expected)
    assert (found.n, found.right, found.against) == (3, 2, McNemar(0, 1, 1.0))
    assert found.drop == pytest.approx(1 / 3)
    assert AccuracyEvidence.of(scores, [0, 1, 1, -1]).drop is None


def test_the_share_itself_decides() -> None:
    passed = judge_accuracy(EVIDENCE, Limit("min_accuracy", 0.7, "marker"), SUBJECT)
    assert (passed.status, passed.message) == (
        Status.PASSED,
        "signs in onnx/ort-all/cpu: 14 of 20 inputs are right (accuracy 0.700, limit 0.7 from marker); 20 inputs like "
        "these show an accuracy of at least 0.492 (95 %)",
    )
    failed = judge_accuracy(EVIDENCE, of("min_accuracy", 0.71), SUBJECT)
    assert (failed.status, failed.message) == (
        Status.FAILED,
        "signs in onnx/ort-all/cpu: 14 of 20 inputs are right (accuracy 0.700, limit 0.71 from marker)\n"
        "  route: no conversion, the source is loaded as it is\n  to run this cell alone: pytest it",
    )


@pytest.mark.parametrize(("value", "status"), [(0.4, Status.PASSED), (0.6, Status.INCONCLUSIVE), (0.95, Status.FAILED)])
def test_with_a_bound_what_the_inputs_show_decides(value: float, status: Status) -> None:
    found = judge_accuracy(EVIDENCE, of("min_accuracy", value, bound=True), SUBJECT)
    assert found.status is status
    assert f"(accuracy 0.700, at least 0.492 shown, limit {value:g} on what is shown from marker)" in found.message
    needed = "inconclusive: 21 inputs, no more than 6 wrong, would show 0.6"
    assert (needed in found.message) is False
    assert ("no more than 6 wrong, would show 0.6" in found.message) is (status is Status.INCONCLUSIVE)


def test_the_drop_to_the_reference() -> None:
    failed = judge_accuracy(EVIDENCE, of("max_accuracy_drop", 0.05), SUBJECT)
    assert failed.status is Status.FAILED
    assert failed.message.split("\n")[0] == (
        "signs in onnx/ort-all/cpu: 14 of 20 inputs are right, 16 in torch/eager/cpu (accuracy lower by 0.100, limit "
        "0.05 from marker); right here alone 1, there alone 3: McNemar's p 0.625"
    )
    assert judge_accuracy(EVIDENCE, of("max_accuracy_drop", 0.1), SUBJECT).status is Status.PASSED
    better = AccuracyEvidence(20, 14, 18, McNemar(3, 1, 0.625))
    passed = judge_accuracy(better, of("max_accuracy_drop", 0), SUBJECT)
    assert passed.status is Status.PASSED
    assert "accuracy higher by 0.100" in passed.message


def test_a_drop_that_too_few_inputs_show_is_inconclusive() -> None:
    same = McNemar(0, 0, 1.0)
    few, many = AccuracyEvidence(20, 14, None, same), AccuracyEvidence(2000, 1400, None, same)
    limit = of("max_accuracy_drop", 0.05, bound=True)
    assert judge_accuracy(few, limit, SUBJECT).status is Status.INCONCLUSIVE
    assert judge_accuracy(many, limit, SUBJECT).status is Status.PASSED
    worse = AccuracyEvidence(2000, 1400, None, McNemar(0, 400, 0.0))
    assert judge_accuracy(worse, limit, SUBJECT).status is Status.FAILED


def test_other_limits_and_a_drop_without_a_reference_are_refused() -> None:
    with pytest.raises(DeclarationError, match="ties does not limit accuracy: min_accuracy and max_accuracy_drop do"):
        judge_accuracy(EVIDENCE, Limit("ties", 1, "marker"), SUBJECT)
    with pytest.raises(DeclarationError, match="max_accuracy_drop needs the reference's scores"):
        judge_accuracy(AccuracyEvidence(20, 14), of("max_accuracy_drop", 0.1), SUBJECT)
