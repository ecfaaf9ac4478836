"""Top-1 labels of two sets of scores, compared: the share that agrees and the inputs that flipped.

Scores are arrays of shape (N, classes), floating or integer. Rows are read in blocks that fit a processor's cache,
so that 50,000 inputs need no more memory than 50.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.blocks import largest_difference, row_blocks
from pytest_envrobust.comparison.blur import Blur
from pytest_envrobust.comparison.bounds import clopper_pearson_lower
from pytest_envrobust.core.errors import DeclarationError

UNDEFINED = -1
"""The label of a row that has none: a score in it is NaN, or its best score is -inf, or several are +inf."""

FlipKind = Literal["real", "tie", "imprecise", "undefined"]
"""What a flip is: a ``tie`` is within the noise of the reference, an ``imprecise`` one within the cell's own."""


@dataclass(frozen=True)
class Flip:
    """An input whose top-1 label differs from the reference's.

    ``input`` is its name (``#7`` where inputs have none), ``expected`` the reference's label and ``actual`` the
    cell's; -1 stands for no label. ``margin`` is the reference's best score less its second best, NaN where
    the reference has no label. ``actual_margin`` is the cell's own, NaN where the cell has none. ``lead`` is how far
    the reference's score of its own label is ahead of its score of the cell's label, NaN where either has none.
    """

    index: int
    input: str
    expected: int
    actual: int
    margin: float
    kind: FlipKind
    actual_margin: float
    lead: float


@dataclass(frozen=True)
class LabelComparison:
    """What came of comparing the labels of ``n`` inputs.

    ``agreement`` is ``agreeing / n`` and ``bound`` its one-sided 95 % lower bound. ``real``, ``tie``, ``imprecise`` and
    ``undefined`` count the flips of each kind. ``largest_difference`` is the largest absolute difference of two
    scores that are both finite; NaN where there are none. ``out_of_reach`` is on how many inputs no flip was
    possible, as the reference's margin exceeds twice that. ``distinct_labels`` is how many different labels the
    reference gave: with one, the inputs cannot tell much.
    """

    n: int
    agreeing: int
    agreement: float
    bound: float
    flips: tuple[Flip, ...]
    real: int
    tie: int
    undefined: int
    largest_difference: float
    out_of_reach: int
    distinct_labels: int
    imprecise: int = 0


def top1(scores: NDArray[Any]) -> NDArray[np.int64]:
    """The label of each row: the index of its best score, int64 of shape (N,).

    The first of equally good ones is taken. A row has no label (-1) where a score is NaN, where no score is above -inf,
    and where several are +inf: an overflow has no order. Raises `DeclarationError` where ``scores`` is not a numeric
    array of shape (N, classes) with at least one class.
    """
    array = _checked(scores, "scores")
    labels = np.empty(len(array), dtype=np.int64)
    for rows in row_blocks(array):
        labels[rows] = _top1(array[rows])
    return labels


def margins(scores: NDArray[Any]) -> NDArray[np.float64]:
    """How far each row's best score is from its second best, float64 of shape (N,), in the scores' own unit.

    0 where two are equally good, infinite where there is one class, NaN where the row has no label.
    Raises `DeclarationError` as `top1` does.
    """
    array = _checked(scores, "scores")
    found = np.empty(len(array), dtype=np.float64)
    for rows in row_blocks(array):
        found[rows] = _margins(array[rows])
    return found


def compare_labels(
    actual: NDArray[Any],
    expected: NDArray[Any],
    *,
    noise: float | None = None,
    own_noise: float | None = None,
    precision: str | None = None,
    inputs: Sequence[str] | None = None,
) -> LabelComparison:
    """Compare the top-1 labels of ``actual`` with those of the reference, ``expected``; both (N, classes).

    ``noise`` is the largest score difference between the reference and itself under harmless changes: a flip is a tie
    where the reference's own scores of both labels lie within twice that, so that such changes alone could have
    turned one into the other. So it is where they lie within one step of the numbers that they are, whatever was
    measured (``None`` or NaN: nothing was). ``own_noise`` is the same of the cell: a flip that is no tie is imprecise
    where the reference's scores lie within twice that, or within two steps of the cell's numbers. ``precision`` is
    what `precision_of` tells of the reference's scores, of which ``expected`` may be a part. ``inputs`` are the inputs'
    names, in the order of the rows.

    Raises `DeclarationError` where the shapes differ or are not (N, classes), where nothing or only one class is
    there to compare, where names and rows differ in number, or where a noise is negative or infinite.
    """
    mine, theirs = _checked(actual, "actual scores"), _checked(expected, "expected scores")
    _check_pair(mine, theirs, inputs)
    blur = Blur(theirs, mine, _checked_noise(noise), _checked_noise(own_noise), precision)
    labels = np.empty((2, len(mine)), dtype=np.int64)
    reach = np.empty(len(mine), dtype=np.float64)
    largest = math.nan
    flips: list[Flip] = []
    for rows in row_blocks(mine, theirs):
        one, other = mine[rows], theirs[rows]
        labels[0, rows], labels[1, rows] = _top1(one), _top1(other)
        reach[rows] = _margins(other)
        largest = float(np.fmax(largest, largest_difference(one, other)))
        flips += _flips(rows.start, labels[:, rows], one, other, reach[rows], blur, inputs)
    counts = dict.fromkeys(get_args(FlipKind), 0)
    for flip in flips:
        counts[flip.kind] += 1
    n = len(mine)
    agreeing = n - len(flips)
    seen = np.unique(labels[1])
    return LabelComparison(
        n=n,
        agreeing=agreeing,
        agreement=agreeing / n,
        bound=clopper_pearson_lower(agreeing, n),
        flips=tuple(flips),
        largest_difference=largest,
        out_of_reach=_out_of_reach(labels, reach, largest),
        distinct_labels=int(np.count_nonzero(seen != UNDEFINED)),
        **counts,
    )


def _checked(scores: NDArray[Any], what: str) -> NDArray[Any]:
    array = np.asarray(scores)
    if array.ndim != 2 or array.shape[1] == 0:
        raise DeclarationError(
            f"{what} of shape {array.shape} cannot be read as labels",
            cause="class scores have the shape (N, classes)",
            remedy="give one row of class scores for each input",
        )
    if array.dtype.kind not in "fiub":
        raise DeclarationError(
            f"{what} of dtype {array.dtype} cannot be read as labels",
            cause="floating or integer scores are needed",
            remedy="cast them to numpy.float32",
        )
    # a bool cannot be subtracted; every other kind stays as it is
    return array.astype(np.uint8) if array.dtype.kind == "b" else array


def _check_pair(mine: NDArray[Any], theirs: NDArray[Any], inputs: Sequence[str] | None) -> None:
    if mine.shape != theirs.shape:
        what = "numbers of inputs" if len(mine) != len(theirs) else "class counts"
        raise DeclarationError(
            f"scores of shapes {mine.shape} and {theirs.shape} (expected) cannot be compared",
            cause=f"their {what} differ",
            remedy="compare scores for the same inputs and the same classes",
        )
    if len(mine) == 0:
        raise DeclarationError(
            f"scores of shapes {mine.shape} and {theirs.shape} (expected) hold no inputs",
            cause="nothing was compared",
            remedy="give at least one input",
        )
    if mine.shape[1] == 1:
        raise DeclarationError(
            f"scores of shapes {mine.shape} and {theirs.shape} (expected) have one class",
            cause="top-1 labels of one class can never differ",
            remedy="give one column for each class, two for a yes-or-no model",
        )
    if inputs is not None and len(inputs) != len(mine):
        raise DeclarationError(
            f"{len(inputs)} input names cannot stand for {len(mine)} rows of scores", cause="each row needs its own"
        )


def _checked_noise(noise: float | None) -> float:
    """The noise; NaN, which nothing lies within, where none was measured."""
    if noise is None:
        return math.nan
    if noise < 0 or math.isinf(noise):
        raise DeclarationError(
            f"noise {noise!r} cannot be used", cause="it is a largest difference of scores: finite and at least 0"
        )
    return noise


def _top1(block: NDArray[Any]) -> NDArray[np.int64]:
    # argmax stops at a row's first NaN, so that the score it points to tells whether there is one
    labels: NDArray[np.int64] = block.argmax(axis=1).astype(np.int64, copy=False)
    labels[without_label(block, labels)] = UNDEFINED
    return labels


def without_label(block: NDArray[Any], best: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows of scores, (N, classes), have no label; ``best`` is the place of each row's best score."""
    none = np.zeros(len(block), dtype=np.bool_)
    if block.dtype.kind == "f":
        scores = block[np.arange(len(block)), best]
        for row in np.flatnonzero(~np.isfinite(scores)):
            none[row] = scores[row] != np.inf or np.count_nonzero(block[row] == np.inf) > 1
    return none


def _margins(block: NDArray[Any]) -> NDArray[np.float64]:
    scores = block.astype(np.float64)  # exact for every kind of score, and a copy to write into
    every = np.arange(len(scores))
    labels = scores.argmax(axis=1)
    best = np.where(without_label(scores, labels), np.nan, scores[every, labels])
    if scores.shape[1] == 1:
        return np.where(np.isnan(best), np.nan, np.inf)
    scores[every, labels] = -np.inf
    second = scores.max(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(best == second, 0.0, best - second)


def _flips(
    start: int,
    labels: NDArray[np.int64],
    cell: NDArray[Any],
    reference: NDArray[Any],
    margins_of_reference: NDArray[np.float64],
    blur: Blur,
    inputs: Sequence[str] | None,
) -> Iterator[Flip]:
    """The flips of a block of rows, of which the first is number ``start``."""
    flipped = np.flatnonzero((labels[0] != labels[1]) | (labels[1] == UNDEFINED))
    if not len(flipped):
        return
    for row, actual_margin in zip(flipped.tolist(), _margins(cell[flipped]).tolist()):
        actual, expected = int(labels[0, row]), int(labels[1, row])
        name = f"#{start + row}" if inputs is None else str(inputs[start + row])
        lead = _lead(reference[row], expected, actual)
        is_undefined = UNDEFINED in (actual, expected)
        kind = "undefined" if is_undefined else blur.kind(start + row, expected, actual, lead)
        margin = float(margins_of_reference[row])
        yield Flip(start + row, name, expected, actual, margin, kind, actual_margin, lead)


def _out_of_reach(labels: NDArray[np.int64], reach: NDArray[np.float64], largest: float) -> int:
    """How many inputs have a margin (``reach``) that differences of scores up to ``largest`` cannot turn round.

    Only those that agree: infinite scores are no difference, and can flip a label all the same.
    """
    agree = (labels[0] == labels[1]) & (labels[1] != UNDEFINED)
    return int(np.count_nonzero(agree & (reach > 2.0 * largest)))


def _lead(row: NDArray[Any], expected: int, actual: int) -> float:
    """How far a row's score of the label ``expected`` is ahead of that of ``actual``; NaN where either is none."""
    if UNDEFINED in (actual, expected):
        return math.nan
    ahead, behind = float(row[expected]), float(row[actual])
    return ahead - behind
