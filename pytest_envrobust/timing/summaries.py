"""What is told of single calls' times: medians, tails, and the calls themselves, thinned out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pytest_envrobust.core.timing import Clock, Timing
from pytest_envrobust.timing.evidence import TAILS, tail_of
from pytest_envrobust.timing.intervals import Estimate, median_interval

_BEYOND = 2
"""A tail is told only where at least so many calls lie beyond it: p90 from 20 calls, p99 from 200."""

KEPT_SAMPLES = 100
"""Single calls that the record keeps of a cell."""

CLOCKS: tuple[Clock, ...] = ("wall", "cpu", "device")


def summary(timing: Timing) -> dict[str, dict[str, Any]]:
    """Medians and tails for the record: ``wall_ms``, ``cpu_ms``, ``device_ms``, each ``{"median", "n"}``, in ms.

    ``interval`` is that of the median, from 6 calls on; ``p90`` is there from 20 calls and ``p99`` from 200, so that
    two calls at least lie beyond it, and ``p90_interval`` and ``p99_interval`` where there are enough calls for both
    ends (36 and 368). A clock that was not read is left out.
    """
    return {f"{clock}_ms": _summary(times) for clock in CLOCKS if (times := timing.on(clock))}


def ends(estimate: Estimate) -> list[float] | None:
    """An estimate as the record has it, ``[low, middle, high]``; ``None`` where it is not bounded."""
    return [estimate.low, estimate.mid, estimate.high] if estimate.is_bounded else None


def samples(timing: Timing) -> dict[str, list[float]]:
    """Times of single calls for the record, by clock, in milliseconds, in the order of the calls.

    Of more than 100 calls every so many is taken, from the first to the last. A clock that was not read is left out.
    """
    return {clock: _thinned(times) for clock in CLOCKS if (times := timing.on(clock))}


def _thinned(times: Sequence[int]) -> list[float]:
    count = min(len(times), KEPT_SAMPLES)
    places = np.linspace(0, len(times) - 1, count).round().astype(int)
    return [times[place] / 1e6 for place in places.tolist()]


def _summary(times: tuple[int, ...]) -> dict[str, Any]:
    milliseconds = np.asarray(times, dtype=np.float64) / 1e6
    found: dict[str, Any] = {"median": float(np.median(milliseconds)), "n": len(times)}
    if interval := median_interval(milliseconds.tolist()):
        found["interval"] = list(interval)
    for name, share in TAILS.items():
        if len(times) * (1 - share) >= _BEYOND - 1e-9:
            tail = tail_of(times, share)
            found[name] = tail.mid
            if tail.is_bounded:
                found[f"{name}_interval"] = [tail.low, tail.high]
    return found
