"""Seeded faults of outputs: the labels that a network gives whose end is broken, made from the reference's scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.blocks import row_blocks
from pytest_envrobust.comparison.kinds import kind_of
from pytest_envrobust.comparison.labels import UNDEFINED, top1
from pytest_envrobust.core.faults import OUTPUTS, Fault, faults

Labels = NDArray[np.int64]


def faulty_labels(scores: NDArray[Any], labels: Labels) -> Iterator[tuple[Fault, Labels]]:
    """Each fault of the outputs and the labels that it gives; ``labels`` are those of the reference's ``scores``.

    - ``classes``: two classes or a share of them are called by each other's numbers, or all by the next one's, as with
      a background class more or less.
    - ``biased-class``: one class's score is raised by so many standard deviations of the margins.
    - ``coarse-scores``: scores are rounded to so many bits, evenly spaced between the least and the greatest.
    - ``order``: the outputs of two inputs, or of a share of them, are exchanged, or all come in reverse order.
    - ``stuck``: an input, or a share of them, has the output of the one before it; or every input gets the label that
      is most frequent already, of all constants the hardest to see.

    Where most scores are not known (top-k, labels alone), a class cannot be raised, nor can scores be rounded.
    Scores are never copied whole.
    """
    known, classes = labels != UNDEFINED, scores.shape[1]
    if not known.any() or classes < 2:
        return
    of_scores = _of_scores(scores, labels)
    for fault in faults(OUTPUTS):
        found = of_scores.get(fault) if fault.kind in _OF_SCORES else _of_labels(fault, labels, classes)
        if found is not None:
            yield fault, np.where(known, found, UNDEFINED)


_OF_SCORES = frozenset({"biased-class", "coarse-scores"})


def _of_labels(fault: Fault, labels: Labels, classes: int) -> Labels | None:
    """The labels that a fault gives, which asks for no scores; ``None`` where it cannot be made."""
    random = np.random.default_rng(fault.seed)
    if fault.kind == "classes":
        return _renamed(labels, classes, fault.strength, random)
    if len(labels) < 2 and fault.strength != 1.0:
        return None
    return (_reordered if fault.kind == "order" else _stuck)(labels, fault.strength, random)


def _of_scores(scores: NDArray[Any], labels: Labels) -> dict[Fault, Labels]:
    """The labels of all faults that change scores: these are read twice, whatever the number of faults."""
    kind = kind_of(scores)
    if kind in ("top-k", "labels"):
        return {}
    asked = [fault for fault in faults(OUTPUTS) if fault.kind in _OF_SCORES]
    of_classes = [fault for fault in asked if fault.kind == "biased-class"]
    favored = [int(np.random.default_rng(fault.seed).integers(scores.shape[1])) for fault in of_classes]
    ends = _Ends(scores, favored, logarithmic=kind == "probabilities")
    found = {}
    for fault, column in zip(of_classes, range(len(favored))):
        if ends.deviation > 0:
            raised = ends.favored[:, column] + fault.strength * ends.deviation > ends.best
            found[fault] = np.where(raised, favored[column], labels)
    if ends.low < ends.high:
        coarse = [fault for fault in asked if fault.kind == "coarse-scores"]
        found |= {fault: np.empty_like(labels) for fault in coarse}
        for rows in row_blocks(scores):
            away = (scores[rows].astype(np.float64) - ends.low) / (ends.high - ends.low)
            for fault in coarse:
                found[fault][rows] = top1(np.rint(away * (2**fault.strength - 1)))
    return found


class _Ends:
    """What is needed of scores to break them: each row's best one, those of some classes, the whole's range.

    Probabilities are seen by their logarithms, which differ from the logits by a constant in each row; those that
    rounded to 0 as the smallest float32.
    """

    def __init__(self, scores: NDArray[Any], classes: list[int], *, logarithmic: bool) -> None:
        self.best, second = np.empty(len(scores)), np.empty(len(scores))
        self.favored = np.empty((len(scores), len(classes)))
        self.low, self.high = np.inf, -np.inf
        for rows in row_blocks(scores):
            block = scores[rows].astype(np.float64)
            finite = np.isfinite(block)
            self.low = min(self.low, float(np.where(finite, block, np.inf).min()))
            self.high = max(self.high, float(np.where(finite, block, -np.inf).max()))
            if logarithmic:
                block = np.log(np.maximum(block, float(np.finfo(np.float32).tiny)))
            second[rows], self.best[rows] = np.partition(block, -2, axis=1)[:, -2:].T
            self.favored[rows] = block[:, classes]
        with np.errstate(invalid="ignore"):
            margins = self.best - second
        finite = np.isfinite(margins)
        self.deviation = float(margins[finite].std()) if finite.any() else 0.0


def _renamed(labels: Labels, classes: int, share: float, random: np.random.Generator) -> Labels:
    called = np.arange(classes)
    places = called if share == 1.0 else random.permutation(classes)[: max(2, round(share * classes))]
    called[places] = np.roll(places, -1)
    return called[labels]


def _reordered(labels: Labels, share: float, random: np.random.Generator) -> Labels:
    if share == 1.0:
        return labels[::-1]
    order = np.arange(len(labels))
    places = random.permutation(len(labels))[: max(2, round(share * len(labels)))]
    order[places] = np.roll(places, 1)
    return labels[order]


def _stuck(labels: Labels, share: float, random: np.random.Generator) -> Labels:
    if share == 1.0:
        return np.full_like(labels, np.bincount(labels[labels != UNDEFINED]).argmax())
    found = labels.copy()
    places = np.sort(1 + random.permutation(len(labels) - 1)[: max(1, round(share * len(labels)))])
    for place in places:  # an output that is stuck stays so for the next one too
        found[place] = found[place - 1]
    return found
