"""Environments whose scores lie far further from the reference than all others: a broken engine behind equal labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.wording import listed

TIMES_FURTHER = 100.0
"""So many times further off than the next one."""
LEAST_SHARE = 0.05
"""And by so much of the spread of the scores at least: rounding to 16 bits stays below."""


@dataclass(frozen=True)
class Outputs:
    """Distinct outputs of one kind, the reference's first: the environments that gave each, bit for bit, and the
    largest differences of their scores, (N, N); NaN where two have no finite scores to compare.

    ``spread`` is that of the reference's scores (`blocks.spread_of`).
    """

    environments: Sequence[Sequence[str]]
    apart: NDArray[np.float64]
    spread: float


def outlier_notice(outputs: Outputs) -> str | None:
    """What to say of the environments that are far further off than the others; ``None`` where none is.

    The outputs are parted where one is 100 times as far from the reference's as the next nearer one, and by 5 % of the
    spread at least. Those beyond are the outliers unless they agree with each other to within a hundredth of that and
    are more than those near the reference, which then stand apart from all others themselves.
    """
    off = outputs.apart[0]
    if len(off) < 2 or not outputs.spread > 0:
        return None
    known = [0, *(int(place) for place in np.argsort(off[1:], kind="stable") + 1 if np.isfinite(off[place]))]
    cuts = [at for at in range(1, len(known)) if _is_gap(outputs, known[at - 1], known[at])]
    return next(filter(None, (_said(outputs, known[:at], known[at:]) for at in cuts)), None)


def _said(outputs: Outputs, near: list[int], far: list[int]) -> str | None:
    off = outputs.apart[0]
    here, there = _names(outputs, near), _names(outputs, far)
    most, among = float(off[far].max()), float(outputs.apart[np.ix_(far, far)].max())
    share = f"{most:.2g}, {most / outputs.spread:.0%} of their spread"
    if len(there) > len(here) and TIMES_FURTHER * among <= float(off[far].min()):
        one = len(here) == 1
        return (
            f"{listed(here)} {'stands' if one else 'stand'} apart: all {len(there)} others differ by up to {share}, "
            f"and from each other by {among:.2g} at most: equal labels or not, look at {_where(here, there, one=one)}"
        )
    alike = len(near) == 1  # bit by bit, as different engines seldom are
    if len(here) == 1 or (alike and not _sources(here) & _sources(there)):
        return None  # two that differ: nothing tells which of them is right
    one = len(there) == 1
    return (
        f"{listed(there)} {'is an outlier: its' if one else 'are outliers: their'} scores are off by up to {share}, "
        f"and those of all others by {float(off[near].max()):.2g} at most: equal labels or not, look at "
        f"{_where(there, here, one=one)}"
    )


def _is_gap(outputs: Outputs, nearer: int, further: int) -> bool:
    less, more = float(outputs.apart[0, nearer]), float(outputs.apart[0, further])
    return more >= LEAST_SHARE * outputs.spread and more >= TIMES_FURTHER * less


def _names(outputs: Outputs, places: Sequence[int]) -> list[str]:
    return list(chain.from_iterable(outputs.environments[place] for place in places))


def _sources(names: Sequence[str]) -> set[str]:
    return {Environment.parse(name).source for name in names}


def _where(names: Sequence[str], others: Sequence[str], *, one: bool) -> str:
    """Where to look: at a source of their own as well, as that differs in more than the engine."""
    sources = _sources(names)
    look = f"how {'it computes' if one else 'they compute'} this model"
    if sources & _sources(others):
        return look
    return f"{look}, and at weights, preprocessing and precision of {listed(sorted(sources))}"
