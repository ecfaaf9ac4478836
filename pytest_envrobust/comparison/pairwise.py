"""Every output of a model compared with every other: four symmetric matrices.

Outputs are arrays of scores, (N, classes), floating or integer, and may be memory maps: they are read once, in blocks
of rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.blocks import largest_difference, row_blocks
from pytest_envrobust.comparison.kinds import Kind, kind_of
from pytest_envrobust.comparison.labels import UNDEFINED, without_label
from pytest_envrobust.core.errors import DeclarationError

TOP = 5
"""How many of the best labels make a top set, where there are so many classes."""

UNKNOWN = -2
"""In a top set, the place of a label that is not known: the row has too few scores above -inf."""

_BLOCK_ELEMENTS = 1 << 20
"""Scores of all outputs together that are worked on at once: their ranks take 8 MB."""


@dataclass(frozen=True)
class Pairwise:
    """Four matrices (K, K) over K outputs, float64, symmetric; NaN where not defined.

    - ``label_dissimilarity``: share of inputs whose top-1 labels differ. A row without a label (`labels.top1`) differs
      from all, itself included.
    - ``top5_dissimilarity``: mean over inputs of 1 - |A & B| / k of the sets of the k best labels, k being 5 or the
      class count where it is lower. A row without a label shares nothing; inputs of which one output knows fewer than k
      scores are left out, so that labels alone have none.
    - ``rank_correlation``: mean over inputs of Spearman's rho over all classes (C. Spearman, 'The proof and measurement
      of association between two things', The American Journal of Psychology 15, 1904). A row with
      NaN has a rho of 0 with all, itself included. Inputs are left out where a score of either output is infinite or
      all of its scores are equal.
    - ``largest_difference``: largest absolute difference of scores that are both finite. Outputs of different kinds,
      and labels alone, have none.
    """

    label_dissimilarity: NDArray[np.float64]
    top5_dissimilarity: NDArray[np.float64]
    rank_correlation: NDArray[np.float64]
    largest_difference: NDArray[np.float64]


def pairwise(outputs: Sequence[NDArray[Any]], kinds: Sequence[Kind] | None = None) -> Pairwise:
    """Compare all outputs, arrays of one shape (N, classes), with each other.

    ``kinds`` says what each output is, as `kind_of` does where it is not given. Beyond the outputs, memory is needed
    for a block of rows and for 28 bytes an input and output.

    Raises `DeclarationError` where there is no output or no input, or the shapes differ or are not (N, classes).
    """
    arrays = [np.asarray(output) for output in outputs]
    n, classes = _checked_shape(arrays)
    kinds = [kind_of(array) for array in arrays] if kinds is None else kinds
    tops = np.empty((len(arrays), n, min(TOP, classes)), dtype=np.int32)
    ranks, differences = _RankCorrelation(len(arrays)), _Differences(kinds)
    for rows in _blocks(arrays):
        blocks = [array[rows] for array in arrays]
        for top, block in zip(tops, blocks):
            top[rows] = _top_labels(block, top.shape[1])
        ranks.add(blocks)
        differences.add(blocks)
    return Pairwise(
        label_dissimilarity=_label_dissimilarity(np.ascontiguousarray(tops[:, :, 0])),
        top5_dissimilarity=_top_dissimilarity(tops),
        rank_correlation=ranks.mean(),
        largest_difference=differences.largest,
    )


def top_labels(scores: NDArray[Any], k: int = TOP) -> NDArray[np.int32]:
    """The labels of the k best scores of each row of (N, classes), best first: int32 of shape (N, min(k, classes)).

    Of equally good ones the first is taken first, so that column 0 is what `top1` gives. A row without a label has
    none: -1 throughout. Where fewer scores are above -inf, -2 (`UNKNOWN`) stands in the other places.
    """
    array = np.asarray(scores)
    _checked_shape([array])
    found = np.empty((len(array), min(k, array.shape[1])), dtype=np.int32)
    for rows in row_blocks(array):
        found[rows] = _top_labels(array[rows], found.shape[1])
    return found


def _checked_shape(arrays: Sequence[NDArray[Any]]) -> tuple[int, int]:
    shapes = list(dict.fromkeys(array.shape for array in arrays))
    if not shapes:
        raise DeclarationError("no output can be compared", cause="at least one array of scores is needed")
    if len(shapes) > 1:
        raise DeclarationError(
            f"scores of shapes {' and '.join(map(str, shapes))} cannot be compared",
            cause="they are of different inputs or classes",
            remedy="compare scores for the same inputs and the same classes",
        )
    if len(shapes[0]) != 2 or 0 in shapes[0]:
        raise DeclarationError(
            f"scores of shape {shapes[0]} cannot be compared", cause="class scores have the shape (N, classes), N >= 1"
        )
    return shapes[0][0], shapes[0][1]


def _blocks(arrays: Sequence[NDArray[Any]]) -> Iterator[slice]:
    n, classes = arrays[0].shape
    step = max(1, _BLOCK_ELEMENTS // (classes * len(arrays)))
    for start in range(0, n, step):
        yield slice(start, start + step)


def _top_labels(block: NDArray[Any], k: int) -> NDArray[np.int32]:
    # integers have no -inf to strike a label out with; a float keeps its own width, as narrow ones are read faster
    rest = block.copy() if block.dtype.kind == "f" else block.astype(np.float64)
    every = np.arange(len(rest))
    found = np.empty((len(rest), k), dtype=np.int32)
    for place in range(k):
        best = rest.argmax(axis=1)
        values = rest[every, best]
        found[:, place] = best
        if place == 0:
            undefined = without_label(rest, best)
        else:
            found[values == -np.inf, place] = UNKNOWN
        rest[every, best] = -np.inf
    found[undefined] = UNDEFINED
    return found


def _label_dissimilarity(labels: NDArray[np.int32]) -> NDArray[np.float64]:
    matrix = np.empty((len(labels), len(labels)))
    for one, row in enumerate(labels):
        matrix[one, one] = np.mean(row == UNDEFINED)
        for other in range(one):
            matrix[one, other] = matrix[other, one] = np.mean((row != labels[other]) | (row == UNDEFINED))
    return matrix


def _top_dissimilarity(tops: NDArray[np.int32]) -> NDArray[np.float64]:
    matrix = np.full((len(tops), len(tops)), np.nan)
    k = tops.shape[2]
    known, labelled = tops[:, :, -1] != UNKNOWN, tops[:, :, 0] != UNDEFINED
    has_sets = (known & labelled).any(axis=1) | ~labelled.any(axis=1)  # labels alone have none
    for one, sets in enumerate(tops):
        for other in range(one + 1):
            usable = known[one] & known[other]
            if has_sets[one] and has_sets[other] and usable.any():
                shared = _shared(sets, tops[other])[usable]
                matrix[one, other] = matrix[other, one] = 1.0 - float(shared.sum()) / (k * len(shared))
    return matrix


def _shared(sets: NDArray[np.int32], others: NDArray[np.int32]) -> NDArray[np.int64]:
    """How many labels two top sets have in common, for each input."""
    shared = np.zeros(len(sets), dtype=np.int64)
    for label in sets.T:
        shared += ((label[:, None] == others) & (label[:, None] >= 0)).any(axis=1)
    return shared


class _RankCorrelation:
    """The sum of Spearman's rho over inputs for each pair of outputs, and how many inputs were counted."""

    def __init__(self, outputs: int) -> None:
        self._sum = np.zeros((outputs, outputs))
        self._count = np.zeros((outputs, outputs))
        self._own = np.zeros(outputs)

    def add(self, blocks: Sequence[NDArray[Any]]) -> None:
        usable = np.array([_can_be_ranked(block) for block in blocks])
        self._own += usable.sum(axis=1)
        counted = usable | np.array([np.isnan(block.max(axis=1)) for block in blocks])
        self._count += counted @ counted.T.astype(np.float64)
        if len(blocks) == 1 or not usable.any():
            return
        # rho is the correlation of ranks: a product of rows of length 1, which are zero where an input has none
        ranks = np.zeros((len(blocks), *blocks[0].shape))
        for rank, block, rows in zip(ranks, blocks, usable):
            rank[rows] = _standardized_ranks(block[rows])
        flat = ranks.reshape(len(blocks), -1)
        self._sum += flat @ flat.T

    def mean(self) -> NDArray[np.float64]:
        np.fill_diagonal(self._sum, self._own)
        mean = np.full_like(self._sum, np.nan)
        np.divide(self._sum, self._count, out=mean, where=self._count > 0)
        return np.clip((mean + mean.T) / 2.0, -1.0, 1.0)


def _can_be_ranked(block: NDArray[Any]) -> NDArray[np.bool_]:
    largest, smallest = block.max(axis=1), block.min(axis=1)  # NaN where any is
    usable: NDArray[np.bool_] = np.isfinite(largest) & np.isfinite(smallest) & (largest != smallest)
    return usable


def _standardized_ranks(block: NDArray[Any]) -> NDArray[np.float64]:
    if len(block) == 0:
        return np.empty(block.shape)
    from scipy.stats import rankdata  # late: it takes long to import

    ranks: NDArray[np.float64] = rankdata(block, axis=1)
    ranks -= (block.shape[1] + 1) / 2.0
    ranks /= np.linalg.norm(ranks, axis=1, keepdims=True)
    return ranks


class _Differences:
    """The largest difference of each pair of outputs of one kind."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self.largest = np.full((len(kinds), len(kinds)), math.nan)
        numbered = [(number, kind) for number, kind in enumerate(kinds) if kind != "labels"]
        self._pairs = [
            (one, other) for one, kind in numbered for other, same in numbered if other <= one and same == kind
        ]

    def add(self, blocks: Sequence[NDArray[Any]]) -> None:
        for one, other in self._pairs:
            found = np.fmax(self.largest[one, other], largest_difference(blocks[one], blocks[other]))
            self.largest[one, other] = self.largest[other, one] = found
