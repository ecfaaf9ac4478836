"""Accuracy where truth is known, and whether two environments' accuracies differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.pairwise import UNKNOWN, top_labels
from pytest_envrobust.core.errors import DeclarationError


@dataclass(frozen=True)
class Accuracy:
    """How many of the ``n`` inputs with a known class were labeled right.

    ``top1`` is the share whose best label is the true one, ``top5`` the share with the true one among the best five;
    ``None`` where fewer than five scores of an input are known. ``correct``, bool of shape (n,), says for each
    of the n inputs whether its top-1 label is right.
    """

    n: int
    top1: float
    top5: float | None
    correct: NDArray[np.bool_]


@dataclass(frozen=True)
class McNemar:
    """Inputs on which one of two environments alone is right, and how likely so uneven a split is by chance."""

    only_here: int
    only_there: int
    p: float


def accuracy(scores: NDArray[Any], truth: Sequence[int] | NDArray[np.integer[Any]]) -> Accuracy:
    """Top-1 and top-5 accuracy of scores (N, classes) against the true class index of each input, -1 where unknown.

    A row with NaN has no label and is never right. Raises `DeclarationError` where the numbers of inputs differ or
    no input's class is known.
    """
    true = np.asarray(truth)
    array = np.asarray(scores)
    if true.shape != array.shape[:1]:
        raise DeclarationError(
            f"{len(true)} true classes cannot stand for {len(array)} rows of scores", cause="each input needs its own"
        )
    known = true >= 0
    if not known.any():
        raise DeclarationError("accuracy cannot be told", cause="the true class of no input is known")
    top = top_labels(array)[known]
    hits = top == true[known, None]
    correct = hits[:, 0]
    has_all = not (top[:, -1] == UNKNOWN).any()
    return Accuracy(
        n=len(correct),
        top1=float(correct.mean()),
        top5=float(hits.any(axis=1).mean()) if has_all else None,
        correct=correct,
    )


def mcnemar(here: NDArray[np.bool_], there: NDArray[np.bool_]) -> McNemar:
    """Test whether two environments are equally often right; both bool of shape (n,), for the same inputs.

    Inputs on which both are right or both wrong say nothing. Of the others, each environment would be the right one
    as often by chance: the two-sided exact binomial test (Q. McNemar, 'Note on the sampling error of the difference
    between correlated proportions or percentages', Psychometrika 12, 1947). p is 1 where they differ nowhere.

    Raises `DeclarationError` where the numbers of inputs differ.
    """
    if here.shape != there.shape:
        raise DeclarationError(
            f"{len(here)} and {len(there)} inputs cannot be compared", cause="they must be the same inputs"
        )
    only_here, only_there = int(np.count_nonzero(here & ~there)), int(np.count_nonzero(there & ~here))
    if only_here == only_there:
        return McNemar(only_here, only_there, 1.0)
    from scipy.stats import binomtest  # late: it takes long to import

    return McNemar(only_here, only_there, float(binomtest(only_here, only_here + only_there, 0.5).pvalue))
