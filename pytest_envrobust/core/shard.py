"""Shards: the cells of a run partitioned among the jobs of a CI matrix, from their names alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError

CellName = tuple[str, str]
"""A model's name and an environment's id."""

MOST = 9999
"""Shards of a run, at most."""
_FORM = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")


@dataclass(frozen=True)
class Shard:
    """Shard ``number`` of ``of``, counted from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str, origin: str) -> Shard:
        """``3/8``. Raises `DeclarationError`, which names ``origin``, for anything that is no shard."""
        found = _FORM.fullmatch(text.strip())
        number, of = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= of:
            cause = f"it is K/N, the K-th of N shards; K is 1 to N, and N at most {MOST}"
            raise DeclarationError(f"{origin} {text}", cause=cause)
        return cls(number, of)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def is_whole(self) -> bool:
        """Whether it is the only one."""
        return self.of == 1

    @property
    def is_first(self) -> bool:
        """Whether it is the one that takes what is no cell."""
        return self.number == 1

    def share(self, cells: Iterable[CellName]) -> frozenset[CellName]:
        """The cells of this shard, from all that there are; see `partition`."""
        return shares(cells, [self.number], self.of)


def shares(cells: Iterable[CellName], numbers: Iterable[int], of: int) -> frozenset[CellName]:
    """The cells of these shards of ``of``, from all that there are; see `partition`."""
    parts = partition(cells, of)
    return frozenset(cell for number in numbers if number <= len(parts) for cell in parts[number - 1])


def partition(cells: Iterable[CellName], of: int) -> list[list[CellName]]:
    """The cells of each shard; of more shards than there are cells, those that got one.

    Every cell is in one shard, and two shards differ by one cell at most. It depends on the names alone, in whatever
    order they come: what is installed on a machine changes nothing. The cells of one family of compilers are spread
    over the shards, and so are those of one model: they cost about the same, and a job with all that is slow would keep
    the others waiting.
    """
    # A record has the names of all cells and the numbers of its shards: which cells these are is computed again where
    # records are merged or judged, perhaps by another version or without an engine that was there. So it is the names'
    # own family that counts, not the engine that some catalogue knows, and the result may never change.
    every = sorted(set(cells), key=_sort_key)
    parts = [_Part() for _ in range(min(of, len(every)))]
    for cell in every:
        kind = Environment.parse(cell[1]).compiler_family, cell[0]
        min(parts, key=partial(_Part.rank, kind=kind)).take(cell, kind)
    return [part.cells for part in parts]


class _Part:
    """The cells of one shard so far."""

    def __init__(self) -> None:
        self.cells: list[CellName] = []
        self._families: Counter[str] = Counter()
        self._models: Counter[str] = Counter()

    def rank(self, kind: tuple[str, str]) -> tuple[int, int, int]:
        """The lowest takes a cell of that family and model: fewest cells, then of the family, then of the model."""
        family, model = kind
        return len(self.cells), self._families[family], self._models[model]

    def take(self, cell: CellName, kind: tuple[str, str]) -> None:
        self.cells.append(cell)
        self._families.update(kind[:1])
        self._models.update(kind[1:])


def _sort_key(cell: CellName) -> tuple[str, ...]:
    """The order in which cells are given to shards: those of one family of compilers are neighbors."""
    model, name = cell
    environment = Environment.parse(name)
    return environment.compiler, environment.framework, environment.device, model, environment.variant
