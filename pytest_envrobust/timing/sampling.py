"""Sampling: how many calls are timed, in which order, and when it is enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from pytest_envrobust.core.timing import Timing

Sampler = Callable[[int, int], Timing]
"""Times ``calls`` single calls on successive inputs from number ``first`` on: ``sampler(first, calls)``."""

WARM_UP_CALLS = 1
MOST_PAIRS = 60
FEWEST_PAIRS = 6
"""Fewer pairs than this have no interval; they are taken even where the budget is spent."""


@dataclass(frozen=True)
class Paired:
    """Times of a cell and of its reference, the i-th of one taken beside the i-th of the other."""

    cell: Timing
    reference: Timing


def interleaved(
    cell: Sampler,
    reference: Sampler,
    *,
    budget: float,
    most: int = MOST_PAIRS,
    clock: Callable[[], float] = monotonic,
) -> Paired:
    """Time both in turns, on the same inputs, the order swapped every pair, for at most ``budget`` seconds.

    At least `FEWEST_PAIRS` pairs are taken whatever the budget says.
    """
    cell(0, WARM_UP_CALLS)
    reference(0, WARM_UP_CALLS)
    end = clock() + budget
    mine: list[Timing] = []
    theirs: list[Timing] = []
    while len(mine) < most and (len(mine) < FEWEST_PAIRS or clock() < end):
        number = len(mine)
        turns = [(cell, mine), (reference, theirs)]
        for sampler, times in turns if number % 2 == 0 else reversed(turns):
            times.append(sampler(number, 1))
    return Paired(_joined(mine), _joined(theirs))


def alone(cell: Sampler, *, budget: float, most: int = MOST_PAIRS, clock: Callable[[], float] = monotonic) -> Timing:
    """Time a cell by itself, for at most ``budget`` seconds, as `interleaved` would."""
    cell(0, WARM_UP_CALLS)
    end = clock() + budget
    times: list[Timing] = []
    while len(times) < most and (len(times) < FEWEST_PAIRS or clock() < end):
        times.append(cell(len(times), 1))
    return _joined(times)


def _joined(times: list[Timing]) -> Timing:
    return Timing.of([ns for one in times for ns in one.wall_ns], [ns for one in times for ns in one.cpu_ns])
