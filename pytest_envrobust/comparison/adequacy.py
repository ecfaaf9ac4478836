"""Can these inputs tell? Which seeded faults would change labels that a broken model must not keep.

The share of seeded faults that a test sees is mutation testing's score: R. DeMillo, R. Lipton and F. Sayward, 'Hints on
Test Data Selection: Help for the Practicing Programmer', 1978. Here inputs are what is tested, and faults are of what
goes into a network and comes out of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.blocks import row_blocks
from pytest_envrobust.comparison.kinds import kind_of
from pytest_envrobust.comparison.labels import UNDEFINED, top1
from pytest_envrobust.core.errors import DeclarationError

SHIFTED_LABELS, BIASED_CLASS, CONSTANT, REVERSED = "shifted-labels", "biased-class", "constant", "reversed"
OUTPUT_FAULTS = (SHIFTED_LABELS, BIASED_CLASS, CONSTANT, REVERSED)

MIN_KILL_SCORE = 0.8
"""The share of faults that adequate inputs see at least: one or two of ten may pass by, a class of faults may not."""

BIAS = 3.0
"""How far one class is raised, in standard deviations of the scores."""

ONE_LABEL = "the inputs are inadequate: the reference gives them all one label, so a broken model can agree too"


@dataclass(frozen=True)
class FaultEffect:
    """A seeded fault, and on how many of ``n`` inputs it changed the label. Inputs without a label do not count."""

    fault: str
    changed: int
    n: int

    def is_seen(self, min_agreement: float) -> bool:
        """Whether the labels that it left alone are too few for that limit on the share of agreeing ones."""
        return self.n > 0 and (self.n - self.changed) / self.n < min_agreement

    def __str__(self) -> str:
        return f"{self.fault} ({self.changed} of {self.n} labels changed)"


@dataclass(frozen=True)
class Adequacy:
    """What ``n`` inputs can tell: how many different labels the reference gives them, and what faults would change.

    ``effects`` has the faults that apply to these inputs, one each.
    """

    n: int
    distinct_labels: int
    effects: tuple[FaultEffect, ...]

    def seen(self, min_agreement: float) -> tuple[str, ...]:
        """The faults that would fail that limit on the share of agreeing labels."""
        return tuple(effect.fault for effect in self.effects if effect.is_seen(min_agreement))

    def unseen(self, min_agreement: float) -> tuple[str, ...]:
        """The faults with which that limit would still hold."""
        return tuple(effect.fault for effect in self.effects if not effect.is_seen(min_agreement))

    def kill_score(self, min_agreement: float) -> float:
        """The share of the faults that would be seen, 0 where none applies."""
        return len(self.seen(min_agreement)) / len(self.effects) if self.effects else 0.0

    def is_adequate(self, min_agreement: float) -> bool:
        """Whether there is more than one label, and the kill score is at least `MIN_KILL_SCORE`."""
        return self.distinct_labels > 1 and self.kill_score(min_agreement) >= MIN_KILL_SCORE

    def lines(self, min_agreement: float) -> list[str]:
        """What the inputs can tell, in words for a report: whether they are adequate, and the faults not seen."""
        return [*self._why_inadequate(min_agreement), self._tally(min_agreement)]

    def _why_inadequate(self, min_agreement: float) -> Iterator[str]:
        if self.distinct_labels == 0:
            yield "the inputs are inadequate: the reference gives none of them a label"
        elif self.distinct_labels == 1:
            yield ONE_LABEL
        elif not self.is_adequate(min_agreement):
            yield f"the inputs are inadequate: they would miss more than {1 - MIN_KILL_SCORE:.0%} of the faults"

    def _tally(self, min_agreement: float) -> str:
        said = f"the inputs would see {len(self.seen(min_agreement))} of {len(self.effects)} seeded faults"
        unseen = [str(effect) for effect in self.effects if not effect.is_seen(min_agreement)]
        return f"{said}, not {', '.join(unseen)}" if unseen else said


def adequacy(expected: NDArray[Any], effects: Sequence[FaultEffect] = ()) -> Adequacy:
    """What inputs can tell with the reference's scores ``expected``, shape (N, classes).

    The faults of the output are made here; ``effects`` are those of inputs and weights, measured by running the
    reference. Raises `DeclarationError` where the scores are not of shape (N, classes), or hold nothing.
    """
    labels = top1(expected)
    if not len(labels):
        raise DeclarationError(f"scores of shape {expected.shape} hold no inputs", remedy="give at least one input")
    found = [effect_of(name, labels, faulty) for name, faulty in _output_faults(expected, labels)]
    distinct = int(np.count_nonzero(np.unique(labels) != UNDEFINED))
    return Adequacy(len(labels), distinct, (*effects, *found))


def effect_of(fault: str, labels: NDArray[np.int64], faulty: NDArray[np.int64]) -> FaultEffect:
    """How many of the reference's labels a fault changed. One that the fault leaves without a label is changed."""
    known = labels != UNDEFINED
    return FaultEffect(fault, int(np.count_nonzero((labels != faulty) & known)), int(np.count_nonzero(known)))


def _output_faults(scores: NDArray[Any], labels: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """The labels that each fault of the output gives: scores are never copied whole.

    The label that a constant output gives is the most frequent one: of all constants it is the hardest to see.
    """
    known, classes = labels != UNDEFINED, scores.shape[1]
    if not known.any():
        return
    if classes > 1:
        yield SHIFTED_LABELS, np.where(known, (labels + 1) % classes, UNDEFINED)
        raised = _biased(scores, labels)
        if raised is not None:
            yield BIASED_CLASS, raised
    yield CONSTANT, np.full_like(labels, np.bincount(labels[known]).argmax())
    if len(labels) > 1:
        yield REVERSED, labels[::-1]


def _biased(scores: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """The labels where one class is raised: that of the highest mean that is not every input's label already.

    Probabilities are raised by their logarithms, which differ from the logits by a constant in each row. ``None``
    where the scores do not differ.
    """
    logarithmic = kind_of(scores) == "probabilities"
    means, deviation = _moments(scores, logarithmic)
    known = labels[labels != UNDEFINED]
    if (known == known[0]).all():
        means[known[0]] = -np.inf
    favored = int(means.argmax())
    if not deviation > 0:
        return None
    found = np.empty_like(labels)
    for rows in row_blocks(scores):
        block = _linear(scores[rows], logarithmic)
        block[:, favored] += BIAS * deviation
        found[rows] = top1(block)
    return found


def _moments(scores: NDArray[Any], logarithmic: bool) -> tuple[NDArray[np.float64], float]:
    """The mean of each class and the standard deviation of all scores, float64, over the finite ones.

    The mean of a class without a finite score is -infinite. One pass for the means and one for the squares, as the sum
    of squares alone would lose everything where the mean is large.
    """
    counts, sums = np.zeros(scores.shape[1]), np.zeros(scores.shape[1])
    for rows in row_blocks(scores):
        block = _linear(scores[rows], logarithmic)
        finite = np.isfinite(block)
        counts += finite.sum(axis=0)
        sums += np.where(finite, block, 0.0).sum(axis=0)
    if not counts.any():
        return np.full(scores.shape[1], -np.inf), 0.0
    center, squares = sums.sum() / counts.sum(), 0.0
    for rows in row_blocks(scores):
        block = _linear(scores[rows], logarithmic)
        away = block[np.isfinite(block)] - center
        squares += float(away @ away)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), -np.inf)
    return means, float(np.sqrt(squares / counts.sum()))


def _linear(block: NDArray[Any], logarithmic: bool) -> NDArray[np.float64]:
    """A copy in float64; probabilities as their logarithms, those that rounded to 0 as the smallest float32."""
    copied = block.astype(np.float64)
    return np.log(np.maximum(copied, float(np.finfo(np.float32).tiny))) if logarithmic else copied
