"""What a cell's labels come to, and what the message says."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_envrobust.comparison.labels import LabelComparison, compare_labels
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.verdicts.labels import judge_labels
from pytest_envrobust.verdicts.limits import Limit
from pytest_envrobust.verdicts.verdict import Verdict, gravest


def compared(n: int, flipped: int, *, undefined: int = 0, noise: float | None = None) -> LabelComparison:
    expected = np.eye(n, n, dtype=np.float32)
    actual = expected.copy()
    actual[:flipped] = np.roll(actual[:flipped], 1, axis=1)
    actual[n - undefined :, 0] = np.nan
    return compare_labels(actual, expected, noise=noise, inputs=[f"images/{i}.png" for i in range(n)])


def judged(comparison: LabelComparison, value: float | None, **more: object) -> Verdict:
    return judge_labels(
        comparison,
        None if value is None else Limit("min_label_agreement", value, "conftest.py:12"),
        model="signs",
        environment="torch/tvm-o3/cpu",
        reference="torch/eager/cpu",
        **more,  # type: ignore[arg-type]
    )


def test_a_failure_says_all_of_it() -> None:
    verdict = judged(
        compared(64, 3),
        0.98,
        route=["onnx_from_torch", "tvm_from_onnx"],
        rerun="pytest 'test_signs.py::test_labels[signs-torch/tvm-o3/cpu]' --envrobust",
        class_names=["stop", "yield"],
    )
    assert verdict.status is Status.FAILED
    assert verdict.message.splitlines() == [
        "signs in torch/tvm-o3/cpu: 3 of 64 top-1 labels differ from torch/eager/cpu "
        "(agreement 0.953, limit 0.98 from conftest.py:12); 3 real flips, 0 ties",
        "  images/0.png: expected 0 (stop), got 1 (yield); margin 1, real",
        "  images/1.png: expected 1 (yield), got 2; margin 1, real",
        "  images/2.png: expected 2, got 3; margin 1, real",
        "  route: onnx_from_torch -> tvm_from_onnx",
        "  to run this cell alone: pytest 'test_signs.py::test_labels[signs-torch/tvm-o3/cpu]' --envrobust",
    ]


@pytest.mark.parametrize(
    ("flipped", "limit", "status"),
    [
        (0, 1.0, Status.PASSED),
        (0, None, Status.PASSED),
        (1, None, Status.FAILED),
        (1, 0.98, Status.PASSED),  # 49 of 50 are 0.98 exactly
        (2, 0.98, Status.FAILED),
        (50, 0.0, Status.PASSED),
    ],
)
def test_the_share_decides(flipped: int, limit: float | None, status: Status) -> None:
    assert judged(compared(50, flipped), limit).status is status


def test_a_pass_tells_the_bound() -> None:
    verdict = judged(compared(20, 0), 1.0)
    assert verdict.message == (
        "signs in torch/tvm-o3/cpu: 20 of 20 top-1 labels agree with torch/eager/cpu (agreement 1.000, limit 1 from "
        "conftest.py:12); 20 inputs like these show an agreement of at least 0.861 (95 %)"
    )


def test_nan_fails_whatever_the_limit() -> None:
    verdict = judged(compared(50, 0, undefined=1), 0.5)
    assert verdict.status is Status.FAILED
    assert "0 real flips, 0 ties, 1 undefined" in verdict.message
    assert "NaN" in verdict.message
    assert "images/49.png: expected 49, got no label (NaN); margin 1, undefined" in verdict.message


def test_ties_are_counted_apart_and_count_as_flips() -> None:
    verdict = judged(compared(50, 1, noise=0.5), None)
    assert verdict.status is Status.FAILED
    assert "1 of 50 top-1 labels differs" in verdict.message
    assert "0 real flips, 1 tie\n" in verdict.message
    assert "every defined flip is a tie" in verdict.message


def test_ten_flips_are_shown() -> None:
    lines = judged(compared(64, 13), 1.0).message.splitlines()
    assert sum("expected" in line for line in lines) == 10
    assert "  and 3 more" in lines


def test_rounding_never_hides_on_which_side_the_share_is() -> None:
    assert "agreement 0.9796, limit 0.98" in judged(compared(49, 1), 0.98).message
    assert "agreement 0.9995," in judged(compared(2000, 1), 1.0).message


def test_inputs_that_cannot_tell_are_named() -> None:
    scores = np.tile(np.float32([0, 1]), (5, 1))
    verdict = judged(compare_labels(scores, scores), 1.0)
    assert verdict.status is Status.PASSED
    assert "inadequate" in verdict.message


def test_another_limit_is_refused() -> None:
    with pytest.raises(DeclarationError, match="max_latency_ms"):
        judge_labels(
            compared(5, 0), Limit("max_latency_ms", 3, "ini"), model="m", environment="a/b/c", reference="a/b/d"
        )


def test_the_gravest_verdict() -> None:
    passed, unsure, failed = (Verdict(s, "") for s in (Status.PASSED, Status.INCONCLUSIVE, Status.FAILED))
    assert gravest([passed, unsure, failed]) is failed
    assert gravest([passed, unsure]) is unsure
    assert gravest([]) is None
