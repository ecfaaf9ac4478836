"""Sampling: how many calls are timed, in which order, and when it is enough.

Sessions are timed in *rounds*. In a round each session has one *turn*: a few calls on the same inputs, one right after
the other. Every round has another order, so that none always goes first, and another number of calls: the first of a
turn finds cold caches and counts in no tail, and in turns of one length a slow call every so many would be that first
one always, or never.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, cycle, repeat
from random import Random
from statistics import fmean, median
from time import monotonic

from pytest_envrobust.core.timing import Clock, Timing
from pytest_envrobust.timing.intervals import CONFIDENCE, fewest_values, wider_by

Sampler = Callable[[int, int], Timing]
"""Times ``calls`` single calls on successive inputs from number ``first`` on: ``sampler(first, calls)``."""

TURN_SECONDS = 0.01
"""A turn of the fastest session lasts about so long: calls shorter than that are made several in a row, since the first
one after another process ran finds cold caches."""
MOST_CALLS_A_TURN = 500
FEWEST_ROUNDS = 6
"""Fewer rounds than this have no interval; they are made even where the budget is spent."""
MOST_ROUNDS = 200

COARSE = 0.01
"""A clock whose steps are longer than this share of what is timed cannot tell two of its kind apart."""

_WARM_UP_SHARE = 1 / 3
_GRACE = 3
_CALM_TURNS = 2
_SETTLED = 0.97
_FIRST_LOOK, _LOOK_GROWTH = 20, 1.5
"""Whether it is enough is asked from so many rounds on: the intervals of shorter series that depend on themselves
hold too seldom. Then each time that there are half as many again. Where several calls are a turn, they are no more than
let so many rounds fit into the budget; on a machine that was slower than it seemed, up to four times the budget is
spent on them, as few rounds that depend on each other have no interval."""


@dataclass(frozen=True)
class Effort:
    """How long sessions are timed.

    Until ``budget`` seconds are spent, but at least ``fewest`` rounds; or, sooner, until ``calls`` calls of each were
    made and there are ``most`` rounds, or enough for whoever asks for the sampling (see ``narrow_enough``): on
    intervals of ``confidence``.
    """

    budget: float = 3.0
    fewest: int = FEWEST_ROUNDS
    most: int = MOST_ROUNDS
    calls: int = 0
    confidence: float = CONFIDENCE

    @classmethod
    def at(cls, confidence: float, budget: float, calls: int = 0) -> Effort:
        """What intervals of that confidence need: at least as many rounds as they can be of, and more at most."""
        most = math.ceil(MOST_ROUNDS * wider_by(confidence) ** 2)
        return cls(budget, max(FEWEST_ROUNDS, fewest_values(confidence)), most, calls, confidence)


@dataclass(frozen=True)
class Turns:
    """The turns of one session: each the times of its calls, in their order, and what it took to warm up.

    ``warm_up_calls`` were made before, without being kept; ``settled`` says whether their times had stopped to fall.
    """

    turns: tuple[Timing, ...]
    warm_up_calls: int = 0
    settled: bool = True

    def typical(self, clock: Clock, step_ns: float = 0.0) -> list[float]:
        """Each turn's median call (ns) on that clock; empty where the clock was not read.

        Where the clock goes in steps (``step_ns``) that a call can be told by, the mean, of which steps are no part.
        """
        read = [times for turn in self.turns if (times := turn.on(clock))]
        typical = [median(times) for times in read]
        if not typical or step_ns <= COARSE * median(typical):
            return typical
        return [fmean(times[1:] or times) for times in read]

    @property
    def calls_a_turn(self) -> int:
        """The calls of the middle one of its turns."""
        return round(median(turn.calls for turn in self.turns))

    @property
    def timing(self) -> Timing:
        """Single calls without the first of each turn, which pays for the caches that other sessions used.

        A turn of one call, a long one, is taken as it is.
        """
        return Timing.joined(turn[1:] if turn.calls > 1 else turn for turn in self.turns)

    @property
    def numbers(self) -> list[int]:
        """The number of each call in `timing`, counted from the first call of the first turn."""
        starts = accumulate((turn.calls for turn in self.turns), initial=0)
        return [
            number
            for start, turn in zip(starts, self.turns)
            for number in range(start + (turn.calls > 1), start + turn.calls)
        ]


NarrowEnough = Callable[[Sequence[Turns]], bool]


def never(rounds: Sequence[Turns]) -> bool:
    """Nothing is narrow enough: the budget and the number of rounds alone end the sampling."""
    return False


def in_rounds(
    samplers: Sequence[Sampler],
    effort: Effort = Effort(),
    *,
    narrow_enough: NarrowEnough = never,
    clock: Callable[[], float] = monotonic,
) -> list[Turns]:
    """Time sessions in turns on the same inputs: the i-th turn of one lies beside the i-th of each other.

    Each is warmed up first, until its times settle or a third of the budget is spent.
    """
    end = clock() + effort.budget
    share = effort.budget * _WARM_UP_SHARE / len(samplers)
    warm = [_warmed_up(sampler, share, clock) for sampler in samplers]
    calls = _calls_a_turn([one.seconds_a_call for one in warm], effort.budget)
    lengths, first, kept = turn_lengths(calls), 0, 0
    turns: list[list[Timing]] = [[] for _ in samplers]
    orders = _orders(len(samplers))
    look = max(_FIRST_LOOK, effort.fewest)

    def rounds() -> list[Turns]:
        return [Turns(tuple(mine), one.calls, one.settled) for mine, one in zip(turns, warm)]

    enough = min(_FIRST_LOOK, effort.most) if calls > 1 else 0
    while (made := len(turns[0])) < effort.fewest or clock() < end + (_GRACE * effort.budget if made < enough else 0.0):
        if kept >= effort.calls:
            if made >= effort.most:
                break
            if made >= look:
                look = math.ceil(made * _LOOK_GROWTH)
                if narrow_enough(rounds()):
                    break
        length = next(lengths)
        for place in next(orders):
            turns[place].append(samplers[place](first, length))
        first, kept = first + length, kept + max(1, length - 1)
    return rounds()


def turn_lengths(calls: int) -> Iterator[int]:
    """How many calls the turns have, one after the other: about ``calls``, by chance up to a quarter more or less.

    One call where it is one; at least two otherwise. The same each time.
    """
    if calls == 1:
        return repeat(1)
    spread, random = max(1, calls // 4), Random(0)
    return (random.randint(max(2, calls - spread), calls + spread) for _ in repeat(None))


@dataclass(frozen=True)
class _WarmUp:
    calls: int
    seconds_a_call: float
    settled: bool


def _warmed_up(sampler: Sampler, budget: float, clock: Callable[[], float]) -> _WarmUp:
    """Call a session until its times have stopped to fall: just-in-time compilers, caches and clocks take a while.

    The first call, in which a compiler may take longer than the whole budget, does not count against it.
    """
    made, calls, calm = 1, 1, 0
    best = latest = _seconds(sampler(0, 1))
    end = clock() + budget
    while calm < _CALM_TURNS and clock() < end:
        calls = min(MOST_CALLS_A_TURN, max(1, math.ceil(TURN_SECONDS / max(best, 1e-9))))
        latest = _seconds(sampler(made, calls))
        made += calls
        calm = calm + 1 if latest >= best * _SETTLED else 0
        best = min(best, latest)
    return _WarmUp(made, latest, settled=calm > 0 or made == 1)


def _seconds(turn: Timing) -> float:
    return median(turn.wall_ns) / 1e9


def _calls_a_turn(seconds: Sequence[float], budget: float) -> int:
    """As many as make the fastest session's turn long enough, unless too few rounds would fit into the budget."""
    wanted = TURN_SECONDS / max(min(seconds), 1e-9)
    allowed = budget * (1 - _WARM_UP_SHARE) / _FIRST_LOOK / max(sum(seconds), 1e-9)
    return max(1, min(math.ceil(wanted), math.floor(allowed), MOST_CALLS_A_TURN))


def _orders(sessions: int) -> cycle[tuple[int, ...]]:
    """Orders in which each session comes as often early as late: a rotation, then the same turned round, and so on."""
    places = tuple(range(sessions))
    rotations = [places[start:] + places[:start] for start in places]
    return cycle(order for rotation in rotations for order in (rotation, rotation[::-1]))
