"""Whether scores lie near enough to the reference's, or to those in double precision, for those who ask for that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_envrobust.comparison.fidelity import Fidelity, ScoreErrors
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.verdicts.limits import MAX_ABS_ERROR, MAX_FIDELITY_RATIO, MAX_RELATIVE_ERROR, Limit
from pytest_envrobust.verdicts.verdict import Subject, Verdict, closing_lines

_LIMITS = (MAX_ABS_ERROR, MAX_RELATIVE_ERROR, MAX_FIDELITY_RATIO)


@dataclass(frozen=True)
class ScoreEvidence:
    """A cell's errors against the reference and, where double precision could run, against that.

    ``exact`` is the environment in double precision; ``no_fidelity`` says why there is none where it was asked for.
    ``notices`` explain the errors.
    """

    errors: ScoreErrors
    fidelity: Fidelity | None = None
    exact: str = ""
    no_fidelity: str = ""
    notices: Sequence[str] = ()


def judge_scores(evidence: ScoreEvidence, limit: Limit, subject: Subject) -> Verdict:
    """Hold a cell's scores against a limit on them; inconclusive where nothing could run in double precision.

    Raises `DeclarationError` for another kind of limit.
    """
    value = _value(evidence, limit.name)
    asked = f"(limit {limit.value:g} from {limit.origin})"
    if value is None:
        message = f"{subject}: inconclusive, no fidelity could be told: {evidence.no_fidelity} {asked}"
        return Verdict(Status.INCONCLUSIVE, message, limit)
    headline = f"{subject}: {_said(evidence, limit.name, value, subject.reference)} {asked}"
    if value <= limit.value:
        return Verdict(Status.PASSED, headline, limit)
    lines = [headline]
    if math.isinf(value):
        lines.append("  a score is NaN or infinite where the other is not, or the other has no error at all")
    lines += [f"  {each}" for each in evidence.notices]
    return Verdict(Status.FAILED, "\n".join([*lines, *closing_lines(subject)]), limit)


def _value(evidence: ScoreEvidence, name: str) -> float | None:
    if name == MAX_ABS_ERROR:
        return evidence.errors.largest
    if name == MAX_RELATIVE_ERROR:
        return evidence.errors.relative
    if name == MAX_FIDELITY_RATIO:
        return None if evidence.fidelity is None else evidence.fidelity.ratio
    raise DeclarationError(f"{name} does not limit scores", cause=f"those that do are {', '.join(_LIMITS)}")


def _said(evidence: ScoreEvidence, name: str, value: float, reference: str) -> str:
    if name == MAX_FIDELITY_RATIO and evidence.fidelity is not None:
        own = f"{evidence.fidelity.error:.3g} against {evidence.fidelity.reference_error:.3g} of {reference}"
        return f"its error to {evidence.exact} is {value:.3g} times the reference's own ({own})"
    if name == MAX_RELATIVE_ERROR:
        return f"scores differ from those of {reference} by up to {value:.3g} of an input's largest score"
    return f"scores differ from those of {reference} by up to {value:.3g}"
