"""Do the scores themselves lie near the reference's, or as near to double precision as those?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_envrobust.checks.base import (
    Asked,
    Check,
    JudgedAgain,
    Result,
    all_verdicts,
    explained,
    inconclusive,
)
from pytest_envrobust.core.status import Status
from pytest_envrobust.verdicts.limits import MAX_ABS_ERROR, MAX_FIDELITY_RATIO, MAX_RELATIVE_ERROR, Limit, LimitKind
from pytest_envrobust.verdicts.verdict import Subject, Verdict

if TYPE_CHECKING:
    from pytest_envrobust.checks.cells import MeasuredCell, RecordedCell
    from pytest_envrobust.record.schema import Cell
    from pytest_envrobust.verdicts.scores import ScoreEvidence


class ScoreCheck(Check["ScoreEvidence"]):
    """How far scores lie from the reference's; without a limit the errors are recorded only."""

    name = "scores"
    summary = "scores lie near the reference's"
    limits = (
        LimitKind.at_least_zero(
            MAX_ABS_ERROR, "largest difference of a score from the reference's", ", in the scores' unit"
        ),
        LimitKind.at_least_zero(
            MAX_RELATIVE_ERROR,
            "largest difference of a score, as a share of its input's largest score",
            "; 0.01 is a hundredth",
        ),
        LimitKind.positive(
            MAX_FIDELITY_RATIO,
            "error against double precision, as a multiple of the reference's own",
            "; 2 is twice the reference's own error",
        ),
    )
    rank = 30

    def measure(self, cell: MeasuredCell, asked: Asked) -> ScoreEvidence:
        """The errors and, where a limit needs it, the fidelity to double precision."""
        from pytest_envrobust.comparison.fidelity import score_errors
        from pytest_envrobust.verdicts.scores import ScoreEvidence

        errors = score_errors(cell.scores, cell.reference_scores)
        notices = cell.score_notices if asked.limits and not cell.is_reference else ()
        if MAX_FIDELITY_RATIO not in asked.limits:
            return ScoreEvidence(errors, notices=notices)
        fidelity, told = cell.fidelity()
        if fidelity is None:
            return ScoreEvidence(errors, no_fidelity=told, notices=notices)
        return ScoreEvidence(errors, fidelity, told, notices=notices)

    def judge(self, evidence: ScoreEvidence, asked: Asked, subject: Subject) -> list[Verdict]:
        """One verdict a limit."""
        from pytest_envrobust.verdicts.scores import judge_scores

        return [judge_scores(evidence, limit, subject) for limit in asked.limits.values()]

    def compares(self, evidence: ScoreEvidence, *, is_reference: bool) -> bool:
        """Unless it is the reference, whose scores are its own."""
        return not is_reference

    def compares_scores(self, evidence: ScoreEvidence) -> bool:
        """Always."""
        return True

    def recorded(self, results: Sequence[Result[ScoreEvidence]]) -> dict[str, Any]:
        """The record's ``scores``."""
        from pytest_envrobust.record.judged_part import with_verdicts
        from pytest_envrobust.record.score_part import scores_part

        evidence, verdicts = results[-1].evidence, list(all_verdicts(results))
        return {"scores": with_verdicts(scores_part(evidence), verdicts), **explained(evidence.notices, verdicts)}

    def was_asked(self, entry: Cell) -> bool:
        """Whether errors were measured."""
        return entry.scores is not None

    def missed(self, entry: Cell) -> bool:
        """Whether a recorded limit was not kept, or not surely."""
        return entry.scores is not None and entry.scores.verdict not in (None, Status.PASSED)

    def judge_again(self, cell: RecordedCell, limits: Mapping[str, Limit]) -> JudgedAgain:
        """Judge the recorded errors, under these limits and recorded ones that are not among them."""
        from pytest_envrobust.record.judged_part import recorded_limits, with_verdicts
        from pytest_envrobust.record.schema import Scores
        from pytest_envrobust.record.score_part import recorded_scores

        part = cell.entry.scores
        asked = Asked({**recorded_limits(part), **limits})
        if not asked.limits:
            return JudgedAgain()
        if part is None:
            why = "the errors of its scores were not measured"
            verdicts = [inconclusive(cell.subject, why, limit) for limit in asked.limits.values()]
        else:
            evidence = replace(recorded_scores(part), notices=_notices(cell))
            verdicts = self.judge(evidence, asked, cell.subject)
        return JudgedAgain(verdicts, {"scores": with_verdicts(part or Scores(), verdicts)})


CHECK = ScoreCheck()


def _notices(cell: RecordedCell) -> Sequence[str]:
    """What explains the errors of a finished run: told anew where the scores were kept, else as recorded."""
    from pytest_envrobust.comparison.notices import pair_notices

    entry, actual = cell.entry, cell.scores()
    if actual is None or not cell.has_reference or entry.is_reference:
        return entry.notices or ()
    expected = cell.reference_scores()
    if actual.shape != expected.shape:
        return entry.notices or ()
    return pair_notices(actual, expected, entry.environment or "", entry.reference or "")
