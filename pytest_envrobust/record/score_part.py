"""Errors of scores in a record: written, and read back to be judged again."""

from __future__ import annotations

import math

from pytest_envrobust.comparison import fidelity
from pytest_envrobust.record.judged_part import finite
from pytest_envrobust.record.schema import Fidelity, Scores
from pytest_envrobust.verdicts.scores import ScoreEvidence


def scores_part(evidence: ScoreEvidence) -> Scores:
    """The errors, without the limits. What is not finite is absent."""
    told = evidence.fidelity
    return Scores(
        abs_error=finite(evidence.errors.largest),
        relative_error=finite(evidence.errors.relative),
        fidelity=None
        if told is None
        else Fidelity(
            exact=evidence.exact,
            error=finite(told.error),
            reference_error=finite(told.reference_error),
            ratio=finite(told.ratio),
        ),
    )


def recorded_scores(scores: Scores) -> ScoreEvidence:
    """The errors that a record has; those that are absent were not finite."""
    errors = fidelity.ScoreErrors(_or_infinite(scores.abs_error), _or_infinite(scores.relative_error))
    told = scores.fidelity
    if told is None:
        return ScoreEvidence(errors, no_fidelity="it was not measured in the run")
    known = fidelity.Fidelity(_or_infinite(told.error), _or_infinite(told.reference_error))
    return ScoreEvidence(errors, known, told.exact)


def _or_infinite(value: float | None) -> float:
    return math.inf if value is None else value
