"""The worker's stopwatch: one call's wall, CPU and device time, what others took of it, how fine these clocks are."""

from __future__ import annotations

import gc
import os
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
    """What one call gave and took; ``device_ns`` is ``None`` where no accelerator timed it.

    ``held_up_ns`` is how long the calling thread was ready to run while another had its processor; ``None`` where
    nobody asked or the system does not tell.
    """

    scores: NDArray[Any]
    wall_ns: int
    cpu_ns: int
    device_ns: int | None
    held_up_ns: int | None = None


HeldUp = Callable[[], int]
"""How long (ns) a thread has been held up so far."""


def timed(session: Session, batch: NDArray[Any], held_up: HeldUp | None = None) -> Call:
    """Run one batch. What takes longer to read is read outside of what takes less: CPU time outside wall time."""
    timer = session.device_timer()
    before = held_up() if held_up is not None else 0
    cpu = time.process_time_ns()
    wall = time.perf_counter_ns()
    if timer is not None:
        timer.start()
    scores = session.run(batch)
    device = timer.stop() if timer is not None else None
    wall = time.perf_counter_ns() - wall
    cpu = time.process_time_ns() - cpu
    return Call(scores, wall, cpu, device, held_up() - before if held_up is not None else None)


SCHEDULING = "/proc/thread-self/schedstat"
"""Where Linux tells what the calling thread had of its processor, and how long it waited for it (ns)."""


@contextmanager
def scheduling(path: str = SCHEDULING) -> Iterator[HeldUp | None]:
    """What tells how long the thread that enters this has been held up; ``None`` where the system does not."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        yield None
        return
    try:
        yield _reader(file)
    finally:
        os.close(file)


def _reader(file: int) -> HeldUp | None:
    def held_up() -> int:
        return int(os.pread(file, 100, 0).split()[1])

    try:
        held_up()
    except (OSError, ValueError, IndexError):
        return None
    return held_up


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
