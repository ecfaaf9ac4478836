"""The ledger of known flips: inputs whose label is known to differ in some environments, why, and until when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from pytest_envrobust.core.globs import matches


@dataclass(frozen=True)
class KnownFlip:
    """An entry: ``input`` is the input's digest, ``environment`` a glob, ``name`` the input's own, for readers."""

    model: str
    environment: str
    input: str
    reason: str
    expires: date
    name: str = ""

    def covers(self, model: str, environment: str) -> bool:
        """Whether it speaks of the model in that environment."""
        return self.model == model and matches(environment, self.environment)

    def has_expired(self, today: date) -> bool:
        """Whether its date, the last day that it counts on, is past."""
        return self.expires < today

    def __str__(self) -> str:
        return f"{self.name or self.input} of {self.model} in {self.environment}"


@dataclass(frozen=True)
class Compared:
    """A cell whose labels a run compared: the digests of the inputs compared, of those that flipped, and of all."""

    model: str
    environment: str
    compared: frozenset[str]
    flipped: frozenset[str]
    every: frozenset[str]


@dataclass(frozen=True)
class Ledger:
    """The entries, in the file's order."""

    entries: tuple[KnownFlip, ...] = ()

    def known(self, model: str, environment: str, inputs: Sequence[str], today: date) -> dict[int, str]:
        """The reasons of the known flips of a cell, by place among its inputs, of which ``inputs`` are the digests."""
        reasons = {
            entry.input: entry.reason
            for entry in self.entries
            if entry.covers(model, environment) and not entry.has_expired(today)
        }
        return {place: reasons[digest] for place, digest in enumerate(inputs) if digest in reasons} if reasons else {}

    def expired(self, today: date) -> tuple[KnownFlip, ...]:
        """The entries that are past their date."""
        return tuple(entry for entry in self.entries if entry.has_expired(today))

    def stale(self, cells: Iterable[Compared]) -> tuple[KnownFlip, ...]:
        """The entries that matched no flip, though a cell that they speak of was compared.

        One that flips in any of its cells is in use. One whose cells did not run, or stopped before its input, is not
        judged: a run of some cells says nothing of the others.
        """
        cells = list(cells)
        return tuple(entry for entry in self.entries if _is_stale(entry, cells))


def _is_stale(entry: KnownFlip, cells: Sequence[Compared]) -> bool:
    own = [cell for cell in cells if entry.covers(cell.model, cell.environment)]
    if any(entry.input in cell.flipped for cell in own):
        return False
    return any(entry.input in cell.compared or entry.input not in cell.every for cell in own)
