"""What a run was to do and has not done: a run that was ended before its time must not look like a whole one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from msgspec.structs import replace

from pytest_envrobust.core.status import Status
from pytest_envrobust.integration.outcomes import RERUN, is_rehearsal, subject_of
from pytest_envrobust.record import codec
from pytest_envrobust.record.schema import Cell
from pytest_envrobust.runs.entries import Outcome, entry_of

_STOPPED = "the run ended before all its tests were made"
_NOTE = "-to-come.json"


def cells_to_come(items: Iterable[pytest.Item]) -> dict[str, Cell]:
    """An entry for each item that is about a cell, as it is where nothing comes of it, by node id."""
    subjects = ((item.nodeid, subject_of(item)) for item in items)
    return {
        nodeid: entry_of(nodeid, subject, Outcome(Status.NOT_RUN))
        for nodeid, subject in subjects
        if subject is not None
    }


def leave_note(folder: Path, worker: str, items: Iterable[pytest.Item]) -> None:
    """In a process of xdist: tell the controller, which collects nothing, what is to come."""
    plain = [codec.plain(cell) for cell in cells_to_come(items).values()]
    (folder / f"{worker}{_NOTE}").write_text(json.dumps(plain), encoding="utf-8")


class Unfinished:
    """Lives in the process that reports: which cells were to come, which have ended, and what stopped the run."""

    def __init__(self, config: pytest.Config, folder: Path) -> None:
        self._config, self._folder = config, folder
        self._expected: dict[str, Cell] = {}
        self._ended: set[str] = set()
        self._stop = ""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The cells of the only process."""
        self._expected |= cells_to_come(session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        """Those that a process of xdist has collected; it may be killed before it tells anything else."""
        self._read_notes()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """An item has ended with its call, or with a setup that failed or was skipped; a crash is no phase."""
        is_over = report.when != "teardown" and (report.when != "setup" or not report.passed)
        if is_over and report.outcome != RERUN:
            self._ended.add(report.nodeid)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Ctrl-C, ``pytest.exit``, or pytest's own reason to stop."""
        told = str(getattr(excinfo.value, "msg", "") or excinfo.value)
        self._stop = " ".join(told.split()) or type(excinfo.value).__name__

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """An error within pytest or a plugin."""
        self._stop = f"internal error: {excinfo.exconly().splitlines()[-1]}"

    def why(self, session: pytest.Session) -> str | None:
        """What ended the run before its time, in one line; ``None`` where it came to its end, or was a rehearsal."""
        if is_rehearsal(self._config):
            return None
        if self._stop:
            return self._stop
        return str(session.shouldfail or session.shouldstop or _STOPPED) if self._left else None

    def cells(self, why: str | None) -> list[Cell]:
        """The entries of the cells that did not run."""
        reason = f"the run was interrupted before: {why}"
        return [] if why is None else [replace(cell, reason=reason) for cell in self._left]

    def crashed(self, report: pytest.TestReport) -> Cell | None:
        """The entry of a cell whose process of xdist crashed; ``None`` where the report tells of no such thing."""
        cell = self._expected.get(report.nodeid)
        if cell is None or report.when in ("setup", "call", "teardown"):
            return None
        return replace(cell, status=Status.CRASHED, reason=str(report.longrepr).strip().split("\n", 1)[0])

    @property
    def _left(self) -> list[Cell]:
        return [cell for nodeid, cell in self._expected.items() if nodeid not in self._ended]

    def _read_notes(self) -> None:
        """Nothing is there where the processes run on another machine."""
        if not self._expected:
            for path in sorted(self._folder.glob(f"*{_NOTE}"))[:1]:
                cells = [codec.typed(each, Cell) for each in json.loads(path.read_text(encoding="utf-8"))]
                self._expected = {cell.nodeid: cell for cell in cells}
