"""The assertion helpers on plain arrays, for claims of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from pytest_envrobust.checks.labels import judge_labels
from pytest_envrobust.checks.latency import judge_latency
from pytest_envrobust.comparison.labels import LabelComparison, compare_labels
from pytest_envrobust.core.status import Status
from pytest_envrobust.core.timing import Clock, Timing
from pytest_envrobust.timing.evidence import LatencyEvidence
from pytest_envrobust.timing.intervals import Estimate
from pytest_envrobust.timing.ratios import paired_ratio
from pytest_envrobust.verdicts.limits import (
    MAX_LATENCY_MS,
    MAX_LATENCY_RATIO,
    MIN_LABEL_AGREEMENT,
    Thresholds,
    resolve,
)
from pytest_envrobust.verdicts.verdict import Verdict

CALL_ARGUMENT = "call argument"


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
    verdict = judge_labels(
        comparison,
        resolve(MIN_LABEL_AGREEMENT, "", [limits]),
        model="scores",
        environment="actual",
        reference="expected",
    )
    insist(verdict)
    return comparison


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
    from pytest_envrobust.core.errors import DeclarationError

    asked = {name: value for name, value in ((MAX_LATENCY_MS, max_ms), (MAX_LATENCY_RATIO, max_ratio)) if value}
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
        insist(
            judge_latency(
                evidence, limit, model="times", environment="actual/given/given", reference="reference", clock="wall"
            )
        )


def insist(verdict: Verdict) -> None:
    """Raise `EnvironmentMismatch` unless the verdict is a pass."""
    __tracebackhide__ = True
    if verdict.status is not Status.PASSED:
        raise EnvironmentMismatch(verdict.message)
