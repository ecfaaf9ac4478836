"""How many labels count as agreeing: with ties or without them, with flips that are known, and what may still come."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from pytest_envrobust.comparison.bounds import CONFIDENCE, clopper_pearson_lower, clopper_pearson_upper
from pytest_envrobust.comparison.labels import LabelComparison

Ties = Literal["count", "ignore"]
"""Whether ties count as flips, or are left out of the share altogether."""


@dataclass(frozen=True)
class Tally:
    """``agreeing`` of ``n`` inputs that count. Where none counts, nothing is shown."""

    agreeing: int
    n: int

    @property
    def share(self) -> float:
        """The share that agrees; 1 where no input counts."""
        return self.agreeing / self.n if self.n else 1.0

    @property
    def differing(self) -> int:
        return self.n - self.agreeing

    def lower(self, confidence: float = CONFIDENCE) -> float:
        """The share that these inputs show at least."""
        return clopper_pearson_lower(self.agreeing, self.n, confidence) if self.n else 0.0

    def upper(self, confidence: float = CONFIDENCE) -> float:
        """The share that these inputs allow at most."""
        return clopper_pearson_upper(self.agreeing, self.n, confidence) if self.n else 1.0

    def with_all_agreeing(self, more: int) -> Tally:
        """The best that ``more`` inputs can make of it."""
        return Tally(self.agreeing + more, self.n + more)


def tally(comparison: LabelComparison, ties: Ties = "count", known: Collection[int] = (), unrepeated: int = 0) -> Tally:
    """What counts of a comparison: ignored ties are left out, flips at the places ``known`` agree (NaN never does).

    ``unrepeated`` inputs agree only until the cell is run again: they do not count as agreeing.
    """
    ignored = comparison.tie if ties == "ignore" else 0
    excused = sum(
        flip.index in known and flip.kind != "undefined" and not (flip.kind == "tie" and ignored)
        for flip in comparison.flips
    )
    return Tally(comparison.agreeing + excused - unrepeated, comparison.n - ignored)
