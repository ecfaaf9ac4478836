"""Times of single calls, as the worker measured them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Timing:
    """Wall and CPU nanoseconds of single calls, in the order they were made."""

    wall_ns: tuple[int, ...]
    cpu_ns: tuple[int, ...]

    @property
    def calls(self) -> int:
        return len(self.wall_ns)

    @property
    def median_wall_ms(self) -> float:
        return median(self.wall_ns) / 1e6

    @property
    def median_cpu_ms(self) -> float:
        return median(self.cpu_ns) / 1e6

    @classmethod
    def of(cls, wall_ns: Sequence[int], cpu_ns: Sequence[int]) -> Timing:
        return cls(tuple(wall_ns), tuple(cpu_ns))
