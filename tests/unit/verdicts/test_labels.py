"""What a cell's labels come to, and what the message says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_envrobust.checks.labels import label_limit
from pytest_envrobust.comparison.labels import LabelComparison, compare_labels
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.verdicts.labels import LabelEvidence, has_failed_for_sure, judge_labels
from pytest_envrobust.verdicts.limits import MIN_LABEL_AGREEMENT, LabelLimit, Limit
from pytest_envrobust.verdicts.verdict import Subject, Verdict, gravest

SUBJECT = Subject("signs", "torch/tvm-o3/cpu", "torch/eager/cpu")


def compared(n: int, flipped: int, *, undefined: int = 0, noise: float | None = None) -> LabelComparison:
    expected = np.eye(n, n, dtype=np.float32)
    actual = expected.copy()
    actual[:flipped] = np.roll(actual[:flipped], 1, axis=1)
    actual[n - undefined :, 0] = np.nan
    return compare_labels(actual, expected, noise=noise, inputs=[f"images/{i}.png" for i in range(n)])


def judged(comparison: LabelComparison, value: float, *, subject: Subject = SUBJECT, **more: Any) -> Verdict:
    return judge_labels(
        LabelEvidence(comparison, **more), Limit("min_label_agreement", value, "conftest.py:12"), subject
    )


def test_a_failure_says_all_of_it() -> None:
    verdict = judged(
        compared(64, 3),
        0.98,
        subject=replace(
            SUBJECT,
            route=("onnx_from_torch", "tvm_from_onnx"),
            rerun="pytest 'test_signs.py::test_labels[signs-torch/tvm-o3/cpu]' --envrobust",
        ),
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
        (0, 1, Status.PASSED),
        (1, 1, Status.FAILED),
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
    verdict = judged(compared(50, 1, noise=0.5), 1.0)
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


def terms(value: float, **given: Any) -> LabelLimit:
    words = {"ties": {"count": 0.0, "ignore": 1.0}, "bound": {True: 1.0, False: 0.0}}
    numbers = {MIN_LABEL_AGREEMENT: value, **{name: words[name][word] for name, word in given.items()}}
    return label_limit({name: Limit(name, number, "marker") for name, number in numbers.items()})


def judged_on(comparison: LabelComparison, limit: Limit, **more: Any) -> Verdict:
    return judge_labels(LabelEvidence(comparison, **more), limit, SUBJECT)


@pytest.mark.parametrize(
    ("n", "flipped", "status"),
    [
        (20, 0, Status.INCONCLUSIVE),
        (298, 0, Status.INCONCLUSIVE),
        (299, 0, Status.PASSED),
        (299, 1, Status.INCONCLUSIVE),
        (473, 1, Status.PASSED),
        (20, 2, Status.FAILED),
        (299, 9, Status.FAILED),
    ],
)
def test_the_bound_decides_where_it_is_asked_for(n: int, flipped: int, status: Status) -> None:
    assert judged_on(compared(n, flipped), terms(0.99, bound=True)).status is status


def test_too_few_inputs_for_a_bound_say_how_many_would_do() -> None:
    said = judged_on(compared(20, 0), terms(0.99, bound=True)).message
    assert "(agreement 1.000, at least 0.861 shown, limit 0.99 on what is shown from marker)" in said
    assert "inconclusive: 20 of 20 shows 0.861; 299 agreeing inputs would show 0.99" in said.splitlines()[0]
    assert (
        "473 inputs, no more than 1 flipped, would show 0.99"
        in judged_on(compared(300, 1), terms(0.99, bound=True)).message
    )


def test_ties_can_be_left_out() -> None:
    ties = compared(8, 2, noise=0.6)
    assert ties.tie == 2
    assert judged_on(ties, terms(1.0)).status is Status.FAILED
    kept = judged_on(ties, terms(1.0, ties="ignore"))
    assert kept.status is Status.PASSED
    assert "2 of 8 top-1 labels differ" in kept.message
    assert "(agreement 1.000 without ties, limit 1 from marker); 0 real flips, 2 ties" in kept.message
    assert "6 inputs like these show" in kept.message


def test_nothing_but_ties_decides_nothing() -> None:
    verdict = judged_on(compared(4, 4, noise=0.6), terms(0.5, ties="ignore"))
    assert verdict.status is Status.INCONCLUSIVE
    assert "every input is a tie, and ties are ignored" in verdict.message


def test_known_flips_agree_and_are_shown() -> None:
    comparison = compared(8, 2)
    assert judged_on(comparison, terms(1.0), known={0: "rounding of int8"}).status is Status.FAILED
    verdict = judged_on(comparison, terms(1.0), known={0: "rounding of int8", 1: "the same"})
    assert verdict.status is Status.PASSED
    assert "2 of them known" in verdict.message
    assert "known flip: images/0.png, rounding of int8" in verdict.message
    left = judged_on(comparison, terms(1.0), known={0: "rounding of int8"}).message.splitlines()
    assert left[1].startswith("  images/1.png: expected 1")
    assert "  known flip: images/0.png, rounding of int8" in left


def test_nan_is_never_excused() -> None:
    verdict = judged_on(compared(8, 0, undefined=1), terms(0.0, ties="ignore"), known={7: "we know"})
    assert verdict.status is Status.FAILED
    assert "of them known" not in verdict.message


def test_inadequate_inputs_pass_nothing_under_strict() -> None:
    scores = np.tile(np.float32([0, 1]), (5, 1))
    alike = compare_labels(scores, scores)
    verdict = judged_on(alike, terms(1.0), is_strict=True)
    assert verdict.status is Status.INCONCLUSIVE
    assert "inconclusive: inputs that cannot tell a broken model show nothing" in verdict.message.splitlines()[0]
    assert judged_on(compare_labels(-scores, scores), terms(1.0), is_strict=True).status is Status.FAILED


def test_a_failure_is_certain_once_the_rest_cannot_mend_it() -> None:
    ten = compared(10, 2)
    assert has_failed_for_sure(ten, terms(1.0), total=1000)
    assert not has_failed_for_sure(ten, terms(0.98), total=100)
    assert has_failed_for_sure(ten, terms(0.99), total=100)
    assert not has_failed_for_sure(compared(10, 0), terms(0.5), total=10)
    assert has_failed_for_sure(compared(10, 0, undefined=1), terms(0.0), total=1000)
    assert not has_failed_for_sure(ten, terms(1.0), total=1000, known={0: "a", 1: "b"})


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["same", "tie", "real", "nan"]), min_size=1, max_size=30),
    st.sampled_from([0.0, 0.5, 0.9, 0.95, 0.99, 1.0]),
    st.booleans(),
    st.sampled_from(["count", "ignore"]),
)
def test_stopping_early_never_changes_the_verdict(fates: list[str], share: float, bound: bool, ties: str) -> None:
    rows = {"same": [0.0, 1.0], "tie": [1.0, 0.9], "real": [9.0, 1.0], "nan": [np.nan, 1.0]}
    expected = np.array([[0.0, 0.1] if fate == "tie" else [0.0, 1.0] for fate in fates])
    actual = np.array([rows[fate] for fate in fates])
    limit = terms(share, bound=bound and share < 1, ties=ties)
    final = judged_on(compare_labels(actual, expected, noise=0.05), limit)
    for count in range(1, len(fates)):
        seen = compare_labels(actual[:count], expected[:count], noise=0.05)
        if has_failed_for_sure(seen, limit, total=len(fates)):
            assert final.status is Status.FAILED
            assert judged_on(seen, limit, total=len(fates)).status in (Status.FAILED, Status.INCONCLUSIVE)


def test_a_comparison_that_stopped_says_so() -> None:
    said = judged_on(compared(32, 3), terms(1.0), total=5000).message
    assert "stopped after 32 of 5000 inputs: the others could not have changed the verdict" in said


def test_another_limit_is_refused() -> None:
    with pytest.raises(DeclarationError, match="max_latency_ms"):
        judged_on(compared(5, 0), Limit("max_latency_ms", 3, "ini"))


def test_the_gravest_verdict() -> None:
    passed, unsure, failed = (Verdict(s, "") for s in (Status.PASSED, Status.INCONCLUSIVE, Status.FAILED))
    assert gravest([passed, unsure, failed]) is failed
    assert gravest([passed, unsure]) is unsure
    assert gravest([]) is None
