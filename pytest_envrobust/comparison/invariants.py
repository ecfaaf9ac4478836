"""What holds of a single environment whatever the others give: the same again, alone or in a batch, finite."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.blocks import largest_difference_of, row_blocks
from pytest_envrobust.comparison.kinds import SUM_TOLERANCE, kind_of
from pytest_envrobust.comparison.labels import compare_labels
from pytest_envrobust.comparison.steadiness import same_bits


@dataclass(frozen=True)
class Invariant:
    """Whether something holds of an environment, and in words what was found."""

    name: str
    holds: bool
    said: str


def same_scores(name: str, first: NDArray[Any], again: NDArray[Any], how: str) -> Invariant:
    """Whether two arrays of scores, (N, classes), are bit for bit the same. ``how`` says what was done differently."""
    if same_bits(first, again):
        return Invariant(name, True, f"the same scores, bit for bit, {how}")
    differing = sum(int((first[rows] != again[rows]).any(axis=1).sum()) for rows in row_blocks(first, again))
    said = f"other scores {how} on {differing} of {len(first)} inputs"
    return Invariant(name, False, f"{said}; {_difference(first, again)}")


def same_labels(
    name: str, scores: NDArray[Any], others: NDArray[Any], how: str, max_abs_error: float | None = None
) -> Invariant:
    """Whether two arrays of scores give the same labels and, where it is asked for, differ by no more than that.

    Engines may compute a batch by other kernels than a single input, so that bits differ where nothing is wrong.
    """
    comparison = compare_labels(others, scores)
    differs = _difference(scores, others)
    if comparison.flips:
        places = ", ".join(flip.input for flip in comparison.flips[:5])
        said = f"other labels {how} on {len(comparison.flips)} of {comparison.n} inputs ({places}); {differs}"
        return Invariant(name, False, said)
    if max_abs_error is not None and not comparison.largest_difference <= max_abs_error:
        return Invariant(name, False, f"the same labels {how}, but {differs}, more than {max_abs_error:g}")
    return Invariant(name, True, f"the same labels {how}; {differs}")


def finite(name: str, scores: NDArray[Any]) -> Invariant:
    """Whether every score is a finite number."""
    nans = infinite = 0
    odd: list[int] = []
    for rows in row_blocks(scores):
        block = scores[rows]
        finite_ones, of_nan = np.isfinite(block), np.isnan(block)
        nans += int(np.count_nonzero(of_nan))
        infinite += int(np.count_nonzero(~finite_ones & ~of_nan))
        odd += (rows.start + np.flatnonzero(~finite_ones.all(axis=1))).tolist()
    if not odd:
        return Invariant(name, True, f"all {scores.size} scores are finite")
    said = f"{nans} NaN and {infinite} infinite scores, on {len(odd)} of {len(scores)} inputs"
    return Invariant(name, False, f"{said}, the first of them #{odd[0]}")


def probabilities(name: str, scores: NDArray[Any], reference: NDArray[Any]) -> Invariant:
    """Whether scores that claim to be probabilities are: none below 0, and each input's sum 1.

    They claim so where the reference's are, or where their own lie between 0 and 1.
    """
    within, sums = True, np.empty(len(scores))
    for rows in row_blocks(scores):
        with np.errstate(invalid="ignore"):
            within &= bool(((scores[rows] >= 0) & (scores[rows] <= 1)).all())
            sums[rows] = scores[rows].sum(axis=1, dtype=np.float64)
    if not within and kind_of(reference) != "probabilities":
        return Invariant(name, True, "the scores do not claim to be probabilities")
    off = np.abs(sums - 1)
    if within and off.max() <= SUM_TOLERANCE:
        return Invariant(name, True, f"every input's scores sum to 1 within {off.max():.2g}")
    if not within:
        return Invariant(name, False, "the reference gives probabilities, these scores are not between 0 and 1")
    worst = int(off.argmax())
    return Invariant(name, False, f"the scores lie between 0 and 1, but those of #{worst} sum to {sums[worst]:.6g}")


def _difference(one: NDArray[Any], other: NDArray[Any]) -> str:
    if one.shape != other.shape:
        return f"their shapes are {one.shape} and {other.shape}"
    largest = largest_difference_of(one, other)
    return "none of them can be subtracted" if math.isnan(largest) else f"they differ by up to {largest:.3g}"
