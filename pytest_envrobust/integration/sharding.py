"""`--envrobust-shard`: keeps the cells of one shard, and deselects what is in the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_envrobust.integration.collected import Collected
from pytest_envrobust.integration.outcomes import case_of
from pytest_envrobust.record.shards import shard_notice

if TYPE_CHECKING:
    from pytest_envrobust.core.shard import CellName, Shard


class Sharding:
    """Deals the collected cells out. Each xdist worker does so by itself, and comes to the same."""

    def __init__(self, collected: Collected, shard: Shard) -> None:
        self._collected, self._shard = collected, shard

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep all items of this shard's cells; what is no cell is the first shard's.

        It comes last: what ``-k`` or a marker took away is no cell of the run, and the order is that of the run.
        """
        names = [_cell_of(item) for item in items]
        whole = tuple(dict.fromkeys(name for name in names if name is not None))
        mine = self._shard.share(whole)
        kept = [name in mine if name is not None else self._shard.is_first for name in names]
        self._collected.whole = whole
        if others := [item for item, keeps in zip(items, kept) if not keeps]:
            config.hook.pytest_deselected(items=others)
            items[:] = [item for item, keeps in zip(items, kept) if keeps]

    def pytest_report_collectionfinish(self) -> str:
        """How many cells of how many this run has."""
        told = self._collected.shard_part()
        return "" if told is None else f"envrobust: {shard_notice(told)}"


def _cell_of(item: pytest.Item) -> CellName | None:
    """Which cell an item is about; ``None`` for ordinary tests and for faulty declarations."""
    case = case_of(item)
    return None if case is None else (case.model_name, case.environment.id)
