"""Times of single calls, as the worker measured them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

Clock = Literal["wall", "cpu", "own", "device"]
"""What a time is read from: ``wall`` (`perf_counter_ns`), ``cpu`` (`process_time_ns`, all threads of the worker's
process), ``own`` (wall time less the part in which another process had the processor that the call was ready to run
on) or ``device`` (an accelerator's own events)."""


@dataclass(frozen=True)
class Timing:
    """Wall and CPU nanoseconds of single calls, in the order they were made.

    ``device_ns`` are those of an accelerator's own events; empty where there is none. ``held_up_ns`` is how long the
    call was ready to run while another process had its processor; empty where the system does not tell.
    """

    wall_ns: tuple[int, ...]
    cpu_ns: tuple[int, ...]
    device_ns: tuple[int, ...] = ()
    held_up_ns: tuple[int, ...] = ()

    @property
    def calls(self) -> int:
        return len(self.wall_ns)

    @property
    def median_wall_ms(self) -> float:
        return median_ms(self.wall_ns)

    @property
    def median_cpu_ms(self) -> float:
        return median_ms(self.cpu_ns)

    def on(self, clock: Clock) -> tuple[int, ...]:
        """The times on that clock (ns), one a call; empty where it was not read."""
        if clock == "own":
            return self.own_ns
        return {"wall": self.wall_ns, "cpu": self.cpu_ns, "device": self.device_ns}[clock]

    @property
    def own_ns(self) -> tuple[int, ...]:
        """Wall times less what others took of them; empty where the system does not tell.

        Being held up is read outside the wall time, so that a bit more may have been lost than the call had: of
        its wall time no more is taken away than it had beyond its CPU time.
        """
        every = zip(self.wall_ns, self.cpu_ns, self.held_up_ns)
        return tuple(wall - min(held_up, max(0, wall - cpu)) for wall, cpu, held_up in every)

    def __getitem__(self, calls: slice) -> Timing:
        """Some of the calls."""
        return Timing(self.wall_ns[calls], self.cpu_ns[calls], self.device_ns[calls], self.held_up_ns[calls])

    @classmethod
    def of(
        cls,
        wall_ns: Sequence[int],
        cpu_ns: Sequence[int],
        device_ns: Sequence[int] = (),
        held_up_ns: Sequence[int] = (),
    ) -> Timing:
        return cls(tuple(wall_ns), tuple(cpu_ns), tuple(device_ns), tuple(held_up_ns))

    @classmethod
    def joined(cls, timings: Iterable[Timing]) -> Timing:
        """All calls of several, one after the other."""
        parts = list(timings)
        return cls.of(
            [ns for part in parts for ns in part.wall_ns],
            [ns for part in parts for ns in part.cpu_ns],
            [ns for part in parts for ns in part.device_ns],
            [ns for part in parts for ns in part.held_up_ns],
        )


def median_ms(times_ns: Sequence[int]) -> float:
    """Median in milliseconds of times in whole nanoseconds, rounded once. Raises `StatisticsError` for none."""
    return median(times_ns) / 1e6
