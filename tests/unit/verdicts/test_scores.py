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


HEAD, CLOSING = "signs in torch/ort-all/cpu: ", ["  route: onnx_from_torch", "  to run this cell alone: pytest x"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("max_abs_error", 0.01, "scores differ from those of torch/eager/cpu by up to 0.02 (limit 0.01 from marker)"),
        (
            "max_relative_error",
            0.001,
            "scores differ from those of torch/eager/cpu by up to 0.004 of an input's largest score "
            "(limit 0.001 from marker)",
        ),
        (
            "max_fidelity_ratio",
            2,
            "its error to torch/float64/cpu is 3 times the reference's own (3e-06 against 1e-06 of torch/eager/cpu) "
            "(limit 2 from marker)",
        ),
    ],
)
def test_a_failure_says_all_of_it_and_a_pass_its_first_line(name: str, value: float, said: str) -> None:
    failed = judged(name, value)
    assert failed.message.splitlines() == [HEAD + said, *CLOSING]
    assert failed.limit == Limit(name, value, "marker")
    passed = judged(name, 9)
    assert passed.message == HEAD + said.replace(f"limit {value:g}", "limit 9")
    assert passed.limit == Limit(name, 9, "marker")


def test_without_double_precision_fidelity_is_inconclusive() -> None:
    bare = ScoreEvidence(ScoreErrors(0, 0), no_fidelity="no source of 'signs' can run in double precision")
    verdict = judged("max_fidelity_ratio", 2, bare)
    assert verdict == Verdict(
        Status.INCONCLUSIVE,
        f"{HEAD}inconclusive, no fidelity could be told: no source of 'signs' can run in double precision "
        "(limit 2 from marker)",
        Limit("max_fidelity_ratio", 2, "marker"),
    )


@pytest.mark.parametrize(
    ("name", "evidence"),
    [
        ("max_abs_error", ScoreEvidence(ScoreErrors(math.inf, 0))),
        ("max_relative_error", ScoreEvidence(ScoreErrors(0, math.inf))),
        ("max_fidelity_ratio", ScoreEvidence(ScoreErrors(0, 0), Fidelity(1e-6, 0))),
    ],
)
def test_what_is_infinite_fails_every_limit_and_says_how_that_may_be(name: str, evidence: ScoreEvidence) -> None:
    verdict = judged(name, 1e9, evidence)
    assert verdict.status is Status.FAILED
    assert verdict.message.splitlines()[1:] == [
        "  a score is NaN or infinite where the other is not, or the other has no error at all",
        *CLOSING,
    ]


def test_another_limit_is_refused() -> None:
    with pytest.raises(DeclarationError) as caught:
        judged("max_latency_ms", 3)
    assert str(caught.value) == (
        "max_latency_ms does not limit scores: those that do are max_abs_error, max_relative_error, max_fidelity_ratio"
    )
