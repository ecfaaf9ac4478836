"""Limits on the scores themselves."""

from __future__ import annotations

import math

import pytest

from pytest_envrobust.comparison.fidelity import Fidelity, ScoreErrors
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.verdicts.limits import Limit
from pytest_envrobust.verdicts.scores import ScoreEvidence, judge_scores
from pytest_envrobust.verdicts.verdict import Subject, Verdict

EVIDENCE = ScoreEvidence(ScoreErrors(0.02, 0.004), Fidelity(3e-6, 1e-6), "torch/float64/cpu")


def judged(name: str, value: float, evidence: ScoreEvidence = EVIDENCE) -> Verdict:
    subject = Subject("signs", "torch/ort-all/cpu", "torch/eager/cpu", ("onnx_from_torch",), "pytest x")
    return judge_scores(evidence, Limit(name, value, "marker"), subject)


@pytest.mark.parametrize(
    ("name", "kept", "missed"),
    [("max_abs_error", 0.02, 0.0199), ("max_relative_error", 0.004, 0.003), ("max_fidelity_ratio", 3.1, 2.9)],
)
def test_each_limit_holds_up_to_its_value(name: str, kept: float, missed: float) -> None:
    assert judged(name, kept).status is Status.PASSED
    failed = judged(name, missed)
    assert failed.status is Status.FAILED
    assert f"(limit {missed:g} from marker)" in failed.message
    assert "route: onnx_from_torch" in failed.message
    assert "to run this cell alone: pytest x" in failed.message


def test_fidelity_says_both_errors() -> None:
    said = judged("max_fidelity_ratio", 2).message
    assert "its error to torch/float64/cpu is 3 times the reference's own (3e-06 against 1e-06" in said


def test_without_double_precision_fidelity_is_inconclusive() -> None:
    bare = ScoreEvidence(ScoreErrors(0, 0), no_fidelity="no source of 'signs' can run in double precision")
    verdict = judged("max_fidelity_ratio", 2, bare)
    assert verdict.status is Status.INCONCLUSIVE
    assert "no source of 'signs'" in verdict.message


def test_nan_fails_every_limit() -> None:
    verdict = judged("max_abs_error", 1e9, ScoreEvidence(ScoreErrors(math.inf, math.inf)))
    assert verdict.status is Status.FAILED
    assert "NaN or infinite" in verdict.message


def test_another_limit_is_refused() -> None:
    with pytest.raises(DeclarationError, match="max_latency_ms does not limit scores"):
        judged("max_latency_ms", 3)
