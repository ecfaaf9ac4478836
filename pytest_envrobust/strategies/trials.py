"""Changes of a picture that were tried, each once: how large they are, and how near to two different labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.strategies.changes import Changes, Shares
from pytest_envrobust.strategies.perturbation import Perturbation
from pytest_envrobust.strategies.probe import Pair, Probe

Measure = Literal["rms", "strengths"]
"""What a change's size is: the root mean square by which it changes pixels, or its strengths themselves."""

Candidate = tuple[Shares, int]
"""Shares of the strengths, and the seed of the noise."""

BATCH = 8
"""So many candidates are predicted in one call."""


@dataclass(frozen=True, eq=False)
class Trial:
    """A change that was tried: shares, seed of its noise, size, and what became of the unchanged picture's label.

    ``first`` and ``last`` are how far that label is ahead of all others in the environment where it is less, and in
    that where it is more: below 0 where the environment has left it. ``pair`` has the scores of both.
    """

    shares: Shares
    seed: int
    perturbation: Perturbation
    size: float
    first: float
    last: float
    pair: Pair

    @cached_property
    def differs(self) -> bool:
        """Whether the two labels do."""
        return self.pair.differs()[0]

    @property
    def has_crossed(self) -> bool:
        """Whether one of both has left the label."""
        return self.first < 0 or self.differs

    @property
    def order(self) -> tuple[float, int, float]:
        """The smaller, the better: by size; of equal ones by the number of kinds, and by how strong they are."""
        used = abs(self.shares[self.shares != 0])
        return (round(self.size, 9), len(used), float(used.sum()))


def rms(image: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """The root of the mean square by which the values of two pictures of one shape differ, 0 to 255."""
    difference = np.subtract(image, other, dtype=np.float32).ravel()
    return math.sqrt(float(np.vdot(difference, difference)) / difference.size)


SIZES: dict[str, Callable[[Changes, NDArray[np.uint8], Shares], float]] = {
    "rms": lambda changes, image, _: rms(changes.image, image),
    "strengths": lambda _, __, shares: float(np.sqrt(np.sum(shares**2))),
}
"""The size of a change, by the name of its measure."""


class Trials:
    """All trials of a search, by what was done; ``best`` is the smallest whose labels differ."""

    def __init__(self, changes: Changes, probe: Probe, measure: Measure) -> None:
        self.changes, self.measure = changes, measure
        self.best: Trial | None = None
        self._probe = probe
        self._size = SIZES[measure]
        self._made: dict[Perturbation, Trial] = {}
        self._label = 0

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._made.values())

    @property
    def left(self) -> int:
        """How many may still be predicted."""
        return self._probe.left

    @property
    def best_size(self) -> float:
        """The size of the best; infinite where there is none."""
        return math.inf if self.best is None else self.best.size

    def of(self, wanted: Sequence[Candidate]) -> list[Trial]:
        """The trials of these candidates in their order, as far as the budget goes. What was tried costs nothing."""
        asked = [(self.changes.perturbation(*candidate), candidate) for candidate in wanted]
        new = [each for each in dict(asked).items() if each[0] not in self._made]
        while new and (left := self.left):
            count = min(BATCH, left)
            self._predict(new[:count])
            new = new[count:]
        return [self._made[each] for each, _ in asked if each in self._made]

    def _predict(self, batch: Sequence[tuple[Perturbation, Candidate]]) -> None:
        images = tuple(each.apply(self.changes.image) for each, _ in batch)
        pair = self._probe.predict(LoadedInputs(tuple(str(each) for each, _ in batch), images=images))
        if not self._made:
            self._label = max(pair.labels[0][0], 0)
        first, last = np.sort(pair.leads(self._label), axis=0).tolist()
        for place, (perturbation, (shares, seed)) in enumerate(batch):
            made = self.changes.clipped(shares)
            size = self._size(self.changes, images[place], made)
            trial = Trial(made, seed, perturbation, size, first[place], last[place], pair.row(place))
            self._made[perturbation] = trial
            if trial.differs and (self.best is None or trial.order < self.best.order):
                self.best = trial
