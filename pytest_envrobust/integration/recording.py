"""The recorder: gathers the entries of all items, writes the record, draws the table, and fails an empty run."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

import pytest_envrobust
from pytest_envrobust.core.errors import EnvrobustError
from pytest_envrobust.environments.availability import versions
from pytest_envrobust.environments.machine import this_machine
from pytest_envrobust.reports.record import gather_predictions, new_record, write_record
from pytest_envrobust.reports.terminal import terminal_lines

if TYPE_CHECKING:
    from pytest_envrobust.integration.laboratory import Laboratory
    from pytest_envrobust.reports.record import Record

NOTHING_COMPARED = "nothing was compared: no environment's labels or time were held against a reference"
MODELS = "envrobust_models"
"""Key under which an xdist worker sends what it knows of the models."""


class Recorder:
    """Lives in the process that reports: the only one, or xdist's controller."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory
        self._entries: list[dict[str, Any]] = []
        self._models: dict[str, dict[str, Any]] = {}
        self._trouble = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take an item's entry from its report."""
        entry = getattr(report, "envrobust", None)
        if entry is not None:
            self._entries.append(entry)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what an xdist worker knows of the models."""
        self._learn(getattr(node, "workeroutput", {}).get(MODELS, []))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the record; a run in which nothing was compared fails."""
        self._learn(self._laboratory.described_models())
        self._write()
        if self._is_empty(exitstatus) and not session.config.getoption("collectonly"):
            self._trouble = self._trouble or NOTHING_COMPARED
        if self._trouble and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Draw the table, and say what is wrong with the run."""
        if self._entries:
            terminalreporter.section("envrobust")
            for line in terminal_lines(self._record()):
                terminalreporter.write_line(line)
        if path := self._laboratory.settings.json:
            terminalreporter.write_line(f"record: {path}")
        if self._trouble:
            terminalreporter.write_line(f"envrobust: {self._trouble}", red=True, bold=True)

    def _learn(self, models: list[dict[str, Any]]) -> None:
        self._models |= {model["name"]: model for model in models}

    def _is_empty(self, exitstatus: int) -> bool:
        """Nothing compared, though cells were there or the user asked for the run by the flag."""
        if any(entry.get("compared") for entry in self._entries):
            return False
        asked = self._laboratory.config.getoption("envrobust") is True
        usual = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.TESTS_FAILED)
        return usual and (asked or bool(self._entries))

    def _write(self) -> None:
        path = self._laboratory.settings.json
        if path is None:
            return
        try:
            write_record(self._record(), path)
            gather_predictions(path)
        except EnvrobustError as error:
            self._trouble = str(error)

    def _record(self) -> Record:
        laboratory = self._laboratory
        machine = asdict(this_machine())
        run = {
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(laboratory.started)),
            "seconds": round(time.time() - laboratory.started, 3),
            "machine": machine,
            "versions": {
                "pytest_envrobust": _own_version(),
                "pytest": pytest.__version__,
                **versions(laboratory.catalogue.requirements),
            },
            "command": [sys.argv[0].rpartition("/")[2], *laboratory.config.invocation_params.args],
            "threads": laboratory.settings.threads,
            "left_out": laboratory.left_out.line(),
        }
        return new_record(run, list(self._models.values()), self._entries)


class WorkerRecorder:
    """Lives in an xdist worker: sends what it knows of the models to the controller."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand over what this worker knows of the models."""
        session.config.workeroutput[MODELS] = self._laboratory.described_models()  # type: ignore[attr-defined]


def _own_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(pytest_envrobust.__name__.replace("_", "-"))
    except PackageNotFoundError:
        return "unknown"
