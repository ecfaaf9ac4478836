"""What holds of a single environment whatever the others give: the same again, alone or in a batch, finite."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.blocks import largest_difference_of, row_blocks, spread_of
from pytest_envrobust.comparison.kinds import SUM_TOLERANCE, kind_of
from pytest_envrobust.comparison.labels import compare_labels
from pytest_envrobust.comparison.steadiness import same_bits

ROUNDING_SHARE = 1e-4
"""What rounding alone makes of scores that are computed alike is less than this share of their spread. Single precision
gives a hundredth of it; a state of which a hundredth leaks into the next answer gives a hundred times as much."""
KERNEL_SHARE = 0.05
"""Another kernel changes scores by less than this share of their spread, in half precision too."""
ROUNDING_STEPS = 8
"""... or less than so many steps of the scores' own dtype at the largest of them."""


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


def rounding_of(scores: NDArray[Any]) -> float:
    """The largest difference, in the unit of the scores (N, classes), that rounding alone makes of the same scores."""
    if scores.dtype.kind != "f":
        return ROUNDING_SHARE * spread_of(scores)
    largest = largest_difference_of(scores, np.broadcast_to(np.zeros((), scores.dtype), scores.shape))
    step = float(np.finfo(scores.dtype).eps) * largest
    return float(np.fmax(ROUNDING_SHARE * spread_of(scores), ROUNDING_STEPS * step))


def unchanged(
    name: str,
    scores: NDArray[Any],
    others: NDArray[Any],
    how: str,
    *,
    room: float | None = None,
    max_abs_error: float | None = None,
) -> Invariant:
    """Whether two arrays of scores give the same labels, and the same scores within what arithmetic explains.

    That is ``room``, by default `rounding_of`, or ``max_abs_error`` where it is asked for. Labels that are others
    within rounding are the same. ``how`` says what was done differently.
    """
    rounding = rounding_of(scores)
    comparison = compare_labels(others, scores, noise=rounding)
    differs = _difference(scores, others)
    flips = [flip for flip in comparison.flips if flip.kind != "tie" or comparison.largest_difference > rounding]
    if flips:
        places = ", ".join(flip.input for flip in flips[:5])
        said = f"other labels {how} on {len(flips)} of {comparison.n} inputs ({places}); {differs}"
        return Invariant(name, False, said)
    if max_abs_error is not None:
        if comparison.largest_difference <= max_abs_error:
            return Invariant(name, True, f"the same labels {how}; {differs}")
        return Invariant(name, False, f"the same labels {how}, but {differs}, more than {max_abs_error:g}")
    most = rounding if room is None else max(room, rounding)
    if comparison.largest_difference > most:
        said = f"the same labels {how}, but other scores: {differs}, where arithmetic explains {most:.2g}"
        return Invariant(name, False, said)
    return Invariant(name, True, f"the same labels {how}; {differs}")


def all_of(found: Iterable[Invariant]) -> Invariant:
    """The first one that does not hold, behind which none is asked for; else all in one."""
    held: list[Invariant] = []
    for each in found:
        if not each.holds:
            return each
        held.append(each)
    return replace(held[0], said="; ".join(each.said for each in held))


def kernel_room(scores: NDArray[Any]) -> float:
    """By how much scores may differ where another kernel computes them: one for several inputs a call, say."""
    return max(KERNEL_SHARE * spread_of(scores), rounding_of(scores))


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
