"""How an environment's scores change by themselves: run again, with other threads, in other batches.

Such a change is numerical noise as long as it changes no label. One that does is none: it excuses no flip.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.blocks import largest_difference_of, row_blocks, spread_of
from pytest_envrobust.comparison.blur import EPSILON
from pytest_envrobust.comparison.labels import LabelComparison, top1
from pytest_envrobust.core.wording import counted

AGAIN = "when it is run again"
OTHER_ORDER = "when its inputs are run in another order"
ROUNDED = "when its inputs are rounded otherwise"
"""What another order of additions, or another engine, does to every value inside, done to the inputs."""

RANDOM_SHARE = 0.01
"""The same inputs run again change scores by less than this share of their spread, unless something in the model is
random, or keeps what it was given before."""
ROUNDING_SHARE = 0.05
"""Rounding changes scores by less than this share of their spread; where it changes more, it decides labels."""
LIKELY_CAUSES = (
    "look for dropout or noise that is still on (model.eval(), training=False), batch normalization in training mode, "
    "random augmentation or a state that calls change inside the model, nondeterministic kernels"
)


@dataclass(frozen=True)
class OwnChange:
    """What a change that should be harmless makes of an environment's scores of ``n`` inputs.

    ``how`` says what was changed. ``places`` are the inputs whose label is another then, and ``largest`` is the largest
    difference of two scores that are both finite; NaN where there are none. ``spread`` is that of the scores.
    """

    how: str
    n: int
    largest: float
    places: tuple[int, ...] = ()
    spread: float = 0.0

    @property
    def changes_labels(self) -> bool:
        """Whether an input has another label then."""
        return bool(self.places)

    @property
    def is_noise(self) -> bool:
        """Whether arithmetic alone explains it: no label changes, the same inputs again give nearly the same, and so do
        inputs that are rounded otherwise.
        """
        most = RANDOM_SHARE if self._is_rerun else ROUNDING_SHARE if self.how == ROUNDED else math.inf
        return not self.changes_labels and not self.largest > most * self.spread

    @property
    def unsettles(self) -> bool:
        """Whether no difference of scores can be told from it: the same inputs again do not give the same."""
        return self._is_rerun and not self.is_noise

    @property
    def _is_rerun(self) -> bool:
        return self.how in (AGAIN, OTHER_ORDER)

    def __str__(self) -> str:
        by = f"by up to {self.largest:.3g}"
        if self.changes_labels:
            return f"labels change {self.how}, on {len(self.places)} of {counted(self.n, 'input')} (scores {by})"
        return f"scores change {self.how}, {by}"


@dataclass(frozen=True)
class ComparedLabels:
    """A comparison of labels, and the noise that tells ties, where a flip made it worth measuring.

    ``noise`` is the reference's and ``own_noise`` the cell's, each with the change that showed it. On ``unrepeated``
    inputs that agree the cell gives another label when it is run again. ``remarks`` say which changes that should be
    harmless are not, ``notices`` what explains that labels differ.
    """

    comparison: LabelComparison
    noise: float | None = None
    own_noise: float | None = None
    noise_from: str = ""
    own_noise_from: str = ""
    unrepeated: int = 0
    remarks: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def own_change(how: str, scores: NDArray[Any], others: NDArray[Any]) -> OwnChange:
    """Hold an environment's scores, (N, classes), against those that it gives when something harmless is changed."""
    places = np.flatnonzero(top1(scores) != top1(others)).tolist()
    return OwnChange(how, len(scores), largest_difference_of(scores, others), tuple(places), spread_of(scores))


def own_rounding(scores: NDArray[Any], others: NDArray[Any]) -> OwnChange:
    """The same of inputs that were rounded otherwise: what becomes of the scores of those that keep their label.

    A label that so little changes had no margin. What rounding does to the others is what it does.
    """
    kept = top1(scores) == top1(others)
    largest = largest_difference_of(scores[kept], others[kept]) if kept.any() else math.nan
    return OwnChange(ROUNDED, len(scores), largest, spread=spread_of(scores))


def rounded_otherwise(inputs: NDArray[Any], precision: str, number: int) -> NDArray[Any] | None:
    """Inputs (N, ...), each value of them moved by one step of that type: up, or (``number`` above 0) up or down by
    chance. ``None`` where no value is a floating number.
    """
    if inputs.dtype.names is not None:  # of several inputs each has a field
        fields = {name: rounded_otherwise(inputs[name], precision, number) for name in inputs.dtype.names}
        if all(values is None for values in fields.values()):
            return None
        found = inputs.copy()
        for name, values in fields.items():
            found[name] = inputs[name] if values is None else values
        return found
    if inputs.dtype.kind != "f":
        return None
    step = max(EPSILON.get(precision, 0.0), float(np.finfo(inputs.dtype).eps))
    signs: Any = 1.0
    if number:
        signs = np.random.default_rng(number).choice(np.array([-1.0, 1.0], dtype=np.float32), inputs.shape)
    moved: NDArray[Any] = (inputs * (1.0 + step * signs)).astype(inputs.dtype)
    return moved


def together(changes: Sequence[OwnChange]) -> OwnChange:
    """Several tries of one change: the largest difference, and every input whose label any of them changed."""
    first = changes[0]
    places = sorted({place for change in changes for place in change.places})
    largest = max((change.largest for change in changes if math.isfinite(change.largest)), default=math.nan)
    return OwnChange(first.how, first.n, largest, tuple(places), first.spread)


def noise_of(changes: Sequence[OwnChange], *, of_cell: bool = False) -> tuple[float, str]:
    """The largest difference that arithmetic alone makes, and by which change; 0 where it makes none, or all may be
    random, or kept.

    ``of_cell``: what rounding makes counts, however much that is, as it excuses nothing there.
    """
    if any(change.unsettles for change in changes):
        return 0.0, ""
    found = [change for change in changes if change.is_noise or (of_cell and change.how == ROUNDED)]
    loudest = max((each for each in found if each.largest > 0), key=lambda each: each.largest, default=None)
    return (0.0, "") if loudest is None else (loudest.largest, loudest.how)


def remarks_on(changes: Sequence[OwnChange]) -> list[str]:
    """What is no noise, and excuses no flip, in words."""
    loud = (change for change in changes if not change.is_noise)
    return [f"its own {change}: that is no noise, and makes no tie" for change in loud]


def same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether dtype, shape and every bit are the same, NaN and the sign of 0 included."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return all(one[rows].tobytes() == other[rows].tobytes() for rows in row_blocks(one, other))
