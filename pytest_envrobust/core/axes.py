"""The axes of a timing: how many inputs a call takes, and how many threads its engine has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from numbers import Integral

from pytest_envrobust.core.errors import DeclarationError


@dataclass(frozen=True)
class Point:
    """Where on the axes a session is timed: how many inputs a call takes, and the engine's threads."""

    batch: int = 1
    threads: int = 1

    def __str__(self) -> str:
        return f"batch {self.batch}, {self.threads} thread{'' if self.threads == 1 else 's'}"


@dataclass(frozen=True)
class Axes:
    """Batch sizes and thread counts that a cell is timed with; empty where only the base point is."""

    batch_sizes: tuple[int, ...] = ()
    threads: tuple[int, ...] = ()

    @classmethod
    def of(cls, batch_sizes: object, threads: object, origin: str) -> Axes:
        """Axes as users declare them: whole numbers, or one of them. Raises `DeclarationError` for anything else."""
        return cls(_counts("batch_sizes", batch_sizes, origin), _counts("threads", threads, origin))

    def behind(self, other: Axes) -> Axes:
        """These axes where ``other`` says nothing, which goes first."""
        return Axes(other.batch_sizes or self.batch_sizes, other.threads or self.threads)

    def points(self, base: Point) -> tuple[Point, ...]:
        """Every combination, the ``base`` point first, which is always among them."""
        every = product(self.threads or (base.threads,), self.batch_sizes or (base.batch,))
        return tuple(dict.fromkeys([base, *(Point(batch, threads) for threads, batch in every)]))


def _counts(name: str, value: object, origin: str) -> tuple[int, ...]:
    if value is None:
        return ()
    values = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else (value,)
    found = []
    for item in values:
        if isinstance(item, bool) or not isinstance(item, Integral) or int(item) < 1:
            raise DeclarationError(f"{name}={value!r} (from {origin})", cause="whole numbers above 0 are needed")
        found.append(int(item))
    return tuple(dict.fromkeys(found))
