"""Whether enough top-1 labels agree, and if not, which differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_envrobust.comparison.adequacy import ONE_LABEL, Adequacy
from pytest_envrobust.comparison.bounds import inputs_to_show
from pytest_envrobust.comparison.labels import UNDEFINED, Flip, LabelComparison
from pytest_envrobust.comparison.tally import Tally, tally
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.core.wording import NO_LABEL, beside_limit
from pytest_envrobust.core.wording import counted as count
from pytest_envrobust.verdicts.family import ALONE
from pytest_envrobust.verdicts.limits import MIN_LABEL_AGREEMENT, LabelLimit, Limit
from pytest_envrobust.verdicts.noise import noise_lines
from pytest_envrobust.verdicts.verdict import Subject, Verdict, closing_lines

SHOWN_FLIPS = 10
UNLABELED = "scores with NaN, with none above -inf or with several of +inf"


@dataclass(frozen=True)
class LabelEvidence:
    """What a verdict on labels rests on.

    ``noise`` is the reference's own, where it was measured, and ``own_noise`` the cell's; ``noise_from`` and
    ``own_noise_from`` say by which change each showed. On ``unrepeated`` inputs that agree the cell gives another label
    when it is run again: they do not count as agreeing. ``remarks`` say which changes that should be harmless are not,
    ``notices`` what explains that labels differ. ``known`` flips, by place with the reason, count as
    agreeing. ``adequacy`` is what the inputs can tell. ``total`` is of how many inputs those compared were the first,
    where the comparison was stopped since the rest could not have changed it. ``earlier`` names the earlier run's
    reference, where the labels were compared with that. ``inputs`` is how many inputs the model has, of which a device
    may be given the first ones only. ``is_strict``: a pass on inputs that could not tell a broken model is
    inconclusive. ``doubt`` says what speaks against the reference's being right at all, where truth is known: it counts
    as inputs that could not tell.
    """

    comparison: LabelComparison
    noise: float | None = None
    known: Mapping[int, str] = field(default_factory=dict)
    adequacy: Adequacy | None = None
    class_names: Sequence[str] = ()
    total: int | None = None
    earlier: str | None = None
    inputs: int | None = None
    is_strict: bool = False
    doubt: str = ""
    own_noise: float | None = None
    noise_from: str = ""
    own_noise_from: str = ""
    unrepeated: int = 0
    remarks: Sequence[str] = ()
    notices: Sequence[str] = ()


def judge_labels(evidence: LabelEvidence, limit: Limit, subject: Subject) -> Verdict:
    """Hold the share of agreeing labels against ``min_label_agreement``.

    Scores with NaN fail whatever the limit. A `LabelLimit` says whether ties count, and whether the share or its bound
    must reach the limit; a bound that does not, though the inputs allow such a share, is inconclusive, with the number
    of inputs that would decide. The message says anyway where the inputs could not tell a broken model.

    A failure's message names the first 10 flipped inputs, with class names where there are any. Raises
    `DeclarationError` for another kind of limit.
    """
    comparison, known, total = evidence.comparison, evidence.known, evidence.total
    limit = _with_terms(limit)
    counted = tally(comparison, limit.ties, known, evidence.unrepeated)
    status = _status(counted, limit, comparison.undefined)
    noises = noise_lines(comparison, evidence.noise, evidence.noise_from, evidence.own_noise, evidence.own_noise_from)
    remarks = [f"  {each}" for each in (*noises, *evidence.remarks)]
    doubts = [*([f"  {evidence.doubt}"] if evidence.doubt else []), *_doubts(comparison, limit, evidence.adequacy)]
    if status is Status.PASSED and evidence.is_strict and doubts:
        status = Status.INCONCLUSIVE
    headline = f"{subject}: {_share(comparison, counted, limit, evidence.earlier or subject.reference)}"
    if comparison.flips:
        headline += f"; {_kinds(comparison, len(_among(comparison.flips, known)))}"
    if evidence.unrepeated:
        headline += f"; {evidence.unrepeated} that agree are others when it is run again, and count as flips"
    if status is Status.INCONCLUSIVE:
        headline += f"; inconclusive: {_undecided(counted, limit, evidence.doubt)}"
    lines = [headline]
    if total is not None and total > comparison.n:
        lines.append(f"  stopped after {comparison.n} of {total} inputs: the others could not have changed the verdict")
    known_lines = [
        f"  known flip: {flip.input}, {known[flip.index]}" for flip in comparison.flips if flip.index in known
    ]
    if status is Status.PASSED:
        lines[0] += f"; {_bound(counted, limit)}"
        return Verdict(status, "\n".join([*lines, *remarks, *known_lines, *doubts]), limit)
    fresh = [flip for flip in comparison.flips if flip.index not in known or flip.kind == "undefined"]
    explained = [*_reasons(comparison, counted, limit), *(f"  {each}" for each in evidence.notices), *remarks]
    lines += [*explained, *_flip_lines(fresh, evidence.class_names), *known_lines]
    if status is Status.INCONCLUSIVE:
        lines += doubts
    elif evidence.doubt:
        lines.append(
            f"  {evidence.doubt}"
        )  # that the inputs could not tell is no doubt: labels were told apart by them
    return Verdict(status, "\n".join([*lines, *closing_lines(subject)]), limit)


def has_failed_for_sure(
    comparison: LabelComparison, limit: Limit, total: int, known: Mapping[int, str] | None = None
) -> bool:
    """Whether the labels fail the limit whatever the rest of ``total`` inputs give.

    A pass is never certain before the last input: its score could be NaN, which fails whatever the limit.
    """
    limit = _with_terms(limit)
    counted = tally(comparison, limit.ties, known or {})
    best = counted.with_all_agreeing(total - comparison.n)
    return _status(best, limit, comparison.undefined) is Status.FAILED


def _among(flips: Sequence[Flip], known: Mapping[int, str]) -> list[Flip]:
    """The flips that are known; NaN never is."""
    return [flip for flip in flips if flip.index in known and flip.kind != "undefined"]


def _with_terms(limit: Limit) -> LabelLimit:
    if limit.name != MIN_LABEL_AGREEMENT:
        raise DeclarationError(f"{limit.name} does not limit labels", cause=f"{MIN_LABEL_AGREEMENT} does")
    return limit if isinstance(limit, LabelLimit) else LabelLimit(limit.name, limit.value, limit.origin)


def _status(counted: Tally, limit: LabelLimit, undefined: int) -> Status:
    if undefined:
        return Status.FAILED
    if not counted.n:
        return Status.INCONCLUSIVE
    if not limit.bound:
        return Status.PASSED if counted.share >= limit.value else Status.FAILED
    if counted.lower(limit.family.confidence) >= limit.value:
        return Status.PASSED
    return Status.FAILED if counted.upper(limit.family.confidence) < limit.value else Status.INCONCLUSIVE


def _share(comparison: LabelComparison, counted: Tally, limit: LabelLimit, reference: str) -> str:
    differing = comparison.n - comparison.agreeing
    noun, verb = ("label", "differs") if comparison.n == 1 else ("labels", "differs" if differing == 1 else "differ")
    said = f"{differing} of {comparison.n} top-1 {noun} {verb} from {reference}"
    if differing == 0:
        noun, verb = ("label", "agrees") if comparison.n == 1 else ("labels", "agree")
        said = f"{comparison.n} of {comparison.n} top-1 {noun} {verb} with {reference}"
    agreement = f"agreement {beside_limit(counted.share, limit.value)}"
    if limit.ties == "ignore" and comparison.tie:
        agreement += " without ties"
    asked = f"limit {limit.value:g}"
    if limit.bound:
        agreement += f", at least {beside_limit(counted.lower(limit.family.confidence), limit.value)} shown"
        agreement += f" at {limit.family}" if limit.family != ALONE else ""
        asked += " on what is shown"
    return f"{said} ({agreement}, {asked} from {limit.origin})"


def _kinds(comparison: LabelComparison, known: int) -> str:
    said = f"{count(comparison.real, 'real flip')}, {count(comparison.tie, 'tie')}"
    if comparison.imprecise:
        said += f", {comparison.imprecise} imprecise"
    if comparison.undefined:
        said += f", {comparison.undefined} undefined"
    return f"{said}; {known} of them known" if known else said


def _bound(counted: Tally, limit: LabelLimit) -> str:
    """What the inputs show of this cell by itself or, where a verdict rests on it, of it among its family."""
    family = limit.family if limit.bound else ALONE
    shown = counted.lower(family.confidence)
    return f"{count(counted.n, 'input')} like these show an agreement of at least {shown:.3f} ({family})"


def _undecided(counted: Tally, limit: LabelLimit, doubt: str) -> str:
    if not counted.n:
        return "every input is a tie, and ties are ignored"
    confidence = limit.family.confidence
    if not limit.bound or counted.lower(confidence) >= limit.value:
        return doubt or "inputs that cannot tell a broken model show nothing"
    shown = f"{counted.agreeing} of {counted.n} shows {beside_limit(counted.lower(confidence), limit.value)}"
    needed = inputs_to_show(limit.value, counted.differing, confidence)
    if not counted.differing:
        return f"{shown}; {count(needed, 'agreeing input')} would show {limit.value:g}"
    return f"{shown}; {count(needed, 'input')}, no more than {counted.differing} flipped, would show {limit.value:g}"


def _reasons(comparison: LabelComparison, counted: Tally, limit: LabelLimit) -> Iterator[str]:
    if comparison.undefined:
        yield f"  {UNLABELED} have no label and agree with nothing, whatever the limit"
    if (
        not (comparison.real or comparison.imprecise)
        and comparison.tie
        and limit.ties == "count"
        and counted.share < limit.value
    ):
        yield "  every defined flip is a tie: the reference's own scores of both labels are closer than the noise"


def _doubts(comparison: LabelComparison, limit: Limit, adequacy: Adequacy | None) -> list[str]:
    """Why these inputs cannot tell; empty where they can."""
    if adequacy is not None and comparison.n > 1:
        return [] if adequacy.is_adequate(limit.value) else [f"  {line}" for line in adequacy.lines(limit.value)]
    if comparison.distinct_labels == 1 and comparison.n > 1:
        return [f"  {ONE_LABEL}"]
    return []


def _flip_lines(flips: Sequence[Flip], class_names: Sequence[str]) -> Iterator[str]:
    for flip in flips[:SHOWN_FLIPS]:
        expected, actual = _label(flip.expected, class_names), _label(flip.actual, class_names)
        yield f"  {flip.input}: expected {expected}, got {actual}; {_margin(flip)}{flip.kind}"
    if len(flips) > SHOWN_FLIPS:
        yield f"  and {len(flips) - SHOWN_FLIPS} more"


def _margin(flip: Flip) -> str:
    """The reference's margin and, where the cell chose another class than its second best, how far that is behind."""
    if flip.expected == UNDEFINED:
        return ""
    behind = f"{flip.lead:.3g} ahead of it, " if flip.lead > flip.margin else ""
    return f"margin {flip.margin:.3g}, {behind}"


def _label(label: int, class_names: Sequence[str]) -> str:
    if label == UNDEFINED:
        return NO_LABEL
    if label >= len(class_names):
        return str(label)
    return f"{label} ({class_names[label]})"
