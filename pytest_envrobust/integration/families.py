"""Counts the cells that are judged at once, when all are collected and before a shard takes its own."""

from __future__ import annotations

import pytest

from pytest_envrobust.core.errors import Unavailable
from pytest_envrobust.integration.collection import CheckItem
from pytest_envrobust.integration.outcomes import case_of
from pytest_envrobust.runs.cases import Case
from pytest_envrobust.runs.families import Families


class CollectedFamilies:
    """Notes each cell that was collected with the check that it is asked. Each xdist worker comes to the same."""

    def __init__(self, families: Families, *, is_shard: bool) -> None:
        self._families, self._is_shard = families, is_shard

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """After ``-k`` and markers took away what is not asked; registered before the sharding, which comes later."""
        for item in items:
            case = case_of(item)
            if case is not None and self._may_be_judged(case):
                self._families.note(case, item.check if isinstance(item, CheckItem) else "")

    def _may_be_judged(self, case: Case) -> bool:
        """Whether it can run: here or, of a shard, where another job may have what is absent here."""
        return case.fault is None or (self._is_shard and isinstance(case.fault, Unavailable))
