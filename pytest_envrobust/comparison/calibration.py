"""Classes whose scores are off systematically while all others agree: one that is biased, two that are swapped.

No top-1 label shows it where no input is near these classes. Scores are arrays of shape (N, classes).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.blocks import row_blocks
from pytest_envrobust.comparison.kinds import kind_of
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.wording import counted, listed

FALSE_DISCOVERIES = 0.01
"""Of the classes that are named at most this share, on average, is off by chance."""
LEAST_SHARE = 0.01
"""A class is off by this share of the scores' spread at least: rounding to 16 bits stays below."""
FEWEST_INPUTS, FEWEST_CLASSES = 8, 4
"""With fewer inputs of a class there is no telling chance apart, with fewer classes not one from the others."""
MOST_APART = 0.5
"""Where the usual class is off by this share of the spread, the models differ as a whole."""
OFFSET_TAILS, APART_TAILS = 5.0, 10.0
"""Degrees of freedom of Student's t that classes are held against: what rounding makes of them has long tails."""
UNUSUAL = 3.0
"""So many standard deviations from the usual class is where a class is looked at."""
TRIED = 20
"""So many of the furthest classes are held against each other, for two that are swapped."""
LOG_SCATTER = 0.25
"""By how much (natural logarithm) classes differ at least in how far their scores scatter."""
SWAPPED = 1 / 3
"""Two classes are swapped where each gives the other's scores, to within this share of how far it is from its own."""
SHOWN = 5
COARSENESS = 64.0
"""Probabilities count from so many times their finest step on: below it rounding is all they are."""


@dataclass(frozen=True)
class ClassOff:
    """A class whose scores are off: by ``offset`` on average, beyond what all classes are, and by ``apart``, a root
    mean square, in the unit of the scores (of probabilities in that of their logarithms). ``name`` is empty where the
    model declares none.
    """

    index: int
    offset: float
    apart: float
    name: str = ""

    def __str__(self) -> str:
        return f"{self.index} ({self.name})" if self.name else str(self.index)


@dataclass(frozen=True)
class Calibration:
    """What came of holding the scores of ``n`` inputs against the reference's, class by class.

    ``tested`` classes could be told of; ``typical`` is how far the usual one is off, a root mean square, and
    ``spread`` that of the reference's scores, in the unit of `ClassOff`. ``off`` has the classes that are off
    systematically, the furthest first, and ``swapped`` the pairs among them that give each other's scores.
    """

    n: int
    tested: int
    spread: float
    typical: float
    off: tuple[ClassOff, ...] = ()
    swapped: tuple[tuple[int, int], ...] = ()


@dataclass
class _Sums:
    """Of each class over the inputs that tell: their number, the sums of differences and of their squares."""

    count: NDArray[np.float64]
    total: NDArray[np.float64]
    squares: NDArray[np.float64]
    spread: float


def calibration(actual: NDArray[Any], expected: NDArray[Any], class_names: Sequence[str] = ()) -> Calibration | None:
    """Hold each class's scores against the reference's, and against what the differences of all other classes are.

    What is tested is not whether a class is off, as all are under rounding to 8 bits, but whether one is off beyond
    that: on average (the class is biased), or in how far its scores lie apart (it gives another class's). The false
    discovery rate of all these tests is controlled (Y. Benjamini, D. Yekutieli, 'The control of the false discovery
    rate in multiple testing under dependency', Annals of Statistics 29, 2001). What an input's scores have in common
    decides no label and does not count; probabilities are compared by their logarithms.

    ``None`` where nothing can be told: scores of two kinds, known in part only (top-k), softmaxed twice, too few inputs
    or classes, or models that differ as a whole. Raises `DeclarationError` where the shapes differ.
    """
    if actual.shape != expected.shape or actual.ndim != 2:
        raise DeclarationError(
            f"scores of shapes {actual.shape} and {expected.shape} (expected) cannot be compared class by class"
        )
    if len(actual) < FEWEST_INPUTS or actual.shape[1] < FEWEST_CLASSES:
        return None
    kind = kind_of(expected)
    if kind not in ("logits", "probabilities") or kind_of(actual) != kind:
        return None
    floor = max(_floor(actual), _floor(expected)) if kind == "probabilities" else None
    sums = _sums(actual, expected, floor)
    told = np.flatnonzero(sums.count >= FEWEST_INPUTS)
    if len(told) < FEWEST_CLASSES or not sums.spread > 0:
        return None
    count = sums.count[told]
    offsets, apart = sums.total[told] / count, np.sqrt(sums.squares[told] / count)
    typical = float(np.median(apart))
    if typical > MOST_APART * sums.spread:
        return None
    offsets -= np.median(offsets)
    least = LEAST_SHARE * sums.spread
    places, furthest = _off(count, offsets, apart, least)
    pairs = list(_swapped(actual, expected, told[furthest].tolist(), floor)) if len(furthest) > 1 else []
    paired = {index for pair in pairs for index in pair}
    places = np.union1d(places, [place for place in furthest if told[place] in paired]).astype(np.intp)
    off = [
        ClassOff(index, float(offsets[place]), float(apart[place]), _name(index, class_names))
        for place, index in zip(places, told[places].tolist())
    ]
    off.sort(key=lambda each: -each.apart)
    return Calibration(len(actual), len(told), sums.spread, typical, tuple(off), tuple(pairs))


def calibration_notice(found: Calibration | None) -> str | None:
    """What to say of the classes that are off; ``None`` where none is."""
    if found is None or not found.off:
        return None
    named = {each.index: each for each in found.off}
    others = f"the usual class by {found.typical / found.spread:.2g}"
    parts = [f"classes {named[one]} and {named[other]} look swapped" for one, other in found.swapped]
    paired = {index for pair in found.swapped for index in pair}
    alone = [each for each in found.off if each.index not in paired]
    if alone:
        said = [f"class {each} {_by(each, found.spread)}" for each in alone[:SHOWN]]
        more = f" and {counted(len(alone) - SHOWN, 'more class', 'more classes')}" if len(alone) > SHOWN else ""
        parts.append(f"scores are off systematically: {listed(said)}{more}; {others}")
    return f"{'; '.join(parts)}: equal labels or not, look at the order of classes, the last layer's weights and bias"


def _by(each: ClassOff, spread: float) -> str:
    if abs(each.offset) >= each.apart / 2:
        return f"by {each.offset / spread:+.2g} of their spread"
    return f"by up to {each.apart / spread:.2g} of their spread either way"


def _name(index: int, class_names: Sequence[str]) -> str:
    return class_names[index] if index < len(class_names) else ""


def _off(
    count: NDArray[np.float64], offsets: NDArray[np.float64], apart: NDArray[np.float64], least: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The places of the classes that are off, by both tests, with the false discovery rate of all controlled; and of
    those whose scores lie furthest apart, as far as that is unusual.
    """
    within = np.maximum(apart**2 - offsets**2, 0.0) / np.maximum(count - 1, 1)
    biased = np.abs(offsets) / np.sqrt(_scatter(offsets) ** 2 + within + (least / 3) ** 2)
    logs = np.log(np.maximum(apart, least))
    away = (logs - np.median(logs)) / np.sqrt(max(_scatter(logs), LOG_SCATTER) ** 2 + 2 / count)
    large = np.r_[np.abs(offsets) >= least, apart >= least]
    unusual = large & (np.r_[biased, away] > UNUSUAL)
    if not unusual.any():
        return np.empty(0, np.intp), np.empty(0, np.intp)  # far from any discovery: most comparisons end here
    from scipy.special import stdtr
    from scipy.stats import false_discovery_control

    p = np.r_[2 * stdtr(OFFSET_TAILS, -biased), stdtr(APART_TAILS, -away)]
    found = (false_discovery_control(p, method="by") <= FALSE_DISCOVERIES) & large
    furthest = np.argsort(-away, kind="stable")[:TRIED]
    return (
        np.flatnonzero(found[: len(count)] | found[len(count) :]),
        furthest[unusual[len(count) :][furthest]],
    )


def _scatter(values: NDArray[np.float64]) -> float:
    """The standard deviation of most values, from their median absolute deviation."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _sums(actual: NDArray[Any], expected: NDArray[Any], floor: float | None) -> _Sums:
    classes = expected.shape[1]
    sums = _Sums(np.zeros(classes), np.zeros(classes), np.zeros(classes), 0.0)
    squares = number = 0.0
    for rows in row_blocks(actual, expected):
        one, other = _linear(actual[rows], floor), _linear(expected[rows], floor)
        with np.errstate(invalid="ignore"):
            difference = one - other
        tells = np.isfinite(difference)
        if tells.all():
            difference -= difference.mean(axis=1, keepdims=True)
            other -= other.mean(axis=1, keepdims=True)
            sums.count += len(difference)
        else:
            difference, other = _centered(difference, tells), _centered(other, tells)
            sums.count += tells.sum(axis=0)
        sums.total += difference.sum(axis=0, dtype=np.float64)
        sums.squares += np.einsum("ij,ij->j", difference, difference)
        squares += float(np.vdot(other, other))
        number += float(tells.sum())
    sums.spread = math.sqrt(squares / number) if number else 0.0
    return sums


def _centered(block: NDArray[Any], tells: NDArray[np.bool_]) -> NDArray[Any]:
    """The scores that tell less their row's mean, the others 0."""
    known = np.where(tells, block, 0)
    centered: NDArray[Any] = np.where(
        tells, known - known.sum(axis=1, keepdims=True) / np.maximum(tells.sum(axis=1, keepdims=True), 1), 0
    )
    return centered


def _linear(block: NDArray[Any], floor: float | None) -> NDArray[Any]:
    """The scores in a precision to reckon in; probabilities as their logarithms, NaN where they are below ``floor``."""
    narrow = block.dtype.kind == "f" and block.dtype.itemsize <= 4
    copied: NDArray[Any] = block.astype(np.float32 if narrow else np.float64)
    if floor is None:
        return copied
    logs: NDArray[Any] = np.log(np.where(np.greater_equal(copied, floor), copied, np.nan))
    return logs


def _floor(probabilities: NDArray[Any]) -> float:
    """The smallest probability that is more than rounding: that depends on the finest step that there is."""
    finest = math.inf
    for rows in row_blocks(probabilities):
        block = probabilities[rows]
        positive = block[block > 0]
        if len(positive):
            finest = min(finest, float(positive.min()))
    tiny = float(np.finfo(probabilities.dtype).tiny) if probabilities.dtype.kind == "f" else 0.0
    return max(finest * COARSENESS if finest > 1e-9 else 0.0, tiny)


def _swapped(
    actual: NDArray[Any], expected: NDArray[Any], classes: Sequence[int], floor: float | None
) -> Iterator[tuple[int, int]]:
    """The pairs among these classes that give each other's scores."""
    one, other = _linear(actual[:, classes], floor), _linear(expected[:, classes], floor)
    apart = np.empty((len(classes), len(classes)))
    for place in range(len(classes)):
        squares = (one[:, [place]] - other) ** 2
        tells = np.isfinite(squares)
        apart[place] = np.where(tells, squares, 0).sum(axis=0) / np.maximum(tells.sum(axis=0), 1)
    apart = np.sqrt(apart)
    for first, second in combinations(range(len(classes)), 2):
        crossed = max(apart[first, second], apart[second, first])
        if crossed <= SWAPPED * min(apart[first, first], apart[second, second]):
            low, high = sorted((classes[first], classes[second]))
            yield low, high
