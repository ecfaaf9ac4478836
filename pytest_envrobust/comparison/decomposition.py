"""Why two definitions of a model label inputs differently: how much of it their preprocessings make.

Each definition is run on inputs prepared by parts of the other's preprocessing; what flips vanish, the preprocessing
has made. It is done both ways, as networks that were trained apart bear a coarse preprocessing differently well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.accuracy import mcnemar_of
from pytest_envrobust.comparison.labels import UNDEFINED

RESIZING = frozenset(("filter", "geometry"))
"""Parts that say which pixels a network sees."""
OF_TRAINING = frozenset(("channels", "values"))
"""Parts that a network is trained for: they go with its weights."""
CHANCE = 0.05
"""A change of the number of flips with a larger p than this may be one by chance."""


LabelsByParts = Mapping[tuple[str, ...], NDArray[np.int64]]


@dataclass(frozen=True)
class Swap:
    """Parts of its preprocessing that a definition took from the reference's, and the flips that were left.

    ``new`` of the ``flips`` are inputs that had one label before. ``by_reference``: it was the reference that took
    them, from the definition's.
    """

    parts: tuple[str, ...]
    flips: int
    new: int
    by_reference: bool = False


@dataclass(frozen=True)
class Decomposition:
    """On ``n`` inputs a definition gives ``flips`` other labels than the reference does; ``swaps`` are what was tried.

    Without swaps both are prepared alike.
    """

    n: int
    flips: int
    swaps: tuple[Swap, ...] = ()

    @property
    def counted(self) -> Swap | None:
        """The swap that says what the preprocessing makes; ``None`` where none leaves fewer flips.

        It is that of all parts of the resizing or, where fewer labels differ with it, that of all parts: a network
        that was trained for other values than the reference's does worse with these.
        """
        candidates = [swap for swap in self.swaps if swap.parts in (self._resizing, self._everything)]
        best = min(candidates, key=lambda swap: swap.flips, default=None)
        return best if best is not None and best.flips < self.flips else None

    @property
    def of_preprocessing(self) -> int:
        """How many of the flips the preprocessing makes; the others are the definition's, weights and all."""
        return 0 if self.counted is None else self.flips - self.counted.flips

    @property
    def p(self) -> float:
        """How likely chance makes flips vanish and others come as unevenly: the exact test of McNemar."""
        swap = self.counted
        return 1.0 if swap is None else mcnemar_of(self.flips - (swap.flips - swap.new), swap.new).p

    @property
    def _everything(self) -> tuple[str, ...]:
        """All parts in which the preprocessings differ, as far as they could be tried."""
        return max((swap.parts for swap in self.swaps), key=len, default=())

    @property
    def _resizing(self) -> tuple[str, ...]:
        found = [swap.parts for swap in self.swaps if RESIZING.issuperset(swap.parts)]
        return max(found, key=len, default=())


def decomposed(
    expected: NDArray[np.int64], own: NDArray[np.int64], by_source: LabelsByParts, by_reference: LabelsByParts
) -> Decomposition:
    """What labels (N,) show: the reference's, a definition's own, and those of either with parts of the other's."""
    before = _flipped(expected, own)

    def swap(parts: tuple[str, ...], after: NDArray[np.bool_], *, back: bool) -> Swap:
        return Swap(parts, int(after.sum()), int((after & ~before).sum()), by_reference=back)

    swaps = [swap(parts, _flipped(expected, labels), back=False) for parts, labels in by_source.items()]
    swaps += [swap(parts, _flipped(labels, own), back=True) for parts, labels in by_reference.items()]
    return Decomposition(len(expected), int(before.sum()), tuple(swaps))


def tried(parts: Sequence[str]) -> list[tuple[str, ...]]:
    """Which of the differing parts are taken at a time: each of the resizing, all of it, each of the others, all."""
    resizing = tuple(part for part in parts if part in RESIZING)
    others = [(part,) for part in parts if part not in RESIZING]
    found = [*((part,) for part in resizing), resizing, *others, tuple(parts)]
    return [each for each in dict.fromkeys(found) if each]


def tried_back(parts: Sequence[str]) -> list[tuple[str, ...]]:
    """Which of them the reference takes from the other: all of the resizing or, where that is the same, all."""
    resizing = tuple(part for part in parts if part in RESIZING)
    return [each for each in (resizing or tuple(parts),) if each]


def _flipped(expected: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    flipped: NDArray[np.bool_] = (expected != labels) | (labels == UNDEFINED)
    return flipped
