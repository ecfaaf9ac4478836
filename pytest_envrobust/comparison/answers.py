"""One number for each input, as scores of classes: a score that is decided by a threshold, or a label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PROBABILITY, LOGIT = 0.5, 0.0
"""Where a single probability, and a single logit, are decided."""
_ROUNDING = 1e-3
"""By how much a probability may miss 0 and 1: the rounding of half precision."""
_SPARE = 2
"""So many times the classes that were seen there may be: another environment may give a label that none gave before."""


@dataclass(frozen=True)
class Answer:
    """How one number for each input is read: of ``classes`` labels, or as a score decided at ``threshold``.

    ``text`` says what was taken from what.
    """

    text: str
    threshold: float | None = None
    classes: int = 2

    def scores(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """The numbers, shape (N, 1), as scores of classes, shape (N, classes).

        A score s decided at t becomes (2t - s, s): class 1 leads where s is above t, by twice of what it is above, and
        a probability gets its complement. A label has the score 0 and all other classes -inf, as where labels alone
        were recorded; a row is NaN where there is no such class.
        """
        numbers = numbers[:, 0]
        if self.threshold is not None:
            numbers = numbers if numbers.dtype.kind == "f" else numbers.astype(np.float32)
            return np.stack([numbers.dtype.type(2 * self.threshold) - numbers, numbers], axis=1)
        found = np.full((len(numbers), self.classes), -np.inf, dtype=np.float32)
        known = (numbers >= 0) & (numbers < self.classes)
        rows = np.flatnonzero(known)
        found[rows, numbers[rows].astype(np.int64)] = 0
        found[~known] = np.nan
        return found


def answer_of(numbers: NDArray[Any], threshold: float | None, classes: int | None) -> Answer:
    """How the numbers, shape (N, 1), that a source gives for its model's inputs are to be read.

    Whole numbers are labels, of ``classes`` classes where that is known. Others are decided at ``threshold`` or, where
    none was declared, as probabilities if all lie between 0 and 1, and as logits if not.
    """
    values = numbers[:, 0].astype(np.float64)
    values = values[np.isfinite(values)]
    if threshold is not None:
        return Answer(f"one score for each input, class 1 above {threshold:g} as declared", threshold)
    whole = numbers.dtype.kind in "iu"
    if whole or (values.size and values.max() > 1 and values.min() >= 0 and (values == np.rint(values)).all()):
        seen = _SPARE * (int(values.max(initial=0)) + 1)
        return Answer(
            "one label for each input: there are no scores, and no margins", classes=max(classes or 0, seen, 2)
        )
    inside = values.size > 0 and values.min() >= -_ROUNDING and values.max() <= 1 + _ROUNDING
    kind, guessed = ("probability", PROBABILITY) if inside else ("logit", LOGIT)
    seen_in = "all between 0 and 1" if inside else "not all between 0 and 1"
    return Answer(
        f"one score for each input, {seen_in}: taken as the {kind} of class 1, decided at {guessed:g}; "
        f"--envrobust-decision says otherwise",
        guessed,
    )


def aligned(one: NDArray[Any], other: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both arrays of scores, (N, classes), with as many classes, where one of them is labels alone.

    How many classes there are does not show in labels: the narrower gets classes without a score.
    """
    if one.ndim == other.ndim == 2 and one.shape[1] != other.shape[1] and (_is_labels(one) or _is_labels(other)):
        classes = max(one.shape[1], other.shape[1])
        return _widened(one, classes), _widened(other, classes)
    return one, other


def _is_labels(scores: NDArray[Any]) -> bool:
    known = scores != -np.inf
    return bool(len(scores)) and scores.shape[1] > 1 and bool((known.sum(axis=1) == 1).any())


def _widened(scores: NDArray[Any], classes: int) -> NDArray[Any]:
    lacking = classes - scores.shape[1]
    return np.pad(scores, ((0, 0), (0, lacking)), constant_values=-np.inf) if lacking else scores
