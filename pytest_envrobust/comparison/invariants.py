"""What holds of a single environment whatever the others give: the same again, alone or in a batch, finite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.kinds import SUM_TOLERANCE, kind_of
from pytest_envrobust.comparison.labels import compare_labels

REPETITION, BATCH, POSITION = "repetition", "batch", "position"
FINITE, PROBABILITIES, UNTOUCHED = "finite", "probabilities", "untouched"
INVARIANTS = (REPETITION, BATCH, POSITION, FINITE, PROBABILITIES, UNTOUCHED)


@dataclass(frozen=True)
class Invariant:
    """Whether something holds of an environment, and in words what was found."""

    name: str
    holds: bool
    said: str


def same_scores(name: str, first: NDArray[Any], again: NDArray[Any], how: str) -> Invariant:
    """Whether two arrays of scores, (N, classes), are bit for bit the same. ``how`` says what was done differently."""
    same = first.dtype == again.dtype and first.shape == again.shape and first.tobytes() == again.tobytes()
    if same:
        return Invariant(name, True, f"the same scores, bit for bit, {how}")
    differing = int(np.count_nonzero((first != again).any(axis=1)))
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
    odd = ~np.isfinite(scores)
    if not odd.any():
        return Invariant(name, True, f"all {scores.size} scores are finite")
    rows = np.flatnonzero(odd.any(axis=1))
    nans = int(np.count_nonzero(np.isnan(scores)))
    said = f"{nans} NaN and {int(odd.sum()) - nans} infinite scores, on {len(rows)} of {len(scores)} inputs"
    return Invariant(name, False, f"{said}, the first of them #{rows[0]}")


def probabilities(name: str, scores: NDArray[Any], reference: NDArray[Any]) -> Invariant:
    """Whether scores that claim to be probabilities are: none below 0, and each input's sum 1.

    They claim so where the reference's are, or where their own lie between 0 and 1.
    """
    with np.errstate(invalid="ignore"):
        within = bool(((scores >= 0) & (scores <= 1)).all())
    if not within and kind_of(reference) != "probabilities":
        return Invariant(name, True, "the scores do not claim to be probabilities")
    sums = scores.astype(np.float64).sum(axis=1)
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
    with np.errstate(invalid="ignore"):
        difference = np.abs(np.subtract(one, other, dtype=np.float64))
    known = difference[np.isfinite(difference)]
    return f"they differ by up to {known.max():.3g}" if known.size else "none of them can be subtracted"
