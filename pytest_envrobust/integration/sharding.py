"""One shard of a run: its share of the cells, for a CI job of several."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.integration.cases import Case, Fault
from pytest_envrobust.integration.parametrization import CASE_FIXTURE
from pytest_envrobust.reports.view import shard_text

COUNTS = "envrobust_shard"
"""Key under which an xdist worker tells how many cells there are."""


@dataclass(frozen=True)
class Shard:
    """The ``number``-th, from 1 on, of ``of`` shards."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str, origin: str) -> Shard:
        """Read ``3/8``. Raises `DeclarationError` for anything that is no shard."""
        found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        number, of = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= number <= of:
            raise DeclarationError(
                f"shard {text!r} ({origin})", cause="it is a number from 1 on and how many there are, such as 3/8"
            )
        return cls(number, of)

    def share(self, count: int) -> range:
        """Which of so many things are this shard's: a run of them, as many as any other shard has, or one more."""
        return range(count * (self.number - 1) // self.of, count * self.number // self.of)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


class Sharding:
    """Leaves this shard's cells in the run, and whatever is no cell."""

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.cells: int | None = None
        self.all_cells: int | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Deselect the items of other shards' cells.

        A shard takes neighbors in the order of collection: cells of one model, and among them those of one engine. So
        its reference, its conversions and its workers serve as many cells as they can. All items of a cell go together.
        """
        cells = list(dict.fromkeys(key for item in items for key in _cell_of(item)))
        share = self.shard.share(len(cells))
        mine = {cells[place] for place in share}
        elsewhere = [item for item in items if not mine.issuperset(_cell_of(item))]
        self.cells, self.all_cells = len(mine), len(cells)
        if elsewhere:
            config.hook.pytest_deselected(items=elsewhere)
            left = set(elsewhere)
            items[:] = [item for item in items if item not in left]

    def pytest_report_collectionfinish(self) -> str:
        """How many cells are this shard's."""
        return f"envrobust: {shard_text(self.described())}" if self.all_cells is not None else ""

    def described(self) -> dict[str, Any]:
        """What the record says of it, as plain data."""
        told = {"number": self.shard.number, "of": self.shard.of, "cells": self.cells, "all_cells": self.all_cells}
        return {name: value for name, value in told.items() if value is not None}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Learn from an xdist worker how many cells there are: the controller collects nothing."""
        self.cells, self.all_cells = getattr(node, "workeroutput", {}).get(COUNTS, (self.cells, self.all_cells))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """A shard without any cell is none that failed."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[COUNTS] = (self.cells, self.all_cells)
        elif exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self.all_cells:
            session.exitstatus = pytest.ExitCode.OK


def _cell_of(item: pytest.Item) -> Iterator[Hashable]:
    """The cell that an item is about, by a key; a faulty declaration counts as one, ordinary tests have none."""
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get(CASE_FIXTURE) if callspec is not None else getattr(item, "case", None)
    if isinstance(case, Case):
        yield case.model.name, case.environment.id
    elif isinstance(case, Fault):
        yield item.nodeid
