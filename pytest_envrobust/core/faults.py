"""The faults that are seeded to see what a model's inputs can tell: one table of kinds and strengths.

Each kind is told at several strengths, from one that hardly shows to one that nobody should miss, so that the weakest
visible one can be named. What is random (which class, which layer) is drawn several times, with fixed seeds.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

INPUTS, SOURCE, OUTPUTS = "inputs", "source", "outputs"
"""Where a fault is made: in what the reference is fed, in its definition, in what it gives."""


@dataclass(frozen=True)
class FaultKind:
    """A kind of fault: ``levels`` has its strengths, weakest first, and how each is told after the kind's name.

    ``draws`` is how often the random part is drawn, at each strength but the whole (1). A strength that ``falls`` is
    stronger the smaller its number is.
    """

    name: str
    place: str
    levels: Mapping[float, str]
    draws: int = 1
    falls: bool = False

    def draws_of(self, strength: float) -> int:
        """How often the random part is drawn at that strength."""
        is_whole = strength == 1.0 and not {ONE, LAYER}.isdisjoint(self.levels)
        return 1 if is_whole else self.draws


@dataclass(frozen=True)
class Fault:
    """A fault of a kind, at a strength; of what is random the draw of that number."""

    kind: str
    strength: float
    draw: int = 0

    @property
    def seed(self) -> tuple[int, int]:
        """What its random part is drawn with: the same at all strengths, so that a stronger one is only that."""
        return zlib.crc32(self.kind.encode()), self.draw

    def __str__(self) -> str:
        return told(self.kind, self.strength)


ONE = 0.0
"""The strength of a fault in one place that is drawn: one kernel, one layer, two classes."""
LAYER = 0.5
"""The strength of a fault in the whole of one layer that is drawn."""

KINDS = (
    FaultKind("colors", INPUTS, {0.1: "mixed by a tenth", 0.3: "mixed by a third", 1.0: "in reverse order (BGR)"}),
    FaultKind("layout", INPUTS, {1.0: "with height and width swapped", 2.0: "read channels last for first"}),
    FaultKind("normalization", INPUTS, {0.1: "off by a tenth", 0.3: "off by a third", 1.0: "left out"}),
    FaultKind("scale", INPUTS, {0.01: "off by 1 %", 0.1: "off by 10 %", 0.4: "off by 40 %", 2.0: "applied twice"}),
    FaultKind("filter", INPUTS, {1.0: "another smooth one", 2.0: "nearest neighbor"}),
    FaultKind("squash", INPUTS, {0.25: "by a quarter", 0.5: "by half", 1.0: "wholly"}),
    FaultKind("crop", INPUTS, {0.03: "off by 3 %", 0.07: "off by 7 %", 0.14: "off by 14 %"}),
    FaultKind("shift", INPUTS, {1.0: "by 1 pixel", 3.0: "by 3 pixels", 8.0: "by 8 pixels"}),
    FaultKind("mirrored", INPUTS, {1.0: ""}),
    FaultKind("coarse-weights", SOURCE, {8.0: "of 8 bits", 6.0: "of 6 bits", 4.0: "of 4 bits"}, falls=True),
    FaultKind("flipped-kernels", SOURCE, {ONE: "one alone", LAYER: "in one layer", 1.0: "in all layers"}, 3),
    FaultKind("zeroed-channels", SOURCE, {ONE: "one alone", LAYER: "one in ten in one layer", 1.0: "in all layers"}, 3),
    FaultKind("activation", SOURCE, {LAYER: "in one layer", 1.0: "in all layers"}, 3),
    FaultKind("epsilon", SOURCE, {1e-3: "greater by 0.001", 1e-2: "greater by 0.01", 1e-1: "greater by 0.1"}),
    FaultKind("padding", SOURCE, {LAYER: "in one layer", 1.0: "in all layers"}, 3),
    FaultKind("classes", OUTPUTS, {ONE: "two swapped", 0.1: "a tenth swapped", 1.0: "all shifted by one"}, 8),
    FaultKind("biased-class", OUTPUTS, {1.0: "by 1 deviation", 3.0: "by 3 deviations"}, 8),
    FaultKind("coarse-scores", OUTPUTS, {8.0: "of 8 bits", 6.0: "of 6 bits", 4.0: "of 4 bits"}, falls=True),
    FaultKind("order", OUTPUTS, {ONE: "of two inputs swapped", 0.1: "of a tenth swapped", 1.0: "reversed"}, 8),
    FaultKind("stuck", OUTPUTS, {ONE: "at one input", 0.1: "at a tenth of the inputs", 1.0: "at all"}, 8),
)
"""A strength of 1 is the whole of it and has no random part, whatever ``draws`` says."""

BY_NAME = {kind.name: kind for kind in KINDS}


def faults(place: str) -> tuple[Fault, ...]:
    """All faults that are made at a place, in the table's order."""
    return tuple(
        Fault(kind.name, strength, draw)
        for kind in KINDS
        if kind.place == place
        for strength in kind.levels
        for draw in range(kind.draws_of(strength))
    )


def told(kind: str, strength: float | None) -> str:
    """A fault in words: its kind and how strong it is. Of a kind that an older record has, its name."""
    level = BY_NAME[kind].levels.get(strength, "") if kind in BY_NAME and strength is not None else ""
    return f"{kind} {level}".rstrip()
