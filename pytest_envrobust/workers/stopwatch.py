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

    ``held_up_ns`` is how long its threads were ready to run while others had their processor; ``None`` where nobody
    asked or the system does not tell.
    """

    scores: NDArray[Any]
    wall_ns: int
    cpu_ns: int
    device_ns: int | None
    held_up_ns: int | None = None


HeldUp = Callable[[], int]
"""How long (ns) the threads have been held up so far."""


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


TASKS = "/proc/self/task"
"""Where Linux tells of each thread how often and how long it had a processor, and how long it was ready for one."""


class Scheduling:
    """How long the threads of this process have been held up so far (ns); called, it reads that.

    An engine may compute in a thread of its own while its caller waits: so all threads that were there count, or, once
    `keep_active` was called, those that had a processor since.
    """

    def __init__(self, files: list[int]) -> None:
        self._files = files
        self._start = [_read(file) for file in files]

    def __call__(self) -> int:
        return sum(_read(file)[1] for file in self._files)

    def keep_active(self) -> None:
        """Leave out threads that do nothing: reading one takes microseconds."""
        active = [_read(file) != start for file, start in zip(self._files, self._start)]
        self._files = [file for file, is_active in zip(self._files, active) if is_active]
        self._start = [_read(file) for file in self._files]


@contextmanager
def scheduling(folder: str = TASKS) -> Iterator[Scheduling | None]:
    """What tells how long this process's threads are held up; ``None`` where the system does not."""
    files: list[int] = []
    try:
        try:
            for thread in os.listdir(folder):
                files.append(os.open(f"{folder}/{thread}/schedstat", os.O_RDONLY))
            found: Scheduling | None = Scheduling(files) if files else None
        except (OSError, ValueError, IndexError):
            found = None
        yield found
    finally:
        for file in files:
            os.close(file)


def _read(file: int) -> tuple[int, int, int]:
    """CPU time and time ready for it (ns), and how often it had a processor; zeros of a thread that has ended."""
    try:
        had, held_up, slices = os.pread(file, 100, 0).split()
    except ProcessLookupError:
        return 0, 0, 0
    return int(had), int(held_up), int(slices)


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
