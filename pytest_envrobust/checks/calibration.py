"""Are the scores of single classes off while all others agree?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pytest_envrobust.checks.base import Asked, Check, JudgedAgain, inconclusive, verdict_on
from pytest_envrobust.verdicts.limits import MAX_CLASSES_OFF, Limit, LimitKind
from pytest_envrobust.verdicts.verdict import Subject, Verdict

if TYPE_CHECKING:
    from pytest_envrobust.checks.cells import MeasuredCell, RecordedCell
    from pytest_envrobust.comparison.calibration import Calibration

_UNTOLD = (
    "single classes could not be told from the others: the scores are of two kinds, or known in part only, there are "
    "fewer than 8 inputs or 4 classes, or the models differ as a whole"
)


class CalibrationCheck(Check["Calibration | None"]):
    """No class is biased, and none has another's scores; where labels agree too, as no input is near that class."""

    name = "calibration"
    summary = "no class's scores are off while all others agree"
    limits = (
        LimitKind.at_least_zero(
            MAX_CLASSES_OFF,
            "number of classes whose scores may be off systematically, beyond what all classes are (default: 0)",
            default=0.0,
            of_reference=False,
        ),
    )
    rank = 32

    def measure(self, cell: MeasuredCell, asked: Asked) -> Calibration | None:
        """Hold the scores against the reference's, class by class."""
        from pytest_envrobust.comparison.calibration import calibration

        return calibration(cell.scores, cell.reference_scores, cell.class_names)

    def judge(self, evidence: Calibration | None, asked: Asked, subject: Subject) -> list[Verdict]:
        """One verdict, inconclusive where nothing could be told; none on the reference."""
        return [_judged(evidence, limit, subject) for limit in asked.limits.values()]

    def figures(self, evidence: Calibration | None) -> dict[str, Any]:
        """How many classes are off, in words, and the fields of `Calibration`; none where nothing could be told."""
        if evidence is None:
            return {}
        return {"classes": f"{len(evidence.off)} of {evidence.tested} off", "found": asdict(evidence)}

    def evidence(self, figures: Mapping[str, Any]) -> Calibration | None:
        """What `figures` was made from."""
        from pytest_envrobust.comparison.calibration import Calibration, ClassOff

        if not figures:
            return None
        found = figures["found"]
        off = tuple(ClassOff(**each) for each in found["off"])
        return Calibration(**{**found, "off": off, "swapped": tuple(map(tuple, found["swapped"]))})

    def compares(self, evidence: Calibration | None, *, is_reference: bool) -> bool:
        """Unless it is the reference, whose scores are its own, or nothing could be told."""
        return not is_reference and evidence is not None

    def compares_scores(self, evidence: Calibration | None) -> bool:
        """Always."""
        return True

    def judge_again(self, cell: RecordedCell, limits: Mapping[str, Limit]) -> JudgedAgain:
        """Judge what was recorded; where it was not measured, measure it in the scores that were kept."""
        from pytest_envrobust.comparison.calibration import calibration
        from pytest_envrobust.record.judged_part import with_verdicts
        from pytest_envrobust.record.schema import OtherPart

        scores = cell.scores()
        if self.was_asked(cell.entry) or not limits or not cell.has_reference or scores is None:
            return super().judge_again(cell, limits)
        expected = cell.reference_scores()
        if scores.shape != expected.shape:
            return super().judge_again(cell, limits)
        found = calibration(scores, expected, cell.model.class_names or ())
        verdicts = self.judge(found, Asked(limits), cell.subject)
        part = with_verdicts(OtherPart(figures=self.figures(found)), verdicts)
        return JudgedAgain(verdicts, {"checks": {**(cell.entry.checks or {}), self.name: part}})


def _judged(found: Calibration | None, limit: Limit, subject: Subject) -> Verdict:
    from pytest_envrobust.comparison.calibration import calibration_notice
    from pytest_envrobust.core.wording import counted

    if found is None:
        return inconclusive(subject, _UNTOLD, limit)
    said = f"{len(found.off)} of {counted(found.tested, 'class', 'classes')} off from {subject.reference}"
    notice = calibration_notice(found)
    return verdict_on(limit, len(found.off), f"{said}: {notice}" if notice else said, subject)


CHECK = CalibrationCheck()
