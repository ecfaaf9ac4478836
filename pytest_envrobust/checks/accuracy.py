"""Are enough inputs labeled right, where their true classes are known?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_envrobust.checks.base import Asked, Check, JudgedAgain, Result, all_verdicts, inconclusive
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.verdicts.family import ALONE, Family
from pytest_envrobust.verdicts.limits import (
    ACCURACY_BOUND,
    MAX_ACCURACY_DROP,
    MIN_ACCURACY,
    YES_OR_NO,
    AccuracyLimit,
    Limit,
    LimitKind,
)
from pytest_envrobust.verdicts.verdict import Subject, Verdict

if TYPE_CHECKING:
    from pytest_envrobust.checks.cells import MeasuredCell, RecordedCell
    from pytest_envrobust.record.schema import Cell
    from pytest_envrobust.verdicts.accuracy import AccuracyEvidence


class AccuracyCheck(Check["AccuracyEvidence"]):
    """The share of inputs whose top-1 label is the true class; without a limit it is recorded only."""

    name = "accuracy"
    summary = "inputs are labeled right, where their true classes are known"
    limits = (
        LimitKind.share(MIN_ACCURACY, "share of inputs whose top-1 label must be their true class"),
        LimitKind.share(
            MAX_ACCURACY_DROP, "by how much the accuracy may be lower than the reference's", of_reference=False
        ),
        LimitKind(
            ACCURACY_BOUND,
            "what the inputs show at 95 % confidence over all cells must keep the limits on accuracy, not the share",
            "true or false",
            words=YES_OR_NO,
            is_switch=True,
        ),
    )
    rank = 28
    needs_truth = True

    def measure(self, cell: MeasuredCell, asked: Asked) -> AccuracyEvidence:
        """How many are right here and, where a limit needs it, in the reference."""
        from pytest_envrobust.verdicts.accuracy import AccuracyEvidence

        expected = cell.reference_scores if MAX_ACCURACY_DROP in asked.limits else None
        return AccuracyEvidence.of(cell.scores, cell.truth, expected)

    def judge(self, evidence: AccuracyEvidence, asked: Asked, subject: Subject) -> list[Verdict]:
        """One verdict a limit."""
        from pytest_envrobust.verdicts.accuracy import judge_accuracy

        limits = accuracy_limits(asked.limits, asked.family)
        return [judge_accuracy(evidence, limit, subject) for limit in limits]

    def judges_reference(self, limits: Mapping[str, Limit]) -> bool:
        """Its accuracy; it has no drop."""
        return MIN_ACCURACY in limits

    def compares_scores(self, evidence: AccuracyEvidence) -> bool:
        """Where its accuracy was held against the reference's."""
        return evidence.against is not None

    def recorded(self, results: Sequence[Result[AccuracyEvidence]]) -> dict[str, Any]:
        """The record's ``accuracy``."""
        from pytest_envrobust.record.accuracy_part import accuracy_part, with_accuracy_verdicts

        part = accuracy_part(results[-1].evidence)
        return {"accuracy": with_accuracy_verdicts(part, list(all_verdicts(results)))}

    def was_asked(self, entry: Cell) -> bool:
        """Whether it was told of the cell."""
        return entry.accuracy is not None

    def missed(self, entry: Cell) -> bool:
        """Whether a recorded limit was not kept, or not surely."""
        return entry.accuracy is not None and entry.accuracy.verdict not in (None, Status.PASSED)

    def judge_again(self, cell: RecordedCell, limits: Mapping[str, Limit]) -> JudgedAgain:
        """Judge the recorded counts; where there are none, count in the scores and true classes that were kept."""
        from pytest_envrobust.record.accuracy_part import (
            accuracy_part,
            recorded_accuracy_limits,
            with_accuracy_verdicts,
        )
        from pytest_envrobust.record.schema import CellAccuracy
        from pytest_envrobust.verdicts.accuracy import judge_accuracy

        recorded = cell.entry.accuracy
        asked: dict[str, Limit] = {**recorded_accuracy_limits(recorded), **limits}
        family = cell.family(with_reference=self.judges_reference(asked))
        verdicts: list[Verdict] = []
        evidence: AccuracyEvidence | None = None
        for limit in accuracy_limits(asked, family):
            found, why = _counted(cell, limit)
            if found is not None and (evidence is None or found.against is not None):
                evidence = found
            if found is None:
                verdicts.append(inconclusive(cell.subject, why, limit))
            else:
                verdicts.append(judge_accuracy(found, limit, cell.subject))
        if not verdicts:
            return JudgedAgain()
        part = recorded or CellAccuracy() if evidence is None else accuracy_part(evidence)
        return JudgedAgain(verdicts, {"accuracy": with_accuracy_verdicts(part, verdicts)})


CHECK = AccuracyCheck()


def accuracy_limits(limits: Mapping[str, Limit], family: Family = ALONE) -> list[AccuracyLimit]:
    """What accuracy is held against: each limit with its terms; bounds share the risk of the whole family.

    Raises `DeclarationError` where a bound of 1 is asked for, which no number of inputs can show.
    """
    bound = limits.get(ACCURACY_BOUND)
    found = [_with_bound(limit, bound) for limit in limits.values() if limit.name != ACCURACY_BOUND]
    shared = Family(family.cells, max(1, sum(limit.bound for limit in found)))
    return [replace(limit, family=shared if limit.bound else Family(family.cells)) for limit in found]


def _with_bound(limit: Limit, bound: Limit | None) -> AccuracyLimit:
    on_bound = limit.bound if isinstance(limit, AccuracyLimit) and bound is None else bool(bound and bound.value)
    if on_bound and limit.name == MIN_ACCURACY and limit.value == 1:
        raise DeclarationError(
            f"{ACCURACY_BOUND} with {MIN_ACCURACY}=1 (from {limit.origin})",
            cause="no number of inputs shows that all are right",
            remedy="ask for less: 0.99 is shown by 299 inputs that are right",
        )
    return AccuracyLimit(limit.name, limit.value, limit.origin, on_bound)


def _counted(cell: RecordedCell, limit: AccuracyLimit) -> tuple[AccuracyEvidence | None, str]:
    """What a finished run has to judge the limit by; or ``None``, and why there is nothing."""
    from pytest_envrobust.record.accuracy_part import recorded_accuracy
    from pytest_envrobust.verdicts.accuracy import AccuracyEvidence

    needs_reference = limit.name == MAX_ACCURACY_DROP
    recorded = None if cell.entry.accuracy is None else recorded_accuracy(cell.entry.accuracy)
    if recorded is not None and (recorded.against is not None or not needs_reference):
        return recorded, ""
    truth, scores = cell.model.truth, cell.scores()
    if truth is None:
        return None, "the record has no true classes: run again with truth declared, or --envrobust-truth"
    if scores is None or len(scores) != len(truth):
        return None, "its predictions were not kept"
    if needs_reference and not cell.has_reference:
        return None, f"its reference {cell.entry.reference} gave no predictions in this run"
    try:
        return AccuracyEvidence.of(scores, truth, cell.reference_scores() if needs_reference else None), ""
    except DeclarationError as error:
        return None, error.headline
