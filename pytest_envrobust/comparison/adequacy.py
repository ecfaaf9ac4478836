"""Can these inputs tell? Which seeded faults would change labels that a broken model must not keep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.detection import Predicted, detection, is_seen, predicted
from pytest_envrobust.comparison.labels import UNDEFINED, top1
from pytest_envrobust.comparison.output_faults import faulty_labels
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.faults import BY_NAME, OUTPUTS, Fault, told
from pytest_envrobust.core.wording import counted, shortened

MIN_PREDICTED = 1 / 3
"""The share of faults that adequate inputs are predicted to see at least."""

SHOWN = 5
"""So many kinds of faults are named in a line."""

ONE_LABEL = "the inputs are inadequate: the reference gives them all one label, so a broken model can agree too"


@dataclass(frozen=True)
class FaultEffect:
    """A seeded fault, and on how many of ``n`` inputs it changed the label. Inputs without a label do not count.

    ``fault`` is its kind and ``strength`` how strong it is: ``None`` where a record of older versions does not say. Of
    a fault that is drawn several times, each draw has an effect of its own.
    """

    fault: str
    changed: int
    n: int
    strength: float | None = None

    def is_seen(self, min_agreement: float) -> bool:
        """Whether the labels that it left alone are too few for that limit on the share of agreeing ones."""
        return is_seen(self.changed, self.n, min_agreement)


@dataclass(frozen=True)
class Level:
    """A kind of fault at one strength: its effects, one a draw. It is visible where more than half of them are seen."""

    fault: str
    strength: float | None
    effects: tuple[FaultEffect, ...]

    def is_visible(self, min_agreement: float) -> bool:
        """Whether a fault of that strength fails the limit."""
        return 2 * sum(effect.is_seen(min_agreement) for effect in self.effects) > len(self.effects)

    def __str__(self) -> str:
        return told(self.fault, self.strength)


@dataclass(frozen=True)
class Adequacy:
    """What ``n`` inputs can tell: how many different labels the reference gives them, and what faults would change.

    ``effects`` has the faults that apply to these inputs, of each kind the weaker ones first.
    """

    n: int
    distinct_labels: int
    effects: tuple[FaultEffect, ...]

    @property
    def kinds(self) -> dict[str, list[Level]]:
        """The strengths of each kind of fault, weakest first."""
        grouped: dict[tuple[str, float | None], list[FaultEffect]] = {}
        for effect in self.effects:
            grouped.setdefault((effect.fault, effect.strength), []).append(effect)
        found: dict[str, list[Level]] = {}
        for (kind, strength), effects in grouped.items():
            found.setdefault(kind, []).append(Level(kind, strength, tuple(effects)))
        return {kind: sorted(levels, key=_strength) for kind, levels in found.items()}

    def smallest_visible(self, min_agreement: float) -> dict[str, Level | None]:
        """Of each kind the weakest strength from which on all are visible under that limit; ``None`` where none is."""
        found: dict[str, Level | None] = {}
        for kind, levels in self.kinds.items():
            found[kind] = None
            for level in reversed(levels):
                if not level.is_visible(min_agreement):
                    break
                found[kind] = level
        return found

    def predicted(self, min_agreement: float) -> Predicted | None:
        """The share of faults that these inputs would see under that limit; ``None`` where nothing was seeded."""
        if not self.effects:
            return None
        chances = [
            [float(np.mean([self._chance(effect, min_agreement) for effect in level.effects])) for level in levels]
            for levels in self.kinds.values()
        ]
        return predicted(chances)

    def is_adequate(self, min_agreement: float) -> bool:
        """Whether there is more than one label, and the predicted share is at least `MIN_PREDICTED`."""
        share = self.predicted(min_agreement)
        return self.distinct_labels > 1 and share is not None and share.share >= MIN_PREDICTED

    def lines(self, min_agreement: float) -> list[str]:
        """What the inputs can tell, in words for a report: whether they are adequate, and which faults they miss."""
        return [*self._why_inadequate(min_agreement), *self._prediction(min_agreement), *self._unseen(min_agreement)]

    def _chance(self, effect: FaultEffect, min_agreement: float) -> float:
        labeled = max(each.n for each in self.effects)  # faults of outputs are tried on all
        return detection(effect.changed, effect.n, labeled, min_agreement)

    def _why_inadequate(self, min_agreement: float) -> Iterator[str]:
        if self.distinct_labels == 0:
            yield "the inputs are inadequate: the reference gives none of them a label"
        elif self.distinct_labels == 1:
            yield ONE_LABEL
        elif not min_agreement:
            yield "a limit of 0 on labels lets every fault pass, whatever the inputs are"
        elif not self.is_adequate(min_agreement):
            yield "the inputs are inadequate: they would see less than a third of faults"

    def _prediction(self, min_agreement: float) -> Iterator[str]:
        share = self.predicted(min_agreement)
        if share is None or not min_agreement:
            return
        only = all(kind in BY_NAME and BY_NAME[kind].place == OUTPUTS for kind in self.kinds)
        where = " in outputs (no other can be seeded here)" if only else ""
        strengths = sum(map(len, self.kinds.values()))
        seeded = f"{strengths} seeded ones of {counted(len(self.kinds), 'kind')}"
        yield f"the inputs would see {share} of faults{where}, as {seeded} predict"

    def _unseen(self, min_agreement: float) -> Iterator[str]:
        if not min_agreement:
            return
        visible = self.smallest_visible(min_agreement)
        never = [_with_counts(self.kinds[kind][-1]) for kind, level in visible.items() if level is None]
        if never:
            yield f"they would miss {shortened(never, SHOWN)}"
        partly = [str(level) for kind, level in visible.items() if level and level.strength != self._weakest(kind)]
        if partly:
            yield f"they would see no weaker fault than {shortened(partly, SHOWN)}"

    def _weakest(self, kind: str) -> float | None:
        return self.kinds[kind][0].strength


def _strength(level: Level) -> float:
    falls = level.fault in BY_NAME and BY_NAME[level.fault].falls
    return (level.strength or 0.0) * (-1 if falls else 1)


def _with_counts(level: Level) -> str:
    """A fault in words, and how many labels it changed: of several draws the one in the middle."""
    effect = sorted(level.effects, key=lambda each: each.changed)[len(level.effects) // 2]
    return f"{level} ({effect.changed} of {effect.n} labels changed)"


def adequacy(expected: NDArray[Any], effects: Sequence[FaultEffect] = ()) -> Adequacy:
    """What inputs can tell with the reference's scores ``expected``, shape (N, classes).

    The faults of the output are made here; ``effects`` are those of inputs and weights, measured by running the
    reference. Raises `DeclarationError` where the scores are not of shape (N, classes), or hold nothing.
    """
    labels = top1(expected)
    if not len(labels):
        raise DeclarationError(f"scores of shape {expected.shape} hold no inputs", remedy="give at least one input")
    found = [effect_of(fault, labels, faulty) for fault, faulty in faulty_labels(expected, labels)]
    distinct = int(np.count_nonzero(np.unique(labels) != UNDEFINED))
    return Adequacy(len(labels), distinct, (*effects, *found))


def effect_of(fault: Fault, labels: NDArray[np.int64], faulty: NDArray[np.int64]) -> FaultEffect:
    """How many of the reference's labels a fault changed. One that the fault leaves without a label is changed."""
    known = labels != UNDEFINED
    changed = int(np.count_nonzero((labels != faulty) & known))
    return FaultEffect(fault.kind, changed, int(np.count_nonzero(known)), fault.strength)
