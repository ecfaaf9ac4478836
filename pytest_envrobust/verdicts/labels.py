"""Whether enough top-1 labels agree, and if not, which differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_envrobust.comparison.labels import UNDEFINED, Flip, LabelComparison
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.verdicts.limits import DEFAULTS, MIN_LABEL_AGREEMENT, Limit
from pytest_envrobust.verdicts.verdict import Verdict, closing_lines

SHOWN_FLIPS = 10


def judge_labels(
    comparison: LabelComparison,
    limit: Limit | None,
    *,
    model: str,
    environment: Environment | str,
    reference: Environment | str,
    route: Sequence[str] = (),
    rerun: str = "",
    class_names: Sequence[str] | None = None,
) -> Verdict:
    """Hold the share of agreeing labels against ``min_label_agreement``; without a limit, the default one (all).

    Ties count as flips. Scores with NaN fail whatever the limit. The share decides, its bound is told beside it.
    A failure's message names the first 10 flipped inputs, with class names where ``class_names`` has them, then
    ``route`` (the steps' names) and ``rerun`` (a command line). Raises `DeclarationError` for another kind of limit.
    """
    limit = limit or DEFAULTS[MIN_LABEL_AGREEMENT]
    if limit.name != MIN_LABEL_AGREEMENT:
        raise DeclarationError(f"{limit.name} does not limit labels", cause=f"{MIN_LABEL_AGREEMENT} does")
    passed = comparison.agreement >= limit.value and comparison.undefined == 0
    headline = f"{model} in {environment}: {_share(comparison, limit, str(reference))}"
    if comparison.flips:
        headline += f"; {_kinds(comparison)}"
    if passed:
        return Verdict(Status.PASSED, "\n".join([f"{headline}; {_bound(comparison)}", *_inadequacy(comparison)]), limit)
    lines = [headline, *_reasons(comparison, limit), *_flip_lines(comparison.flips, class_names)]
    lines += [*_inadequacy(comparison), *closing_lines(route, rerun)]
    return Verdict(Status.FAILED, "\n".join(lines), limit)


def _share(comparison: LabelComparison, limit: Limit, reference: str) -> str:
    differing = comparison.n - comparison.agreeing
    noun, verb = ("label", "differs") if comparison.n == 1 else ("labels", "differs" if differing == 1 else "differ")
    said = f"{differing} of {comparison.n} top-1 {noun} {verb} from {reference}"
    if differing == 0:
        noun, verb = ("label", "agrees") if comparison.n == 1 else ("labels", "agree")
        said = f"{comparison.n} of {comparison.n} top-1 {noun} {verb} with {reference}"
    agreement = _rounded(comparison.agreement, limit.value)
    return f"{said} (agreement {agreement}, limit {limit.value:g} from {limit.origin})"


def _rounded(share: float, limit: float) -> str:
    """The share to three places, or to as many as it takes to stay on its own side of the limit and below 1."""
    for places in range(3, 17):
        text = f"{share:.{places}f}"
        shown = float(text)
        if (shown >= limit) == (share >= limit) and (shown == 1) == (share == 1):
            return text
    return repr(share)


def _kinds(comparison: LabelComparison) -> str:
    said = f"{_count(comparison.real, 'real flip')}, {_count(comparison.tie, 'tie')}"
    return f"{said}, {comparison.undefined} undefined" if comparison.undefined else said


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _bound(comparison: LabelComparison) -> str:
    return f"{_count(comparison.n, 'input')} like these show an agreement of at least {comparison.bound:.3f} (95 %)"


def _reasons(comparison: LabelComparison, limit: Limit) -> Iterator[str]:
    if comparison.undefined:
        yield "  scores with NaN have no label and agree with nothing, whatever the limit"
    if comparison.real == 0 and comparison.tie and comparison.agreement < limit.value:
        yield "  every defined flip is a tie: the reference's own best scores are closer than its numerical noise"


def _inadequacy(comparison: LabelComparison) -> Iterator[str]:
    if comparison.distinct_labels == 1 and comparison.n > 1:
        yield "  the inputs are inadequate: the reference gives them all one label, so a broken model can agree too"


def _flip_lines(flips: Sequence[Flip], class_names: Sequence[str] | None) -> Iterator[str]:
    for flip in flips[:SHOWN_FLIPS]:
        expected, actual = _label(flip.expected, class_names), _label(flip.actual, class_names)
        margin = "" if flip.expected == UNDEFINED else f"margin {flip.margin:.3g}, "
        yield f"  {flip.input}: expected {expected}, got {actual}; {margin}{flip.kind}"
    if len(flips) > SHOWN_FLIPS:
        yield f"  and {len(flips) - SHOWN_FLIPS} more"


def _label(label: int, class_names: Sequence[str] | None) -> str:
    if label == UNDEFINED:
        return "no label (NaN)"
    if class_names is None or label >= len(class_names):
        return str(label)
    return f"{label} ({class_names[label]})"
