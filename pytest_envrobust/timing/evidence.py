"""What was measured of a cell's time: the evidence that a verdict rests on, and its figures as a record has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from pytest_envrobust.core.axes import Point
from pytest_envrobust.core.devices import is_processor
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.timing import Clock, Timing
from pytest_envrobust.timing.by_input import InputTime
from pytest_envrobust.timing.drift import NO_DRIFT, Drift
from pytest_envrobust.timing.intervals import CONFIDENCE, Estimate, median_interval, quantile_interval, widened
from pytest_envrobust.timing.ratios import paired_ratio
from pytest_envrobust.timing.sampling import COARSE
from pytest_envrobust.timing.tails import TailCauses, tail_causes

CLOCKS: tuple[Clock, ...] = ("wall", "cpu", "own", "device")

Pairs = tuple[Sequence[float], Sequence[float]]
"""Times (ns) of a cell's turns, and of its reference's beside them."""
TAILS: Mapping[str, float] = {"p90": 0.9, "p99": 0.99}
"""Tails that can be limited, by name, and the share of calls that are no slower."""
_BEYOND = 2


@dataclass(frozen=True)
class LatencyEvidence:
    """What was measured of a cell's time at one point of the axes.

    ``timing`` are its settled calls. ``ratios`` are to the reference's time, by clock, and ``controls`` those of a
    second session of the reference to the first: the A/A control; ``control_fault`` says why there is none where there
    should be. ``clock`` is the one that decides. ``rounds`` turns of ``calls_a_turn`` calls were timed after
    ``warm_up_calls``; ``settled`` is whether the times had stopped to fall by then. ``first_call_ms`` is the wall time
    of the session's very first call, and ``notices`` say what makes all of this doubtful. ``quiet`` is whether nobody
    else had the processor meanwhile, ``None`` where nothing tells. ``drift`` is how times changed from the first round
    to the last, ``by_input`` which inputs differ in time. All intervals in it hold at 95 %; ``pairs`` are the times
    that the ratios are of, by clock, for others.
    """

    timing: Timing
    ratios: Mapping[Clock, Estimate] = field(default_factory=dict)
    controls: Mapping[Clock, Estimate] = field(default_factory=dict)
    control_fault: str = ""
    clock: Clock = "wall"
    point: Point = field(default_factory=Point)
    rounds: int = 0
    calls_a_turn: int = 1
    warm_up_calls: int = 0
    settled: bool = True
    first_call_ms: float | None = None
    notices: tuple[str, ...] = ()
    quiet: bool | None = None
    drift: Drift = NO_DRIFT
    by_input: tuple[InputTime, ...] = ()
    pairs: Mapping[Clock, Pairs] = field(default_factory=dict, repr=False)

    def ratios_at(self, confidence: float) -> Mapping[Clock, Estimate]:
        """The ratios with their intervals at a confidence."""
        if confidence == CONFIDENCE:
            return self.ratios
        return {
            clock: paired_ratio(*self.pairs[clock], confidence=confidence)
            if clock in self.pairs
            else widened(ratio, confidence)
            for clock, ratio in self.ratios.items()
        }

    @property
    def wall_ratio(self) -> Estimate | None:
        """How many times the reference's wall time; ``None`` where it was timed alone."""
        return self.ratios.get("wall")

    @property
    def cpu_ratio(self) -> Estimate | None:
        """How many times the reference's CPU time; ``None`` where it was timed alone."""
        return self.ratios.get("cpu")

    @property
    def images_per_second(self) -> float:
        """Inputs that go through in a second of wall time, at the median call."""
        return self.point.batch / (self.timing.median_wall_ms / 1e3)


@dataclass(frozen=True)
class TimedPoint:
    """A further point of the axes: what was measured there or, where the cell cannot be brought to it, why."""

    point: Point
    evidence: LatencyEvidence | None = None
    reason: str = ""


@dataclass(frozen=True)
class LatencyFigures:
    """What a verdict on time rests on, as a record has it: no single calls.

    ``calls`` is how many were timed; ``medians`` by clock and ``tails`` (of the wall time, by name) are in
    milliseconds, absent where there were no calls, not bounded where there were too few. ``own_tails`` are those
    without what other processes took, at 95 %, and ``tail_causes`` why its calls were slow. The rest is as in
    `LatencyEvidence`; ``clock`` is ``None`` where nobody wrote down which one decides. ``threads`` is how many the
    engine had, ``quiet`` whether nobody else had the processor (``None``: nothing tells). The intervals hold at
    ``confidence``, but for those of the controls, at 95 %; where that is more, ``usual`` are the figures at 95 %.
    """

    calls: int
    medians: Mapping[Clock, Estimate] = field(default_factory=dict)
    tails: Mapping[str, Estimate] = field(default_factory=dict)
    own_tails: Mapping[str, Estimate] = field(default_factory=dict)
    tail_causes: Mapping[str, TailCauses] = field(default_factory=dict)
    ratios: Mapping[Clock, Estimate] = field(default_factory=dict)
    controls: Mapping[Clock, Estimate] = field(default_factory=dict)
    control_fault: str = ""
    clock: Clock | None = None
    threads: int = 1
    quiet: bool | None = None
    drift: Drift = NO_DRIFT
    confidence: float = CONFIDENCE
    usual: LatencyFigures | None = None

    @property
    def shown(self) -> LatencyFigures:
        """The figures at 95 %."""
        return self.usual or self

    def at(self, confidence: float) -> LatencyFigures:
        """The same at a higher confidence, where nothing is left of what they were found from."""
        if confidence <= self.confidence:
            return self

        def wide(estimates: Mapping[Any, Estimate]) -> dict[Any, Estimate]:
            return {name: widened(each, confidence, self.confidence) for name, each in estimates.items()}

        return replace(
            self,
            medians=wide(self.medians),
            tails=wide(self.tails),
            ratios=wide(self.ratios),
            confidence=confidence,
            usual=self.shown,
        )

    @classmethod
    def of(cls, evidence: LatencyEvidence, confidence: float = CONFIDENCE) -> LatencyFigures:
        """The figures of what was measured."""
        timing = evidence.timing
        medians = {clock: median_of(times, confidence) for clock in CLOCKS if (times := timing.on(clock))}
        own, calls = timing.own_ns, timing.calls
        return cls(
            calls,
            medians,
            {name: tail_of(timing.wall_ns, share, confidence) for name, share in TAILS.items() if calls},
            {name: tail_of(own, share) for name, share in TAILS.items() if own},
            {name: tail_causes(timing, share) for name, share in TAILS.items() if has_tail(calls, share)},
            evidence.ratios_at(confidence),
            evidence.controls,
            evidence.control_fault,
            evidence.clock,
            evidence.point.threads,
            evidence.quiet,
            evidence.drift,
            confidence,
            None if confidence == CONFIDENCE else cls.of(evidence),
        )


def has_tail(calls: int, share: float) -> bool:
    """Whether at least two of so many calls lie beyond the tail: of p90 from 20 calls on, of p99 from 200."""
    return calls * (1 - share) >= _BEYOND - 1e-9


def median_of(times_ns: tuple[int, ...], confidence: float = CONFIDENCE) -> Estimate:
    """The median of single calls (ns) in milliseconds, with its interval."""
    low, high = median_interval(times_ns, confidence) or (0.0, float("inf"))
    return Estimate(low / 1e6, median(times_ns) / 1e6, high / 1e6)


def tail_of(times_ns: tuple[int, ...], share: float, confidence: float = CONFIDENCE) -> Estimate:
    """The time (ms) that ``share`` of single calls (ns) do not exceed, with its interval."""
    import numpy as np

    low, high = quantile_interval(times_ns, share, confidence)
    return Estimate(low / 1e6, float(np.quantile(times_ns, share)) / 1e6, high / 1e6)


def deciding_clock(
    environment: Environment | str, threads: int = 1, *, cpu_step_ns: float = 0, turn_ns: float = 1
) -> Clock:
    """The clock that a limit on ratios is judged on: CPU time where it sees everything, else wall time.

    CPU time is steadier, since other processes do not lengthen it much. It does not see an accelerator, waiting, or how
    well several threads share the work; and on some systems it goes in steps that are long beside
    a turn. The environment's
    device is the one that the engine uses: of a name that a user chose nobody knows what CPU time sees there.
    """
    device = (Environment.parse(environment) if isinstance(environment, str) else environment).device
    sees_all = is_processor(device) and threads == 1
    return "cpu" if sees_all and cpu_step_ns <= COARSE * turn_ns else "wall"
