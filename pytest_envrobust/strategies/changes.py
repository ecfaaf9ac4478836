"""A picture, and how strongly each kind of change may be made: where a search for a small change looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.strategies.perturbation import Perturbation

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Shares = NDArray[np.float64]
"""A strength for each kind of `Changes.kinds`, as a share of the largest that is allowed, -1 to 1."""

WHOLE = frozenset({"shift", "shift_down", "jpeg"})
"""Kinds whose strengths are whole numbers."""
SEEDS = 2**16
"""Noise is drawn from one of so many seeds."""


@dataclass(frozen=True, eq=False)
class Changes:
    """A picture, uint8 of shape (height, width, 3), and the smallest and largest strength of each kind of change.

    ``kinds`` are the kinds that may have a strength other than 0, in the order in which they are made.
    """

    image: NDArray[np.uint8]
    kinds: tuple[str, ...]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def of(cls, image: NDArray[np.uint8], ranges: Mapping[str, tuple[float, float]]) -> Changes:
        """The kinds of `Perturbation` with their ranges; those that can be 0 alone are left out."""
        kinds = tuple(kind for kind, (low, high) in ranges.items() if low or high)
        low, high = ([float(ranges[kind][end]) for kind in kinds] for end in (0, 1))
        return cls(image, kinds, np.array(low), np.array(high))

    @property
    def limits(self) -> NDArray[np.float64]:
        """The largest strength of each kind, on whichever side."""
        return np.maximum(abs(self.low), abs(self.high))

    @property
    def least(self) -> Shares:
        """The smallest strengths: no change, unless a range leaves 0 out."""
        found: Shares = np.clip(0.0, self.low, self.high) / self.limits
        return found

    def clipped(self, shares: Shares) -> Shares:
        """The nearest shares within the ranges that can be made: whole numbers where a strength is one."""
        strengths = np.clip(shares * self.limits, self.low, self.high)
        whole = np.array([kind in WHOLE for kind in self.kinds], dtype=bool)
        found: Shares = np.where(whole, np.rint(strengths), strengths) / self.limits
        return found

    def perturbation(self, shares: Shares, seed: int) -> Perturbation:
        """What is done to the picture with these shares, noise drawn from ``seed``."""
        pairs = zip(self.kinds, (self.clipped(shares) * self.limits).tolist())
        given: dict[str, Any] = {kind: round(each) if kind in WHOLE else float(f"{each:.6g}") for kind, each in pairs}
        return Perturbation(**given, noise_seed=seed if given.get("noise") else 0)

    def shares(self, perturbation: Perturbation) -> Shares | None:
        """The shares of a perturbation; ``None`` where it does what is not allowed here."""
        done = {kind: value for kind, value in vars(perturbation).items() if value and kind != "noise_seed"}
        found: Shares = np.array([done.pop(kind, 0.0) for kind in self.kinds]) / self.limits
        return None if done or not np.allclose(found, self.clipped(found), atol=1e-5) else found


_KNOWN: WeakKeyDictionary[SearchStrategy[Any], Changes] = WeakKeyDictionary()


def remember(strategy: SearchStrategy[Any], changes: Changes) -> None:
    """Keep which changes a strategy draws from: it cannot be asked."""
    _KNOWN[strategy] = changes


def changes_of(strategy: SearchStrategy[Any]) -> Changes | None:
    """The changes that a strategy of `perturbed` draws from; ``None`` for any other."""
    return _KNOWN.get(strategy)
