"""The entries that reports of items brought: of an item that was made several times, the last attempt's counts."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pytest_envrobust.integration.entries import attempt_of
from pytest_envrobust.integration.outcomes import RERUN
from pytest_envrobust.record.schema import Attempt, Cell


class Reported:
    """Entries in the order of the reports."""

    def __init__(self) -> None:
        self._entries: list[tuple[tuple[str, str], Cell]] = []
        self._attempts: dict[str, list[Attempt]] = {}

    @property
    def entries(self) -> list[Cell]:
        """One for each item that was made to its end."""
        return [entry for _, entry in self._entries]

    def take(self, report: pytest.TestReport, entry: Cell) -> None:
        """Take the entry of a report.

        The report of a subtest is followed by that of its test. A teardown that fails is told in place of the call.
        """
        if hasattr(report, "context"):
            return
        key = getattr(report, "worker_id", ""), report.nodeid
        if report.outcome == RERUN or report.when == "teardown":
            self._forget(key)
        if report.outcome == RERUN:
            self._attempts.setdefault(report.nodeid, []).append(attempt_of(entry))
            return
        # A process of xdist knows its own attempts, those that no report tells of too; not that of one that crashed.
        attempts = max(entry.attempts or [], self._attempts.get(report.nodeid, []), key=len)
        self._entries.append((key, replace(entry, attempts=attempts or None)))

    def _forget(self, key: tuple[str, str]) -> None:
        """Drop the last entry of that process's item, if there is one."""
        for place in reversed(range(len(self._entries))):
            if self._entries[place][0] == key:
                del self._entries[place]
                return
