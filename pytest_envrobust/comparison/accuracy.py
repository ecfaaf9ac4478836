"""Accuracy where truth is known, and whether two environments' accuracies differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.bounds import (
    CONFIDENCE,
    clopper_pearson_interval,
    clopper_pearson_lower,
    clopper_pearson_upper,
)
from pytest_envrobust.comparison.kinds import label_shift
from pytest_envrobust.comparison.labels import top1
from pytest_envrobust.comparison.pairwise import UNKNOWN, top_labels
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.wording import counted, percent


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

    @property
    def right(self) -> int:
        """How many top-1 labels are right."""
        return int(np.count_nonzero(self.correct))

    @property
    def interval(self) -> tuple[float, float]:
        """The exact two-sided 95 % interval of ``top1``."""
        return clopper_pearson_interval(self.right, self.n)

    @property
    def top5_interval(self) -> tuple[float, float] | None:
        """That of ``top5``; ``None`` where there is none."""
        return None if self.top5 is None else clopper_pearson_interval(round(self.top5 * self.n), self.n)


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
    return mcnemar_of(int(np.count_nonzero(here & ~there)), int(np.count_nonzero(there & ~here)))


def mcnemar_of(only_here: int, only_there: int) -> McNemar:
    """The same from the numbers of inputs that one of both alone has right."""
    if only_here == only_there:
        return McNemar(only_here, only_there, 1.0)
    from scipy.stats import binomtest  # late: it takes long to import

    return McNemar(only_here, only_there, float(binomtest(only_here, only_here + only_there, 0.5).pvalue))


def holm(values: Sequence[float]) -> list[float]:
    """The p values of several tests, adjusted so that any of them is falsely small no oftener than it says.

    Step down: the smallest of k is multiplied by k, the next by k - 1 and so on, and none becomes smaller than one
    before it (S. Holm, 'A simple sequentially rejective multiple test procedure', Scandinavian Journal of Statistics 6,
    1979). It holds however the tests depend on each other. In the order given.
    """
    found, largest = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, (len(values) - rank) * values[place]))
        found[place] = largest
    return found


def drop_bounds(only_here: int, only_there: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """By how much the accuracy is lower here than there at least, and at most: each one-sided.

    Of ``n`` inputs ``only_here`` are right here alone and ``only_there`` there alone. The bounds join those of the two
    shares, each at half the risk (C. E. Bonferroni's inequality), so that they hold for any number of inputs.
    """
    each = 1.0 - (1.0 - confidence) / 2
    most = clopper_pearson_upper(only_there, n, each) - clopper_pearson_lower(only_here, n, each)
    least = clopper_pearson_lower(only_there, n, each) - clopper_pearson_upper(only_here, n, each)
    return least, most


def doubt_of(scores: NDArray[Any], truth: Sequence[int], *, is_guessed: bool) -> str:
    """One line on scores (N, classes) that are so seldom right that something else than the model is likely wrong.

    ``truth`` is as for `accuracy`, ``is_guessed`` says whether nobody declared the preprocessing. Empty where enough
    are right: more than half of the way from what guessing a class gives to all of them, or where too few inputs are
    known to tell. Where somebody declared it, only what guessing gives is doubted.
    """
    found, classes = accuracy(scores, truth), scores.shape[1]
    if classes < 2:
        return ""
    chance = 1 / classes
    half_way = (1 + chance) / 2
    if clopper_pearson_upper(found.right, found.n) >= half_way:
        return ""
    is_chance = clopper_pearson_lower(found.right, found.n) <= chance
    if not is_chance and not is_guessed:
        return ""
    of = f"{found.right} of {counted(found.n, 'input')} {'is' if found.right == 1 else 'are'} right"
    shift = label_shift(top1(scores), np.asarray(truth))
    if shift is not None:
        why = "true classes are higher by one: they may count from 1 instead of 0"
        if shift.by == 1:
            why = "labels are higher by one: declare label_offset=1 for a model with an extra leading class"
        return f"{of}, and {percent(shift.shifted)} where the labels are moved by one: the {why}"
    gives = percent(chance)
    compared = f"about what guessing gives ({gives})" if is_chance else f"where guessing a class gives {gives}"
    if is_guessed:
        return (
            f"the preprocessing was guessed, and {of}, {compared}: the guess is likely wrong; "
            f"--envrobust-preprocess, or a declared one, says how the model was trained"
        )
    return f"{of}, {compared}: the preprocessing, the order of the classes or the true classes are likely wrong"
