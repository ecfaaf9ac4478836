"""The assertion helpers on plain arrays, for claims of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from pytest_envrobust.checks.accuracy import CHECK, accuracy_limits
from pytest_envrobust.checks.thresholds import CALL_ARGUMENT, Thresholds, limits_of, resolve
from pytest_envrobust.comparison.labels import LabelComparison, compare_labels
from pytest_envrobust.comparison.notices import pair_notices
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.core.timing import Clock, Timing
from pytest_envrobust.timing.evidence import LatencyEvidence
from pytest_envrobust.timing.intervals import Estimate
from pytest_envrobust.timing.ratios import paired_ratio
from pytest_envrobust.verdicts.accuracy import AccuracyEvidence, judge_accuracy
from pytest_envrobust.verdicts.labels import LabelEvidence, judge_labels
from pytest_envrobust.verdicts.latency import judge_latency
from pytest_envrobust.verdicts.limits import (
    ACCURACY_BOUND,
    MAX_ACCURACY_DROP,
    MAX_LATENCY_MS,
    MAX_LATENCY_RATIO,
    MIN_ACCURACY,
    MIN_LABEL_AGREEMENT,
)
from pytest_envrobust.verdicts.verdict import Subject, Verdict


class EnvironmentMismatch(AssertionError):
    """A cell does not keep a limit; the message has the figures, the limit and where it was set."""

    __module__ = "pytest_envrobust"


def assert_labels_agree(
    actual: NDArray[Any],
    expected: NDArray[Any],
    *,
    min_agreement: float = 1.0,
    noise: float | None = None,
    inputs: Sequence[str] | None = None,
) -> LabelComparison:
    """Assert that at least ``min_agreement`` of the rows of two score arrays, (N, classes), have one top-1 label.

    ``noise`` and ``inputs`` are as in `compare_labels`, whose result is returned. NaN never agrees. Raises
    `EnvironmentMismatch`, an `AssertionError`, or `DeclarationError` for arrays that cannot be compared.
    """
    __tracebackhide__ = True
    limits = Thresholds.of({MIN_LABEL_AGREEMENT: min_agreement}, CALL_ARGUMENT)
    comparison = compare_labels(actual, expected, noise=noise, inputs=inputs)
    limit = resolve(MIN_LABEL_AGREEMENT, "", [limits])
    assert limit is not None
    notices = pair_notices(actual, expected, "actual", "expected", noise=noise) if comparison.flips else ()
    evidence = LabelEvidence(comparison, noise, noise_from="" if noise is None else "as given", notices=notices)
    raise_unless_passed(judge_labels(evidence, limit, Subject("scores", "actual", "expected")))
    return comparison


def assert_accuracy(
    scores: NDArray[Any],
    truth: Sequence[int] | NDArray[Any],
    expected: NDArray[Any] | None = None,
    *,
    min_accuracy: float | None = None,
    max_accuracy_drop: float | None = None,
    bound: bool = False,
) -> AccuracyEvidence:
    """Assert that the best scores, (N, classes), are those of the true classes, one index for each row, -1 if unknown.

    ``min_accuracy`` is the share of rows that must be right, ``max_accuracy_drop`` by how much it may be lower than
    that of ``expected``, another environment's scores. With ``bound`` what the rows show at 95 % confidence must keep
    the limits; `EnvironmentMismatch` says where too few are inconclusive. Raises `DeclarationError` for arrays that do
    not fit, a drop without ``expected``, or where no limit is given.
    """
    __tracebackhide__ = True
    given = {MIN_ACCURACY: min_accuracy, MAX_ACCURACY_DROP: max_accuracy_drop}
    asked = {name: value for name, value in given.items() if value is not None}
    if not asked:
        raise DeclarationError("assert_accuracy without a limit", remedy="give min_accuracy= or max_accuracy_drop=")
    if max_accuracy_drop is not None and expected is None:
        raise DeclarationError("max_accuracy_drop needs the reference's scores", remedy="give expected=")
    layers = [Thresholds.of({**asked, ACCURACY_BOUND: bound}, CALL_ARGUMENT)]
    evidence = AccuracyEvidence.of(scores, truth, expected)
    for limit in accuracy_limits(limits_of(CHECK, "", layers)):
        raise_unless_passed(judge_accuracy(evidence, limit, Subject("scores", "actual", "expected")))
    return evidence


def assert_latency(
    times_ms: Sequence[float],
    reference_ms: Sequence[float] | None = None,
    *,
    max_ms: float | None = None,
    max_ratio: float | None = None,
) -> None:
    """Assert limits on times of single calls, in milliseconds; for ``max_ratio`` paired with the reference's.

    An interval that the limit lies in, or too few calls for one, is no pass: `EnvironmentMismatch` says that it is
    inconclusive. Raises `DeclarationError` for a ratio without reference times, or where no limit is given.
    """
    __tracebackhide__ = True
    given = {MAX_LATENCY_MS: max_ms, MAX_LATENCY_RATIO: max_ratio}
    asked = {name: value for name, value in given.items() if value is not None}
    if not asked:
        raise DeclarationError("assert_latency without a limit", remedy="give max_ms= or max_ratio=")
    mine = [round(value * 1e6) for value in times_ms]
    ratios: dict[Clock, Estimate] = {}
    if max_ratio is not None:
        if reference_ms is None:
            raise DeclarationError("max_ratio needs the reference's times", remedy="give reference_ms=")
        ratios["wall"] = paired_ratio(mine, [round(value * 1e6) for value in reference_ms])
    evidence = LatencyEvidence(Timing.of(mine, mine), ratios=ratios)
    limits = Thresholds.of(asked, CALL_ARGUMENT)
    for name in asked:
        limit = resolve(name, "", [limits])
        assert limit is not None
        subject = Subject("times", "actual/given/given", "reference")
        raise_unless_passed(judge_latency(evidence, limit, subject, clock="wall"))


def raise_unless_passed(verdict: Verdict) -> None:
    """Raise `EnvironmentMismatch` unless the verdict is a pass."""
    __tracebackhide__ = True
    if verdict.status is not Status.PASSED:
        raise EnvironmentMismatch(verdict.message)
