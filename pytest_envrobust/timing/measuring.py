"""From sessions that can be sampled to the evidence of a cell's time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from pytest_envrobust.core.axes import Point
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.timing import Clock
from pytest_envrobust.timing.by_input import InputTime, inputs_that_differ
from pytest_envrobust.timing.drift import Drift, drift
from pytest_envrobust.timing.evidence import CLOCKS, LatencyEvidence, Pairs, deciding_clock, median_of
from pytest_envrobust.timing.intervals import CONFIDENCE, Estimate
from pytest_envrobust.timing.ratios import paired_ratio, smallest_visible
from pytest_envrobust.timing.sampling import Effort, Sampler, Turns, in_rounds
from pytest_envrobust.timing.waiting import may_disagree

PRECISION = 0.02
"""How narrow an interval is asked for unless the user says otherwise: a slowdown of 2 % could be seen."""


@dataclass(frozen=True)
class Timed:
    """What is timed: where, at which point of the axes, the steps (ns) of its worker's clocks, and how many inputs the
    calls go through (0: nobody says).
    """

    environment: Environment
    point: Point = field(default_factory=Point)
    cpu_step_ns: float = 0.0
    wall_step_ns: float = 0.0
    inputs: int = 0

    @property
    def steps_ns(self) -> Mapping[Clock, float]:
        """The steps by clock."""
        return {"cpu": self.cpu_step_ns, "wall": self.wall_step_ns, "own": self.wall_step_ns}


def measure_alone(timed: Timed, cell: Sampler, effort: Effort, precision: float = PRECISION) -> LatencyEvidence:
    """Time a cell by itself, until the interval of its median is within ``precision`` of it on both sides."""

    def narrow_enough(rounds: Sequence[Turns]) -> bool:
        clock = _clock(timed, rounds[0])
        return smallest_visible(median_of(rounds[0].timing.on(clock), effort.confidence)) - 1 <= precision

    [turns] = in_rounds([cell], effort, narrow_enough=narrow_enough)
    return _evidence(timed, turns)


def measure_beside(
    timed: Timed,
    cell: Sampler,
    reference: Sampler,
    control: Sampler | None,
    effort: Effort,
    precision: float = PRECISION,
) -> LatencyEvidence:
    """Time a cell in turns with its reference and, as the A/A control, a second session of that.

    Until a slowdown of ``precision`` could be told from none on the clock that decides, the control has an interval
    too, and wall time is not above CPU time within the intervals alone; or as `Effort` says.
    """

    def narrow_enough(rounds: Sequence[Turns]) -> bool:
        clock = _clock(timed, rounds[0])
        ratio = _ratio(timed, rounds[0], rounds[1], clock, effort.confidence)
        controls = [_ratio(timed, turns, rounds[1], clock) for turns in rounds[2:]]
        narrow = ratio is not None and smallest_visible(ratio) - 1 <= precision
        if narrow and clock == "cpu" and may_disagree(_ratios(timed, rounds[0], rounds[1])):
            return False
        return narrow and all(each is not None and each.is_bounded for each in controls)

    samplers = [cell, reference] if control is None else [cell, reference, control]
    turns = in_rounds(samplers, effort, narrow_enough=narrow_enough)
    found = _evidence(timed, turns[0])
    return replace(
        found,
        ratios=_ratios(timed, turns[0], turns[1]),
        pairs={clock: pairs for clock in CLOCKS if (pairs := _pairs(timed, turns[0], turns[1], clock)) is not None},
        controls=_ratios(timed, turns[2], turns[1]) if control is not None else {},
        settled=all(each.settled for each in turns),
        drift=Drift(found.drift.time, _ratio_drift(found.clock, turns[0], turns[1])),
    )


def _evidence(timed: Timed, turns: Turns) -> LatencyEvidence:
    return LatencyEvidence(
        turns.timing,
        clock=_clock(timed, turns),
        point=timed.point,
        rounds=len(turns.turns),
        calls_a_turn=turns.calls_a_turn,
        warm_up_calls=turns.warm_up_calls,
        settled=turns.settled,
        drift=Drift(drift(turns.typical("own") or turns.typical("wall"))),
        by_input=_by_input(timed, turns),
    )


def _by_input(timed: Timed, turns: Turns) -> tuple[InputTime, ...]:
    """Which inputs differ in time; of several a call, those that a call begins with."""
    if not timed.inputs:
        return ()
    places = [number * timed.point.batch % timed.inputs for number in turns.numbers]
    return inputs_that_differ(places, turns.timing.on("own") or turns.timing.on("wall"))


def _ratio_drift(clock: Clock, mine: Turns, theirs: Turns) -> float | None:
    """On the clock that decides or, where waiting grows that CPU time does not see, on the undisturbed wall time."""
    clocks: tuple[Clock, ...] = (clock, "own")
    pairs = [(mine.typical(each), theirs.typical(each)) for each in clocks]
    found = (drift(above, below) for above, below in pairs if above and below)
    return next((each for each in found if each is not None), None)


def _clock(timed: Timed, turns: Turns) -> Clock:
    turn = median(turns.timing.wall_ns) * turns.calls_a_turn
    return deciding_clock(timed.environment, timed.point.threads, cpu_step_ns=timed.cpu_step_ns, turn_ns=turn)


def _ratios(timed: Timed, mine: Turns, theirs: Turns) -> dict[Clock, Estimate]:
    return {clock: ratio for clock in CLOCKS if (ratio := _ratio(timed, mine, theirs, clock)) is not None}


def _ratio(timed: Timed, mine: Turns, theirs: Turns, clock: Clock, confidence: float = CONFIDENCE) -> Estimate | None:
    pairs = _pairs(timed, mine, theirs, clock)
    return None if pairs is None else paired_ratio(*pairs, confidence=confidence)


def _pairs(timed: Timed, mine: Turns, theirs: Turns, clock: Clock) -> Pairs | None:
    step = timed.steps_ns.get(clock, 0.0)
    above, below = mine.typical(clock, step), theirs.typical(clock, step)
    return (above, below) if above and below else None
