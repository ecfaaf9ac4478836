"""Accuracy of a cell in a record: written, and read back to be judged again."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pytest_envrobust.comparison.accuracy import McNemar
from pytest_envrobust.record.judged_part import recorded_limits, with_verdicts
from pytest_envrobust.record.schema import AgainstReference, CellAccuracy
from pytest_envrobust.verdicts.accuracy import AccuracyEvidence
from pytest_envrobust.verdicts.limits import AccuracyLimit
from pytest_envrobust.verdicts.verdict import Verdict


def accuracy_part(evidence: AccuracyEvidence) -> CellAccuracy:
    """The counts, without the limits."""
    told = evidence.against
    return CellAccuracy(
        n=evidence.n,
        right=evidence.right,
        right_in_top5=evidence.top5,
        against_reference=None
        if told is None
        else AgainstReference(only_here=told.only_here, only_reference=told.only_there, p=told.p),
    )


def with_accuracy_verdicts(part: CellAccuracy, verdicts: Sequence[Verdict]) -> CellAccuracy:
    """The same with the verdicts, and what had to keep the limits."""
    if not verdicts:
        return part
    on_bound = any(isinstance(each.limit, AccuracyLimit) and each.limit.bound for each in verdicts)
    return replace(with_verdicts(part, verdicts), limit_on="bound" if on_bound else "share")


def recorded_accuracy(part: CellAccuracy) -> AccuracyEvidence | None:
    """The counts that a record has; ``None`` where it has verdicts alone."""
    if part.n is None or part.right is None:
        return None
    told = part.against_reference
    against = None if told is None else McNemar(told.only_here, told.only_reference, told.p)
    return AccuracyEvidence(part.n, part.right, part.right_in_top5, against)


def recorded_accuracy_limits(part: CellAccuracy | None) -> dict[str, AccuracyLimit]:
    """The limits that a cell's accuracy was held against, by name, with their terms."""
    on_bound = part is not None and part.limit_on == "bound"
    return {
        name: AccuracyLimit(name, limit.value, limit.origin, on_bound) for name, limit in recorded_limits(part).items()
    }
