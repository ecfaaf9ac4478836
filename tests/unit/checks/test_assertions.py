"""The assertion helpers on plain arrays and plain times."""

from __future__ import annotations

import pytest
from support.cells import EYE

from pytest_envrobust.checks.assertions import (
    EnvironmentMismatch,
    assert_accuracy,
    assert_labels_agree,
    assert_latency,
    raise_unless_passed,
)
from pytest_envrobust.comparison.labels import compare_labels
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.verdicts.accuracy import AccuracyEvidence
from pytest_envrobust.verdicts.verdict import Verdict

FLIPPED = EYE[[1, 0, 2, 3]]
TIMES = [10.0 + 0.1 * call for call in range(20)]  # the median's interval is 10.5 to 11.4 ms
RERUN = "  route: no conversion, the source is loaded as it is"


def first_lines(caught: pytest.ExceptionInfo[EnvironmentMismatch], count: int) -> list[str]:
    return str(caught.value).splitlines()[:count]


def test_labels_that_all_agree_are_told_as_compared() -> None:
    assert assert_labels_agree(EYE, EYE) == compare_labels(EYE, EYE)


def test_all_labels_must_agree_unless_less_is_asked_for() -> None:
    with pytest.raises(EnvironmentMismatch) as caught:
        assert_labels_agree(FLIPPED, EYE, inputs=["a", "b", "c", "d"])
    assert first_lines(caught, 9) == [
        "scores in actual: 2 of 4 top-1 labels differ from expected (agreement 0.500, limit 1 from call argument); "
        "2 real flips, 0 ties",
        "  the scores of actual are off by up to 1, 231% of their spread",
        "  a: expected 0, got 1; margin 1, real",
        "  b: expected 1, got 0; margin 1, real",
        RERUN,
    ]
    found = assert_labels_agree(FLIPPED, EYE, min_agreement=0.5, inputs=["a", "b", "c", "d"])
    assert found == compare_labels(FLIPPED, EYE, inputs=["a", "b", "c", "d"])


def test_noise_tells_ties() -> None:
    found = assert_labels_agree(FLIPPED, EYE, min_agreement=0.5, noise=0.5)
    assert (found.real, found.tie) == (0, 2)


def test_arrays_that_cannot_be_compared_and_shares_that_cannot_be_meant() -> None:
    with pytest.raises(DeclarationError):
        assert_labels_agree(EYE[:3], EYE)
    with pytest.raises(DeclarationError, match=r"^min_label_agreement=98 \(from call argument\) is not a limit"):
        assert_labels_agree(EYE, EYE, min_agreement=98)


# times


def test_a_time_without_a_limit_is_refused() -> None:
    with pytest.raises(DeclarationError) as caught:
        assert_latency(TIMES, TIMES)
    assert str(caught.value) == "assert_latency without a limit (give max_ms= or max_ratio=)"


def test_a_ratio_without_the_references_times_is_refused() -> None:
    with pytest.raises(DeclarationError) as caught:
        assert_latency(TIMES, max_ratio=2)
    assert str(caught.value) == "max_ratio needs the reference's times (give reference_ms=)"


def test_milliseconds_are_those_that_are_given() -> None:
    assert_latency(TIMES, max_ms=11.4)
    with pytest.raises(EnvironmentMismatch) as caught:
        assert_latency(TIMES, max_ms=10.4)
    assert first_lines(caught, 3) == [
        "times in actual/given/given: too slow, a call takes 10.9 ms of wall time (median of 20, 95 % interval 10.5 to "
        "11.4 ms, limit 10.4 ms from call argument)",
        "  an absolute limit holds for this machine and its load alone",
        RERUN,
    ]


def test_a_limit_within_the_interval_and_too_few_calls_are_no_pass() -> None:
    with pytest.raises(EnvironmentMismatch, match="inconclusive, a call takes"):
        assert_latency(TIMES, max_ms=11)
    with pytest.raises(EnvironmentMismatch, match=r"inconclusive, median 1\.00 ms over 3 timed calls, too few"):
        assert_latency([1.0, 1.0, 1.0], max_ms=1000)


def test_a_ratio_is_that_of_pairs() -> None:
    """Both grow by the same: only pairs show that the quotient never changes."""
    slower = [1.5 * time for time in TIMES]
    assert_latency(slower, TIMES, max_ratio=1.6)
    with pytest.raises(EnvironmentMismatch) as caught:
        assert_latency(slower, TIMES, max_ratio=1.4)
    (headline,) = first_lines(caught, 1)
    assert headline == (
        "times in actual/given/given: too slow, 1.50 times the wall time of reference "
        "(95 % interval 1.50 to 1.50, limit 1.4 from call argument)"
    )
    assert "judged on wall time" in str(caught.value)


def test_each_limit_that_is_given_must_hold() -> None:
    assert_latency(TIMES, TIMES, max_ms=12, max_ratio=1.1)
    with pytest.raises(EnvironmentMismatch, match="limit 1 ms from call argument"):
        assert_latency(TIMES, TIMES, max_ms=1, max_ratio=1.1)
    with pytest.raises(EnvironmentMismatch, match=r"limit 0\.9 from call argument"):
        assert_latency(TIMES, TIMES, max_ms=12, max_ratio=0.9)
    with pytest.raises(DeclarationError, match=r"max_latency_ms=0 \(from call argument\)"):
        assert_latency(TIMES, max_ms=0)


@pytest.mark.parametrize("status", [Status.FAILED, Status.INCONCLUSIVE])
def test_a_verdict_that_is_no_pass_is_raised_with_its_message(status: Status) -> None:
    with pytest.raises(EnvironmentMismatch, match=r"^it is so$"):
        raise_unless_passed(Verdict(status, "it is so"))
    raise_unless_passed(Verdict(Status.PASSED, "it is so"))


def test_the_traceback_ends_in_the_users_own_file() -> None:
    with pytest.raises(EnvironmentMismatch) as labels:
        assert_labels_agree(FLIPPED, EYE)
    with pytest.raises(EnvironmentMismatch) as latency:
        assert_latency(TIMES, max_ms=1)
    for caught in (labels, latency):
        shown = [entry.path.name for entry in caught.traceback if not entry.ishidden(caught)]
        assert shown[0] == "test_assertions.py"
        assert "assertions.py" not in shown


def test_the_error_is_named_by_where_users_import_it_from() -> None:
    assert issubclass(EnvironmentMismatch, AssertionError)
    assert f"{EnvironmentMismatch.__module__}.{EnvironmentMismatch.__name__}" == "pytest_envrobust.EnvironmentMismatch"


def test_accuracy_of_plain_arrays() -> None:
    truth = [0, 1, 2, -1]
    assert assert_accuracy(EYE, truth, min_accuracy=1) == AccuracyEvidence(3, 3, 3)
    with pytest.raises(EnvironmentMismatch) as caught:
        assert_accuracy(FLIPPED, truth, EYE, max_accuracy_drop=0.5)
    assert first_lines(caught, 1) == [
        "scores in actual: 1 of 3 inputs is right, 3 in expected (accuracy lower by 0.667, limit 0.5 from call "
        "argument); right here alone 0, there alone 2: McNemar's p 0.500"
    ]
    with pytest.raises(EnvironmentMismatch, match=r"inconclusive: 4 inputs, no more than 0 wrong, would show 0\.4"):
        assert_accuracy(EYE, truth, min_accuracy=0.4, bound=True)


def test_accuracy_needs_a_limit_and_a_drop_something_to_be_lower_than() -> None:
    with pytest.raises(DeclarationError, match="assert_accuracy without a limit"):
        assert_accuracy(EYE, [0, 1, 2, 3])
    with pytest.raises(DeclarationError, match=r"max_accuracy_drop needs the reference's scores \(give expected=\)"):
        assert_accuracy(EYE, [0, 1, 2, 3], max_accuracy_drop=0.1)
    with pytest.raises(DeclarationError, match="min_accuracy=98 "):
        assert_accuracy(EYE, [0, 1, 2, 3], min_accuracy=98)
