"""Whether enough inputs are labeled right, where their true classes are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from pytest_envrobust.comparison.accuracy import McNemar, accuracy, drop_bounds, mcnemar
from pytest_envrobust.comparison.bounds import clopper_pearson_lower, clopper_pearson_upper, inputs_to_show
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.core.wording import beside_limit, counted
from pytest_envrobust.verdicts.family import ALONE
from pytest_envrobust.verdicts.limits import MAX_ACCURACY_DROP, MIN_ACCURACY, AccuracyLimit, Limit
from pytest_envrobust.verdicts.verdict import Subject, Verdict, closing_lines


@dataclass(frozen=True)
class AccuracyEvidence:
    """How many of ``n`` inputs with a known class have the right label, and how many have it among the best five.

    ``top5`` is ``None`` where it cannot be told. ``against`` holds them against the reference's, where that was asked.
    """

    n: int
    right: int
    top5: int | None = None
    against: McNemar | None = None

    @property
    def share(self) -> float:
        """The top-1 accuracy."""
        return self.right / self.n

    @property
    def drop(self) -> float | None:
        """By how much it is lower than the reference's; ``None`` where that was not asked."""
        return None if self.against is None else (self.against.only_there - self.against.only_here) / self.n

    @classmethod
    def of(
        cls, scores: NDArray[Any], truth: Sequence[int] | NDArray[Any], expected: NDArray[Any] | None = None
    ) -> AccuracyEvidence:
        """Of scores (N, classes) with the true classes, -1 where unknown; ``expected`` are the reference's scores.

        Raises `DeclarationError` as `accuracy` does.
        """
        found = accuracy(scores, truth)
        against = None if expected is None else mcnemar(found.correct, accuracy(expected, truth).correct)
        return cls(found.n, found.right, None if found.top5 is None else round(found.top5 * found.n), against)


def judge_accuracy(evidence: AccuracyEvidence, limit: Limit, subject: Subject) -> Verdict:
    """Hold the accuracy against ``min_accuracy``, or its drop to the reference's against ``max_accuracy_drop``.

    An `AccuracyLimit` says whether the share or its bound must keep the limit; a bound that does not, though the
    inputs allow such a share, is inconclusive. Raises `DeclarationError` for another kind of limit, and for a drop
    without a reference.
    """
    terms = limit if isinstance(limit, AccuracyLimit) else AccuracyLimit(limit.name, limit.value, limit.origin)
    if limit.name == MIN_ACCURACY:
        status, said = _judged_share(evidence, terms)
    elif limit.name == MAX_ACCURACY_DROP:
        status, said = _judged_drop(evidence, terms, subject)
    else:
        raise DeclarationError(
            f"{limit.name} does not limit accuracy", cause=f"{MIN_ACCURACY} and {MAX_ACCURACY_DROP} do"
        )
    lines = [f"{subject}: {said}"]
    if status is not Status.PASSED:
        lines += closing_lines(subject)
    return Verdict(status, "\n".join(lines), limit)


def _judged_share(evidence: AccuracyEvidence, limit: AccuracyLimit) -> tuple[Status, str]:
    n, right, family = evidence.n, evidence.right, limit.family if limit.bound else ALONE
    lower, upper = (
        clopper_pearson_lower(right, n, family.confidence),
        clopper_pearson_upper(right, n, family.confidence),
    )
    found = f"accuracy {beside_limit(evidence.share, limit.value)}"
    if limit.bound:
        found += f", at least {beside_limit(lower, limit.value)} shown{_over(limit)}"
    said = f"{_right(right, n)} ({found}, {_asked(limit)})"
    status = _status(evidence.share, lower, upper, limit)
    if status is Status.PASSED:
        said += f"; {counted(n, 'input')} like these show an accuracy of at least {lower:.3f} ({family})"
    if status is Status.INCONCLUSIVE:
        needed = inputs_to_show(limit.value, n - right, family.confidence)
        said += (
            f"; inconclusive: {counted(needed, 'input')}, no more than {n - right} wrong, would show {limit.value:g}"
        )
    return status, said


def _judged_drop(evidence: AccuracyEvidence, limit: AccuracyLimit, subject: Subject) -> tuple[Status, str]:
    against, drop = evidence.against, evidence.drop
    if against is None or drop is None:
        raise DeclarationError(f"{MAX_ACCURACY_DROP} needs the reference's scores")
    least, most = drop_bounds(against.only_here, against.only_there, evidence.n, limit.family.confidence)
    theirs = evidence.right + against.only_there - against.only_here
    found = f"accuracy lower by {drop:.3f}" if drop > 0 else f"accuracy higher by {-drop:.3f}" if drop else "no drop"
    if limit.bound:
        found += f", by no more than {most:.3f} shown{_over(limit)}"
    said = f"{_right(evidence.right, evidence.n)}, {theirs} in {subject.reference} ({found}, {_asked(limit)})"
    said += f"; right here alone {against.only_here}, there alone {against.only_there}: McNemar's p {against.p:.3f}"
    if limit.family.cells > 1:
        said += f" ({min(1.0, limit.family.cells * against.p):.3f} over {limit.family.cells} cells)"
    status = _status(-drop, -most, -least, replace(limit, value=-limit.value))
    if status is Status.INCONCLUSIVE:
        said += f"; inconclusive: {counted(evidence.n, 'input')} cannot show so small a drop"
    return status, said


def _status(share: float, lower: float, upper: float, limit: AccuracyLimit) -> Status:
    if not limit.bound:
        return Status.PASSED if share >= limit.value else Status.FAILED
    if lower >= limit.value:
        return Status.PASSED
    return Status.FAILED if upper < limit.value else Status.INCONCLUSIVE


def _right(right: int, n: int) -> str:
    return f"{right} of {counted(n, 'input')} {'is' if right == 1 else 'are'} right"


def _asked(limit: AccuracyLimit) -> str:
    return f"limit {limit.value:g}{' on what is shown' if limit.bound else ''} from {limit.origin}"


def _over(limit: AccuracyLimit) -> str:
    """At which confidence, where a verdict is one of several."""
    return f" at {limit.family}" if limit.family != ALONE else ""
