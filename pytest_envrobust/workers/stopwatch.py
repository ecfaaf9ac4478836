"""The worker's stopwatch: one call's wall, CPU and device time, and how fine these clocks are."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from numpy.typing import NDArray

from pytest_envrobust.backends.base import Session

_STEPS = 20
_MOST_READINGS = 1_000_000
_STILL_NS = 1_000_000_000


class Call(NamedTuple):
    """What one call gave and took; ``device_ns`` is ``None`` where no accelerator timed it."""

    scores: NDArray[Any]
    wall_ns: int
    cpu_ns: int
    device_ns: int | None


def timed(session: Session, batch: NDArray[Any]) -> Call:
    """Run one batch. CPU time is read outside wall time, since reading it takes longer."""
    timer = session.device_timer()
    cpu = time.process_time_ns()
    wall = time.perf_counter_ns()
    if timer is not None:
        timer.start()
    scores = session.run(batch)
    device = timer.stop() if timer is not None else None
    wall = time.perf_counter_ns() - wall
    return Call(scores, wall, time.process_time_ns() - cpu, device)


@contextmanager
def garbage_held() -> Iterator[None]:
    """No garbage is collected inside."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def clock_steps() -> dict[str, int]:
    """The smallest steps (ns) that wall and CPU clock were seen to make between two readings."""
    return {"wall": clock_step(time.perf_counter_ns), "cpu": clock_step(time.process_time_ns)}


def clock_step(clock: Callable[[], int]) -> int:
    """The smallest step (ns) that a clock was seen to make; a second for one that stands still."""
    steps: list[int] = []
    last = clock()
    for _ in range(_MOST_READINGS):
        now = clock()
        if now > last:
            steps.append(now - last)
            last = now
            if len(steps) == _STEPS:
                break
    return min(steps, default=_STILL_NS)
