"""What scores are, and what looks wrong with them: a second softmax, labels that are shifted by one class.

Scores are arrays of shape (N, classes), floating or integer. -inf stands for a score that is not known: predictions
that were published as top-k or as labels alone have one in every row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.blocks import row_blocks
from pytest_envrobust.comparison.labels import UNDEFINED
from pytest_envrobust.core.errors import DeclarationError

Kind = Literal["logits", "probabilities", "twice-softmaxed", "top-k", "labels"]

SUM_TOLERANCE = 0.01
"""How far a row's sum may be from 1: a thousand half-precision probabilities may miss it by some thousandths."""

BAND_TOLERANCE = 1e-3
"""By what share a score may lie outside the band of a double softmax: the rounding of half precision."""

SURE = 0.8
"""How far the first softmax's best and worst probability must lie apart in one row at least, read back from the second.

A network that is sure of nothing (an untrained one) has flat scores after one softmax already; a trained one is
sure of some input.
"""

SHIFT_INPUTS = 10
"""Fewer inputs agree on shifted labels by chance."""

SHIFT_AGREEMENT = 0.2
"""Shifted labels agree on this share at least: far beyond chance, and well below what two trained networks reach."""

SHIFT_FACTOR = 5.0
"""... and this many times more often than unshifted ones: neighboring classes are alike, so some agree either way."""

SHIFT_LABELS = 2
"""... on this many labels at least: with one, a constant output or two swapped classes would look shifted."""


@dataclass(frozen=True)
class LabelShift:
    """Labels that agree when moved by one: ``by`` is 1 where the first ones are higher by one, -1 where the others are.

    ``agreement`` is the share of ``n`` inputs on which they agree as they are, ``shifted`` when moved.
    """

    by: int
    n: int
    agreement: float
    shifted: float


@dataclass
class _Span:
    """What the rows without NaN hold: how many scores are known, their range, the rows' sums, the widest row."""

    rows: int = 0
    fewest: float = math.inf
    most: int = 0
    low: float = math.inf
    high: float = -math.inf
    least_sum: float = math.inf
    most_sum: float = -math.inf
    widest: float = 0.0


def kind_of(scores: NDArray[Any]) -> Kind:
    """What the scores (N, classes) are, from their values alone; rows with NaN do not count.

    - ``labels``: exactly one score of each row is known.
    - ``twice-softmaxed``: the softmax of probabilities. It leaves all scores of C classes between 1 / (C - 1 + e) and
      e / (C - 1 + e). Told only where some row is as uneven as `SURE` says. A background class more or less is allowed
      for.
    - ``top-k``: every row has scores that are not known.
    - ``probabilities``: between 0 and 1, each row's sum 1.
    - ``logits``: all else, and arrays without a usable row.

    Raises `DeclarationError` where the array is not of shape (N, classes).
    """
    array = np.asarray(scores)
    if array.ndim != 2 or array.shape[1] == 0:
        raise DeclarationError(
            f"scores of shape {array.shape} are of no kind", cause="class scores have the shape (N, classes)"
        )
    classes = array.shape[1]
    span = _span(array)
    if span.rows == 0:
        return "logits"
    if span.most == 1 < classes:
        return "labels"
    if _is_softmaxed_twice(span, classes):
        return "twice-softmaxed"
    if span.most < classes:
        return "top-k"
    if span.low >= 0 and span.high <= 1 + SUM_TOLERANCE and _sums_to_one(span):
        return "probabilities"
    return "logits"


def label_shift(labels: NDArray[np.integer[Any]], others: NDArray[np.integer[Any]]) -> LabelShift | None:
    """Whether two sets of labels, each of shape (N,), look shifted by one against each other; ``None`` where not.

    That is what a model with an extra leading class does ("background"). Inputs without a label (-1) do not count.
    Raises `DeclarationError` where the numbers of labels differ.
    """
    one, other = np.asarray(labels), np.asarray(others)
    if one.shape != other.shape or one.ndim != 1:
        raise DeclarationError(
            f"labels of shapes {one.shape} and {other.shape} cannot be compared", cause="each input needs one of both"
        )
    both = (one != UNDEFINED) & (other != UNDEFINED)
    difference = one[both].astype(np.int64) - other[both]
    n = len(difference)
    if n < SHIFT_INPUTS:
        return None
    agreement = float(np.mean(difference == 0))
    by = max((1, -1), key=lambda step: int(np.count_nonzero(difference == step)))
    moved = difference == by
    shifted = float(np.mean(moved))
    if shifted < SHIFT_AGREEMENT or shifted < SHIFT_FACTOR * agreement:
        return None
    if len(np.unique(one[both][moved])) < SHIFT_LABELS:
        return None
    return LabelShift(by, n, agreement, shifted)


def shift_notice(shift: LabelShift, name: str, other: str) -> str:
    """One line on labels that look shifted, for the environments that `label_shift` was given the labels of.

    The one whose labels are higher by one is named second.
    """
    plain, extra = (other, name) if shift.by == 1 else (name, other)
    return (
        f"agreement {shift.agreement:.2f}; shifted by one {shift.shifted:.2f}: {plain} against {extra}: "
        f"declare label_offset=1 for the one with the extra leading class"
    )


def softmax_notice(names: list[str]) -> str:
    """One line on environments whose scores are a softmax of a softmax; labels are unaffected."""
    return (
        f"scores are a softmax of a softmax: {', '.join(names)}: take one softmax out of the model or its export "
        f"(top-1 labels stay the same)"
    )


def _span(array: NDArray[Any]) -> _Span:
    span = _Span()
    for rows in row_blocks(array):
        block = array[rows].astype(np.float64)
        block = block[~np.isnan(block).any(axis=1)]
        if len(block):
            _widen(span, block)
    return span


def _widen(span: _Span, block: NDArray[np.float64]) -> None:
    known = block != -np.inf
    counts = known.sum(axis=1)
    smallest, largest = np.where(known, block, np.inf).min(axis=1), block.max(axis=1)
    with np.errstate(invalid="ignore"):  # infinities of both signs
        sums = block.sum(axis=1)
    span.rows += len(block)
    span.fewest, span.most = min(span.fewest, int(counts.min())), max(span.most, int(counts.max()))
    span.low, span.high = min(span.low, float(smallest.min())), max(span.high, float(largest.max()))
    span.least_sum = min(span.least_sum, float(np.nan_to_num(sums, nan=np.inf).min()))
    span.most_sum = max(span.most_sum, float(np.nan_to_num(sums, nan=np.inf, posinf=np.inf).max()))
    positive = (smallest > 0) & np.isfinite(largest)
    if positive.any():
        span.widest = max(span.widest, float((largest[positive] / smallest[positive]).max()))


def _sums_to_one(span: _Span) -> bool:
    return span.least_sum >= 1 - SUM_TOLERANCE and span.most_sum <= 1 + SUM_TOLERANCE


def _is_softmaxed_twice(span: _Span, classes: int) -> bool:
    whole = span.fewest == classes
    if whole and not _sums_to_one(span):
        return False
    if not math.exp(SURE) <= span.widest <= math.e * (1 + BAND_TOLERANCE):
        return False
    # with all scores known, their sum tells that none is missing but a background class that was taken off; a top-k
    # array may have a column more than the model has classes, too
    counts = (classes, classes + 1) if whole else (classes - 1, classes, classes + 1)
    return any(_in_band(span, count) for count in counts if count > 1)


def _in_band(span: _Span, classes: int) -> bool:
    whole = classes - 1 + math.e
    return span.low >= (1 - BAND_TOLERANCE) / whole and span.high <= math.e * (1 + BAND_TOLERANCE) / whole
