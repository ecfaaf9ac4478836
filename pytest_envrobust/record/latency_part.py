"""Times in a record: written from what was measured, and read back to be judged again."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from msgspec.structs import replace

from pytest_envrobust.core.axes import Point
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.timing import Clock, Timing, median_ms
from pytest_envrobust.record import schema
from pytest_envrobust.record.judged_part import finite
from pytest_envrobust.record.schema import Ends, Interval, Latency, Simultaneous, Times
from pytest_envrobust.timing.drift import NO_DRIFT, Drift
from pytest_envrobust.timing.evidence import (
    CLOCKS,
    TAILS,
    LatencyEvidence,
    LatencyFigures,
    TimedPoint,
    deciding_clock,
    has_tail,
    tail_of,
)
from pytest_envrobust.timing.intervals import CONFIDENCE, Estimate, median_interval
from pytest_envrobust.timing.ratios import smallest_visible
from pytest_envrobust.timing.tails import TailCauses, tail_causes

_SAMPLED: tuple[Clock, ...] = ("wall", "cpu", "device")
"""Clocks whose single calls are kept."""
KEPT_SAMPLES = 100
"""Single calls that the record keeps of a cell."""


def latency_part(
    evidence: LatencyEvidence, points: Sequence[TimedPoint] = (), confidence: float = CONFIDENCE
) -> Latency:
    """What was measured of a cell, and at further points of the axes, without the limits. Not finite is absent.

    ``confidence`` is that of the intervals that a verdict rests on; beside those at 95 %, where it is more.
    """
    deciding = evidence.ratios.get(evidence.clock)
    return replace(
        _times_part(evidence.timing),
        measured_from="pairs" if evidence.ratios else "alone",
        batch=evidence.point.batch,
        threads=evidence.point.threads,
        clock=evidence.clock,
        images_per_second=finite(evidence.images_per_second),
        first_call_ms=evidence.first_call_ms,
        rounds=evidence.rounds,
        calls_a_turn=evidence.calls_a_turn,
        warm_up_calls=evidence.warm_up_calls,
        ratio=_all_ends(evidence.ratios),
        control=_all_ends(evidence.controls),
        control_fault=evidence.control_fault or None,
        smallest_visible=None if deciding is None else finite(smallest_visible(deciding)),
        simultaneous=_simultaneous(LatencyFigures.of(evidence, confidence)) if confidence > CONFIDENCE else None,
        notices=list(evidence.notices) or None,
        slow_calls=_slow_calls(evidence.timing),
        by_input=[schema.InputTime(**asdict(each)) for each in evidence.by_input] or None,
        quiet=evidence.quiet,
        drift=schema.Drift(time=evidence.drift.time, ratio=evidence.drift.ratio)
        if evidence.drift != NO_DRIFT
        else None,
        points=[_point_part(timed, confidence) for timed in points] or None,
    )


def predicted_part(timing: Timing) -> Latency:
    """The times of the calls that gave the predictions, where nobody asked for a time."""
    return replace(_times_part(timing), measured_from="predictions")


def recorded_times(latency: Latency, confidence: float = CONFIDENCE) -> LatencyFigures:
    """The figures of a cell's times, as far as the record has them, with intervals of that confidence or more."""
    usual, told = _usual_times(latency), latency.simultaneous
    if told is None or confidence <= CONFIDENCE:
        return usual.at(confidence)
    wall, tails = latency.wall_ms, told.tails or {}
    middles = {"p90": wall.p90, "p99": wall.p99} if wall is not None else {}
    surer = dataclasses.replace(
        usual,
        medians={clock: _within(each.mid, (told.medians or {}).get(clock)) for clock, each in usual.medians.items()},
        tails={name: _within(mid, tails[name]) for name, mid in middles.items() if mid is not None and name in tails},
        ratios={
            clock: Estimate(*(told.ratio or {}).get(clock, (0.0, each.mid, math.inf)))
            for clock, each in usual.ratios.items()
        },
        confidence=told.confidence,
        usual=usual,
    )
    return surer.at(confidence)


def _usual_times(latency: Latency) -> LatencyFigures:
    wall = latency.wall_ms
    return LatencyFigures(
        calls=(wall.n or 0) if wall is not None else 0,
        medians={clock: _middle(times) for clock in CLOCKS if (times := latency.on(clock)) is not None},
        tails={} if wall is None else _tails(wall),
        own_tails={} if latency.own_ms is None else _tails(latency.own_ms),
        tail_causes={
            name: TailCauses(told.calls, told.held_up, told.waited) for name, told in (latency.slow_calls or {}).items()
        },
        ratios=_estimates(latency.ratio),
        controls=_estimates(latency.control),
        control_fault=latency.control_fault or "",
        clock=latency.clock,
        threads=latency.threads or 1,
        quiet=latency.quiet,
        drift=NO_DRIFT if latency.drift is None else Drift(latency.drift.time, latency.drift.ratio),
    )


def point_of(latency: Latency) -> Point:
    """Where on the axes it was measured."""
    return Point(latency.batch or 1, latency.threads or 1)


def clock_of(environment: str, latency: Latency | None) -> Clock:
    """The clock that a cell's time was judged on or, where it was not, would be; wall time for an unknown device."""
    if latency is not None and latency.clock is not None:
        return latency.clock
    try:
        return deciding_clock(environment)
    except DeclarationError:
        return "wall"


def ends(estimate: Estimate) -> Ends | None:
    """Low end, middle and high end; ``None`` where the estimate is not bounded."""
    return (estimate.low, estimate.mid, estimate.high) if estimate.is_bounded else None


def times_of(times_ns: Sequence[int]) -> Times | None:
    """Median and tails of single calls (ns), in milliseconds; ``None`` where there are none.

    ``interval`` is that of the median, from 6 calls on; ``p90`` is there from 20 calls and ``p99`` from 200, so that
    two calls at least lie beyond it, and their intervals where there are enough calls for both ends (36 and 368).
    """
    if not times_ns:
        return None
    milliseconds = np.asarray(times_ns, dtype=np.float64) / 1e6
    tails = {name: tail_of(tuple(times_ns), share) for name, share in TAILS.items() if has_tail(len(times_ns), share)}
    p90, p99 = tails.get("p90"), tails.get("p99")
    return Times(
        median=median_ms(times_ns),
        n=len(times_ns),
        interval=median_interval(milliseconds.tolist()),
        p90=None if p90 is None else p90.mid,
        p90_interval=_bounded(p90),
        p99=None if p99 is None else p99.mid,
        p99_interval=_bounded(p99),
    )


def _times_part(timing: Timing) -> Latency:
    return Latency(
        wall_ms=times_of(timing.on("wall")),
        cpu_ms=times_of(timing.on("cpu")),
        own_ms=times_of(timing.on("own")),
        device_ms=times_of(timing.on("device")),
        samples_ms={clock: _thinned(times) for clock in _SAMPLED if (times := timing.on(clock))} or None,
    )


def _thinned(times_ns: Sequence[int]) -> list[float]:
    """Single calls in milliseconds, in their order; of more than 100 every so many, from the first to the last."""
    count = min(len(times_ns), KEPT_SAMPLES)
    places = np.linspace(0, len(times_ns) - 1, count).round().astype(int)
    return [times_ns[place] / 1e6 for place in places.tolist()]


def _slow_calls(timing: Timing) -> dict[str, schema.SlowCalls] | None:
    found = {name: tail_causes(timing, share) for name, share in TAILS.items() if has_tail(timing.calls, share)}
    return {name: schema.SlowCalls(**asdict(causes)) for name, causes in found.items()} or None


def _simultaneous(figures: LatencyFigures) -> Simultaneous:
    return Simultaneous(
        confidence=figures.confidence,
        medians={clock: told for clock, each in figures.medians.items() if (told := _bounded(each)) is not None}
        or None,
        tails={name: told for name, each in figures.tails.items() if (told := _bounded(each)) is not None} or None,
        ratio=_all_ends(figures.ratios),
    )


def _point_part(timed: TimedPoint, confidence: float) -> Latency:
    if timed.evidence is None:
        return Latency(batch=timed.point.batch, threads=timed.point.threads, reason=timed.reason)
    return latency_part(timed.evidence, confidence=confidence)


def _all_ends(estimates: Mapping[Clock, Estimate]) -> dict[Clock, Ends] | None:
    return {clock: told for clock, estimate in estimates.items() if (told := ends(estimate)) is not None} or None


def _bounded(tail: Estimate | None) -> tuple[float, float] | None:
    return (tail.low, tail.high) if tail is not None and tail.is_bounded else None


def _middle(times: Times) -> Estimate:
    return _within(times.median, times.interval)


def _within(middle: float, interval: Interval | None) -> Estimate:
    low, high = interval or (0.0, math.inf)
    return Estimate(low, middle, high)


def _tails(wall: Times) -> dict[str, Estimate]:
    told = {"p90": (wall.p90, wall.p90_interval), "p99": (wall.p99, wall.p99_interval)}
    return {
        name: Estimate(interval[0], middle, interval[1])
        for name, (middle, interval) in told.items()
        if middle is not None and interval is not None
    }


def _estimates(recorded: Mapping[Clock, Ends] | None) -> dict[Clock, Estimate]:
    return {clock: Estimate(*recorded[clock]) for clock in CLOCKS if clock in recorded} if recorded else {}
