"""What a cell's labels come to, and what the message says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_envrobust.checks.labels import label_limit
from pytest_envrobust.comparison.adequacy import ONE_LABEL, Adequacy, FaultEffect
from pytest_envrobust.comparison.labels import LabelComparison, compare_labels
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.verdicts.labels import LabelEvidence, has_failed_for_sure, judge_labels
from pytest_envrobust.verdicts.limits import MIN_LABEL_AGREEMENT, LabelLimit, Limit
from pytest_envrobust.verdicts.verdict import Subject, Verdict

SUBJECT = Subject("signs", "torch/tvm-o3/cpu", "torch/eager/cpu")
CLOSING = ["  route: no conversion, the source is loaded as it is"]
ALL_TIES = "  every defined flip is a tie: the reference's own scores of both labels are closer than the noise"


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
    assert verdict.message.splitlines() == [
        "signs in torch/tvm-o3/cpu: 1 of 50 top-1 labels differs from torch/eager/cpu "
        "(agreement 0.980, limit 0.5 from conftest.py:12); 0 real flips, 0 ties, 1 undefined",
        "  scores with NaN, with none above -inf or with several of +inf have no label and agree with nothing, "
        "whatever the limit",
        "  images/49.png: expected 49, got no label; margin 1, undefined",
        *CLOSING,
    ]


def test_a_reference_without_a_label_has_no_margin() -> None:
    expected = np.eye(3, dtype=np.float32)
    expected[1, 0] = np.nan
    said = judged(compare_labels(np.eye(3, dtype=np.float32), expected), 0.5).message
    assert "  #1: expected no label, got 1; undefined" in said.splitlines()


def test_ties_are_counted_apart_and_count_as_flips() -> None:
    verdict = judged(compared(50, 1, noise=0.5), 1.0)
    assert verdict.status is Status.FAILED
    assert verdict.message.splitlines() == [
        "signs in torch/tvm-o3/cpu: 1 of 50 top-1 labels differs from torch/eager/cpu "
        "(agreement 0.980, limit 1 from conftest.py:12); 0 real flips, 1 tie",
        ALL_TIES,
        "  ties: within one step of the numbers that the reference's scores are",
        "  images/0.png: expected 0, got 1; margin 1, tie",
        *CLOSING,
    ]


def test_ties_are_blamed_only_where_they_alone_make_it_fail() -> None:
    mixed = compare_labels(
        np.array([[1.0, 0.9], [9.0, 1.0], [0.0, 1.0], [0.0, 1.0]]),
        np.array([[0.0, 0.1], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]),
        noise=0.05,
    )
    assert (mixed.tie, mixed.real) == (1, 1)
    assert ALL_TIES not in judged(mixed, 1.0).message
    ties_and_nan = compared(8, 2, undefined=1, noise=0.6)
    assert ALL_TIES in judged(ties_and_nan, 1.0).message
    assert ALL_TIES not in judged(ties_and_nan, 5 / 8).message  # it is NaN that fails
    assert ALL_TIES not in judged(ties_and_nan, 0.5).message
    assert ALL_TIES not in judged_on(ties_and_nan, terms(1.0, ties="ignore")).message


@pytest.mark.parametrize(
    ("differs", "verb"), [(False, "1 of 1 top-1 label agrees with"), (True, "1 of 1 top-1 label differs from")]
)
def test_one_input_is_spoken_of_as_one(differs: bool, verb: str) -> None:
    expected = np.array([[0.0, 1.0]])
    said = judged(compare_labels(expected[:, ::-1] if differs else expected, expected), 0.5).message
    assert said.startswith(f"signs in torch/tvm-o3/cpu: {verb} torch/eager/cpu (agreement {0 if differs else 1}.000, ")
    assert "inadequate" not in said  # one input has one label, and nobody takes it for a test of the model
    assert ("; 1 input like these show an agreement of at least 0.050 (95 %)" in said) is not differs


def test_a_class_that_the_reference_ranks_far_behind_is_told() -> None:
    expected, actual = np.array([[3.0, 2.0, 0.5]]), np.array([[0.0, 0.0, 9.0]])
    said = judged(compare_labels(actual, expected), 1.0).message
    assert "  #0: expected 0, got 2; margin 1, 2.5 ahead of it, real" in said.splitlines()


def test_ten_flips_are_shown() -> None:
    lines = judged(compared(64, 13), 1.0).message.splitlines()
    assert [line.split(":")[0] for line in lines if "expected" in line] == [f"  images/{i}.png" for i in range(10)]
    assert "  and 3 more" in lines
    exactly = judged(compared(64, 10), 1.0).message
    assert exactly.count("expected") == 10
    assert "more" not in exactly
    assert "  and 1 more" in judged(compared(64, 11), 1.0).message.splitlines()


def test_rounding_never_hides_on_which_side_the_share_is() -> None:
    assert "agreement 0.9796, limit 0.98" in judged(compared(49, 1), 0.98).message
    assert "agreement 0.9995," in judged(compared(2000, 1), 1.0).message
    assert "agreement 0.980, limit 0.98 " in judged(compared(50, 1), 0.98).message
    assert "agreement 0.6666667, limit 0.666667 " in judged(compared(3, 1), 0.666667).message


def test_inputs_that_cannot_tell_are_named() -> None:
    scores = np.tile(np.float32([0, 1]), (5, 1))
    verdict = judged(compare_labels(scores, scores), 1.0)
    assert verdict.status is Status.PASSED
    assert verdict.message.splitlines()[1:] == [f"  {ONE_LABEL}"]
    two = compare_labels(np.eye(2), np.eye(2))
    assert len(judged(two, 1.0).message.splitlines()) == 1


SEEN = FaultEffect("classes", 5, 5, 1.0)
UNSEEN = tuple(FaultEffect(kind, 0, 5, 1.0) for kind in ("stuck", "order", "mirrored"))


def test_what_the_inputs_would_miss_is_told_with_a_pass() -> None:
    """Known adequacy decides, not how many labels there are."""
    told = Adequacy(5, 3, (SEEN, *UNSEEN))
    verdict = judged(compared(5, 0), 1.0, adequacy=told)
    assert verdict.status is Status.PASSED
    assert verdict.message.splitlines()[1:] == [f"  {line}" for line in told.lines(1.0)]
    assert len(judged(compared(5, 0), 1.0, adequacy=Adequacy(5, 3, (SEEN,))).message.splitlines()) == 1
    one = compare_labels(np.eye(1, 2), np.eye(1, 2))
    assert len(judged(one, 1.0, adequacy=told).message.splitlines()) == 1


def test_what_the_inputs_would_miss_is_told_with_an_inconclusive_verdict_and_not_with_a_failure() -> None:
    told = Adequacy(5, 3, (SEEN, *UNSEEN))
    doubts = [f"  {line}" for line in told.lines(1.0)]
    unsure = judged(compared(5, 0), 1.0, adequacy=told, is_strict=True)
    assert unsure.status is Status.INCONCLUSIVE
    assert unsure.message.splitlines()[1:] == [*doubts, *CLOSING]
    assert doubts[0] not in judged(compared(5, 1), 1.0, adequacy=told, is_strict=True).message
    sure = judged(compared(5, 0), 1.0, adequacy=Adequacy(5, 3, (SEEN,)), is_strict=True)
    assert sure.status is Status.PASSED


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
    assert said.splitlines()[0].endswith("; inconclusive: 20 of 20 shows 0.861; 299 agreeing inputs would show 0.99")
    one = judged_on(compared(300, 1), terms(0.99, bound=True)).message.splitlines()[0]
    assert one.endswith("; inconclusive: 299 of 300 shows 0.984; 473 inputs, no more than 1 flipped, would show 0.99")


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
    assert verdict.message.splitlines()[0] == (
        "signs in torch/tvm-o3/cpu: 4 of 4 top-1 labels differ from torch/eager/cpu (agreement 1.000 without ties, "
        "limit 0.5 from marker); 0 real flips, 4 ties; inconclusive: every input is a tie, and ties are ignored"
    )


def test_known_flips_agree_and_are_shown() -> None:
    comparison = compared(8, 2)
    assert judged_on(comparison, terms(1.0), known={0: "rounding of int8"}).status is Status.FAILED
    verdict = judged_on(comparison, terms(1.0), known={0: "rounding of int8", 1: "the same"})
    assert verdict.status is Status.PASSED
    headline = (
        "signs in torch/tvm-o3/cpu: 2 of 8 top-1 labels differ from torch/eager/cpu (agreement {}, limit 1 from marker)"
    )
    assert verdict.message.splitlines() == [
        headline.format("1.000")
        + "; 2 real flips, 0 ties; 2 of them known; 8 inputs like these show an agreement of at "
        "least 0.688 (95 %)",
        "  known flip: images/0.png, rounding of int8",
        "  known flip: images/1.png, the same",
    ]
    assert judged_on(comparison, terms(1.0), known={0: "rounding of int8"}).message.splitlines() == [
        headline.format("0.875") + "; 2 real flips, 0 ties; 1 of them known",
        "  images/1.png: expected 1, got 2; margin 1, real",
        "  known flip: images/0.png, rounding of int8",
        *CLOSING,
    ]


def test_nan_is_never_excused() -> None:
    verdict = judged_on(compared(8, 0, undefined=1), terms(0.0, ties="ignore"), known={7: "we know"})
    assert verdict.status is Status.FAILED
    assert "of them known" not in verdict.message
    lines = verdict.message.splitlines()
    assert "  images/7.png: expected 7, got no label; margin 1, undefined" in lines
    assert "  known flip: images/7.png, we know" in lines


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
            assert judged_on(seen, limit, total=len(fates)).status is Status.FAILED


def test_a_comparison_that_stopped_says_so() -> None:
    lines = judged_on(compared(32, 3), terms(1.0), total=5000).message.splitlines()
    assert lines[1] == "  stopped after 32 of 5000 inputs: the others could not have changed the verdict"
    assert "stopped" not in judged_on(compared(32, 3), terms(1.0), total=32).message


def test_an_earlier_runs_reference_is_named_in_place_of_this_ones() -> None:
    said = judged(compared(4, 0), 1.0, earlier="torch/eager/cpu of run.json").message
    assert ": 4 of 4 top-1 labels agree with torch/eager/cpu of run.json (agreement" in said


def test_another_limit_is_refused() -> None:
    with pytest.raises(DeclarationError) as caught:
        judged_on(compared(5, 0), Limit("max_latency_ms", 3, "ini"))
    assert str(caught.value) == "max_latency_ms does not limit labels: min_label_agreement does"


def test_inputs_that_agree_only_until_the_next_run_count_as_flips() -> None:
    told = "torch/tvm-o3/cpu: its own labels change when it is run again"
    found = judged_on(compared(10, 0), terms(0.9), unrepeated=2, remarks=[told])
    assert found.status is Status.FAILED
    headline, remark, *_ = found.message.splitlines()
    assert "agreement 0.800, limit 0.9" in headline
    assert "2 that agree are others when it is run again, and count as flips" in headline
    assert remark == f"  {told}"
    kept = judged_on(compared(10, 0), terms(0.8), unrepeated=2, remarks=[told])
    assert kept.status is Status.PASSED
    assert told in kept.message
