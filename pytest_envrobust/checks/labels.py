"""Do the top-1 labels agree with the reference's?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.verdicts.family import ALONE, Family
from pytest_envrobust.verdicts.limits import (
    BOUND,
    IGNORED_TIES,
    MIN_LABEL_AGREEMENT,
    TIES,
    YES_OR_NO,
    LabelLimit,
    Limit,
    LimitKind,
)
from pytest_envrobust.verdicts.verdict import Subject, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_envrobust.checks.cells import MeasuredCell, RecordedCell
    from pytest_envrobust.comparison.labels import LabelComparison
    from pytest_envrobust.record.schema import Cell, Labels
    from pytest_envrobust.verdicts.labels import LabelEvidence


class LabelCheck(Check["LabelEvidence"]):
    """The share of inputs whose top-1 label is the reference's."""

    name = "labels"
    summary = "top-1 labels agree with the reference's"
    limits = (
        LimitKind.share(
            MIN_LABEL_AGREEMENT,
            "share of top-1 labels that must agree with the reference's (default: 1.0)",
            default=1.0,
        ),
        LimitKind(
            TIES,
            "count (default): a tie is a flip; ignore: ties are left out of the share of labels that agree",
            "'count' or 'ignore'",
            words=IGNORED_TIES,
        ),
        LimitKind(
            BOUND,
            "what the inputs show at 95 % confidence over all cells must reach the limit on labels, not the share",
            "true or false",
            words=YES_OR_NO,
            is_switch=True,
        ),
    )
    rank = 10
    asked_for_by_default = True

    def measure(self, cell: MeasuredCell, asked: Asked) -> LabelEvidence:
        """The comparison with the reference and, where flips are told from ties, its noise."""
        from pytest_envrobust.verdicts.labels import LabelEvidence

        found = cell.compare_labels(label_limit(asked.limits, asked.family))
        return LabelEvidence(
            found.comparison,
            found.noise,
            noise_from=found.noise_from,
            own_noise=found.own_noise,
            own_noise_from=found.own_noise_from,
            unrepeated=found.unrepeated,
            remarks=(*found.remarks, *_remarks_on_classes(cell, found.comparison)),
            notices=found.notices,
            known=cell.known_flips,
            adequacy=cell.adequacy,
            class_names=cell.class_names,
            total=cell.count,
            earlier=cell.label_reference,
            inputs=len(cell.input_names),
            is_strict=cell.is_strict and not cell.is_reference,
            doubt=cell.doubt,
        )

    def judge(self, evidence: LabelEvidence, asked: Asked, subject: Subject) -> list[Verdict]:
        """One verdict: there is always a limit."""
        from pytest_envrobust.verdicts.labels import judge_labels

        return [judge_labels(evidence, label_limit(asked.limits, asked.family), subject)]

    def compares(self, evidence: LabelEvidence, *, is_reference: bool) -> bool:
        """Unless it is the reference and its own scores are what it would be held against."""
        return not is_reference or evidence.earlier is not None

    def compares_scores(self, evidence: LabelEvidence) -> bool:
        """Unless they are those of an earlier run."""
        return evidence.earlier is None

    def recorded(self, results: Sequence[Result[LabelEvidence]]) -> dict[str, Any]:
        """The record's ``labels``."""
        from msgspec.structs import replace

        from pytest_envrobust.record.judged_part import finite
        from pytest_envrobust.record.label_part import labels_part, with_label_verdict

        evidence = results[-1].evidence
        comparison = evidence.comparison
        part = replace(
            labels_part(comparison, evidence.noise, evidence.known),
            noise_from=evidence.noise_from or None,
            own_noise=finite(evidence.own_noise),
            own_noise_from=evidence.own_noise_from or None,
            unrepeated=evidence.unrepeated or None,
            reference=evidence.earlier,
            of=evidence.inputs if evidence.inputs is not None and evidence.inputs > comparison.n else None,
        )
        verdict = next(iter(all_verdicts(results[-1:])), None)
        found = {"labels": part if verdict is None else with_label_verdict(part, verdict)}
        return {**found, **explained(evidence.notices, results[-1].verdicts)}

    def was_asked(self, entry: Cell) -> bool:
        """Whether labels were compared."""
        return entry.labels is not None

    def missed(self, entry: Cell) -> bool:
        """Whether too few labels agreed; where no verdict is recorded, by the plain share."""
        labels = entry.labels
        if labels is None:
            return False
        if labels.verdict is not None:
            return labels.verdict is not Status.PASSED
        return labels.limit is not None and (labels.agreement < labels.limit or labels.flips.undefined > 0)

    def judge_again(self, cell: RecordedCell, limits: Mapping[str, Limit]) -> JudgedAgain:
        """Compare anew where the scores are kept; else the recorded counts are judged."""
        from pytest_envrobust.record.label_part import recorded_comparison, recorded_label_limit

        recorded = cell.entry.labels
        standing = None if recorded is None else recorded_label_limit(recorded)
        if not limits and standing is None:
            return JudgedAgain()
        limit = label_limit({**({} if standing is None else standing.layer), **limits}, cell.family())
        if not limits and recorded is not None:
            return JudgedAgain([_judged(cell, recorded, recorded_comparison(recorded), limit)])
        return _compared_again(cell, limit)


CHECK = LabelCheck()


def label_limit(limits: Mapping[str, Limit], family: Family = ALONE) -> LabelLimit:
    """What labels are held against: the limit with its terms, each from where it was set; a bound over the family.

    Raises `DeclarationError` where a bound of 1 is asked for, which no number of inputs can show.
    """
    share = limits.get(MIN_LABEL_AGREEMENT) or Limit(MIN_LABEL_AGREEMENT, 1.0, "default")
    ties, bound = limits.get(TIES), limits.get(BOUND)
    if bound is not None and bound.value and share.value == 1:
        raise DeclarationError(
            f"{BOUND} (from {bound.origin}) with {MIN_LABEL_AGREEMENT}=1 (from {share.origin})",
            cause="no number of inputs shows that all labels agree",
            remedy="ask for less: 0.99 is shown by 299 agreeing inputs",
        )
    ignores = ties is not None and ties.value == IGNORED_TIES["ignore"]
    return LabelLimit(
        share.name,
        share.value,
        share.origin,
        ties="ignore" if ignores else "count",
        bound=bound is not None and bool(bound.value),
        family=family,
    )


def _compared_again(cell: RecordedCell, limit: LabelLimit) -> JudgedAgain:
    """The verdict on the labels; the record's figures become those that it rests on."""
    from msgspec.structs import replace

    from pytest_envrobust.comparison.labels import compare_labels
    from pytest_envrobust.comparison.notices import pair_notices
    from pytest_envrobust.record.label_part import labels_part, recorded_comparison, recorded_known, with_label_verdict

    recorded = cell.entry.labels
    stopped_early = recorded is not None and recorded.of is not None
    if not cell.has_reference or stopped_early:
        if recorded is None:
            reference = cell.entry.reference
            return _undecided(
                cell, f"it was not compared, and its reference {reference} gave no predictions in this run", limit
            )
        verdict = _judged(cell, recorded, recorded_comparison(recorded), limit)
        return JudgedAgain([verdict], {"labels": with_label_verdict(recorded, verdict)})
    actual = cell.scores()
    if actual is None:
        return _undecided(cell, "its predictions were not kept", limit)
    expected = cell.reference_scores()
    names = cell.model.inputs
    try:
        comparison = compare_labels(
            actual,
            expected,
            noise=cell.noise,
            own_noise=None if recorded is None else recorded.own_noise,
            inputs=names if names and len(names) == len(actual) else None,
        )
    except DeclarationError as error:
        return JudgedAgain([Verdict(Status.FAILED, f"{cell.subject}: {error.headline}", limit)])
    known = {} if recorded is None else recorded_known(recorded, comparison)
    part = replace(labels_part(comparison, cell.noise, known), noise_from=cell.noise_from)
    part = _with_own_changes(part, recorded)
    sides = cell.entry.environment or "", part.reference or cell.entry.reference or ""
    notices: list[str] = []
    if comparison.flips:
        notices = pair_notices(actual, expected, *sides, noise=part.noise, own_noise=part.own_noise)
    off = _off(actual, expected, cell.model.class_names or ())
    verdict = _judged(cell, part, comparison, limit, notices, off)
    fields = {"labels": with_label_verdict(part, verdict)}
    return JudgedAgain([verdict], {**fields, **explained(notices, [verdict])})


def _undecided(cell: RecordedCell, why: str, limit: LabelLimit) -> JudgedAgain:
    from pytest_envrobust.record.label_part import with_label_verdict

    verdict = inconclusive(cell.subject, why, limit)
    recorded = cell.entry.labels
    return JudgedAgain([verdict], {} if recorded is None else {"labels": with_label_verdict(recorded, verdict)})


def _judged(
    cell: RecordedCell,
    part: Labels,
    comparison: Any,
    limit: LabelLimit,
    notices: Sequence[str] | None = None,
    remarks: Sequence[str] = (),
) -> Verdict:
    """The verdict; without ``notices`` what the record has of them explains it."""
    from pytest_envrobust.record.label_part import recorded_known
    from pytest_envrobust.verdicts.labels import LabelEvidence, judge_labels

    evidence = LabelEvidence(
        comparison,
        known=recorded_known(part, comparison),
        class_names=cell.model.class_names or (),
        total=part.of,
        earlier=part.reference,
        noise=part.noise,
        noise_from=part.noise_from or "",
        own_noise=part.own_noise,
        own_noise_from=part.own_noise_from or "",
        unrepeated=part.unrepeated or 0,
        remarks=(*_remarks(cell), *remarks),
        notices=(cell.entry.notices or ()) if notices is None else notices,
    )
    return judge_labels(evidence, limit, cell.subject)


def _remarks_on_classes(cell: MeasuredCell, comparison: LabelComparison) -> list[str]:
    """Which classes' scores are off while all others agree; not asked of the reference, nor of a part of the inputs."""
    if cell.is_reference or cell.label_reference is not None or comparison.n < cell.count:
        return []
    return _off(cell.scores, cell.reference_scores, cell.class_names)


def _off(actual: NDArray[Any], expected: NDArray[Any], class_names: Sequence[str]) -> list[str]:
    from pytest_envrobust.comparison.calibration import calibration, calibration_notice

    if actual.shape != expected.shape:
        return []
    notice = calibration_notice(calibration(actual, expected, class_names))
    return [] if notice is None else [notice]


def _remarks(cell: RecordedCell) -> list[str]:
    """Which changes that should be harmless are not, of its reference and of itself."""
    entry, known = cell.entry, cell.model.unsteady or {}
    names = dict.fromkeys(name for name in (entry.reference, entry.environment) if name is not None)
    return [f"{name}: {said}" for name in names for said in known.get(name, ())]


def _with_own_changes(part: Labels, recorded: Labels | None) -> Labels:
    """The part with what only the run could find out: how the cell's scores change by themselves."""
    if recorded is None:
        return part
    from msgspec.structs import replace

    return replace(
        part,
        own_noise=recorded.own_noise,
        own_noise_from=recorded.own_noise_from,
        unrepeated=recorded.unrepeated,
    )
