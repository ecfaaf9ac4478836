"""The recorder: gathers the entries of all items, writes the record, draws the table, and fails an empty run."""

from __future__ import annotations

from datetime import date

import pytest
from msgspec.structs import replace

from pytest_envrobust.core.errors import EnvrobustError
from pytest_envrobust.core.status import Status
from pytest_envrobust.history.known_flips import ledger_faults, write_flips
from pytest_envrobust.history.merging import analysed, joined_models
from pytest_envrobust.history.uncompared import uncompared
from pytest_envrobust.integration.collected import Collected
from pytest_envrobust.integration.effects import is_partial, names_items
from pytest_envrobust.integration.outcomes import is_rehearsal
from pytest_envrobust.integration.reported import Reported
from pytest_envrobust.integration.side_by_side import side_by_side_notice
from pytest_envrobust.integration.unfinished import Unfinished
from pytest_envrobust.integration.xdist import Findings
from pytest_envrobust.record import codec
from pytest_envrobust.record.document import new_record, write_record
from pytest_envrobust.record.schema import Cell, Device, Model, Record
from pytest_envrobust.reports.terminal import terminal_lines
from pytest_envrobust.reports.words import NOTHING_COMPARED
from pytest_envrobust.runs.effects import sorted_out
from pytest_envrobust.runs.registry import Registry
from pytest_envrobust.runs.run_part import run_part

NOTHING_HERE = "nothing was compared in this shard; `envrobust merge` fails where nothing was in any"
REFERENCE_ALONE = (
    "nothing was compared: only the reference was chosen, which is what other environments are held against"
)


def _is_its_own(entry: Cell) -> bool:
    """Whether there was nothing to hold it against: a reference that passed."""
    return entry.is_reference and entry.status is Status.PASSED


class Recorder:
    """Lives in the process that reports: the only one, or xdist's controller."""

    def __init__(self, config: pytest.Config, registry: Registry, collected: Collected, unfinished: Unfinished) -> None:
        self._config, self._registry, self._collected = config, registry, collected
        self._context, self._unfinished = registry.context, unfinished
        self._reported = Reported()
        self._entries: list[Cell] = []
        self._models: dict[str, Model] = {}
        self._devices: dict[str, Device] = {}
        self._record: Record | None = None
        self._troubles: list[str] = []
        self._remarks: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take an item's entry from its report, or make that of one whose process crashed."""
        told = getattr(report, "envrobust", None)
        entry = self._unfinished.crashed(report) if told is None else codec.typed(told, Cell)
        if entry is not None:
            self._reported.take(report, entry)

    def learn(self, found: Findings) -> None:
        """Put together what the processes of a run know: each has loaded some of a model's sources only."""
        known = [*self._models.values(), *found.models]
        self._models = {model.name: model for model in joined_models(known)}
        for name, told in found.devices.items():
            known_of_it = codec.plain(self._devices.get(name, Device()))
            self._devices[name] = codec.typed({**known_of_it, **codec.plain(told)}, Device)
        if found.whole is not None:
            self._collected.whole = found.whole
        self._collected.cells.update(found.cells)
        self._collected.effects.learn(found.effects)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the record and the reports; a run in which nothing was compared fails, one shard of it does not."""
        self.learn(Findings.of(self._registry, self._collected))
        stopped = self._unfinished.why(session)
        self._entries = [*self._reported.entries, *self._unfinished.cells(stopped)]
        self._record = self._made(stopped)
        try:
            self._write(self._record)
        except EnvrobustError as error:
            self._troubles.append(str(error))
        if self._is_partial and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = pytest.ExitCode.OK  # all are in other shards
        if not is_rehearsal(session.config):
            self._say_if_empty(exitstatus)
        if self._entries and not is_rehearsal(session.config):
            self._troubles += self._ledger_lines(self._record)
        self._sort_out_declarations(session, exitstatus)
        if self._troubles and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Draw the table, and say what is wrong with the run."""
        is_shard = self._context.settings.shard is not None and not is_rehearsal(terminalreporter.config)
        if self._record is not None and (self._entries or is_shard):
            terminalreporter.section("envrobust")
            for line in terminal_lines(self._record):
                terminalreporter.write_line(line)
        settings = self._context.settings
        for name, path in (("record", settings.json), ("report", settings.html), ("summary", settings.markdown)):
            if path is not None:
                terminalreporter.write_line(f"{name}: {path}")
        for remark in self._remarks:
            terminalreporter.write_line(f"envrobust: {remark}")
        for trouble in self._troubles:
            terminalreporter.write_line(f"envrobust: {trouble}", red=True, bold=True)

    def _sort_out_declarations(self, session: pytest.Session, exitstatus: int) -> None:
        """Tell what was declared and has no effect; in a run of all tests that came to its end it is a mistake."""
        usual = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
        is_cut_short = exitstatus not in usual or bool(session.shouldstop or session.shouldfail)
        environments = sorted({environment for _, environment in self._collected.cells})
        mistakes, told = sorted_out(
            self._collected.effects.without(),
            environments,
            self._context.catalogue.everything,
            is_partial=self._is_partial or is_cut_short or is_partial(self._config),
            is_narrowed=self._context.settings.is_narrowed,
        )
        self._troubles += mistakes
        self._remarks += told

    def _ledger_lines(self, record: Record) -> list[str]:
        """What is wrong with the ledger of known flips, or what was written into it."""
        settings, today = self._context.settings, date.today()
        if not settings.updates_ledger:
            return ledger_faults(settings.ledger, record, today)
        try:
            written = write_flips(settings.ledger_path, settings.ledger, record, today)
        except EnvrobustError as error:
            return [str(error)]
        return [written] if written else []

    def _say_if_empty(self, exitstatus: int) -> None:
        """A run in which nothing was compared fails, where cells were there or the user asked for it by the flag."""
        usual = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.TESTS_FAILED)
        if not usual or any(entry.compared for entry in self._entries):
            return
        if self._is_partial:
            self._remarks.append(NOTHING_HERE)
        elif names_items(self._config) and self._entries and all(_is_its_own(entry) for entry in self._entries):
            self._remarks.append(REFERENCE_ALONE)
        elif self._config.getoption("envrobust") is True or self._entries:
            self._troubles.append(NOTHING_COMPARED)

    @property
    def _is_partial(self) -> bool:
        """Whether this is one of several shards of a run that has cells."""
        shard, whole = self._collected.shard, self._collected.whole
        return shard is not None and not shard.is_whole and bool(whole)

    def _write(self, record: Record) -> None:
        """Whatever the user asked for. Raises `DeclarationError` where a place cannot be written."""
        settings = self._context.settings
        if settings.json is not None:
            write_record(record, settings.json)
            self._context.predictions.gather(settings.json)
        if settings.html is not None:
            from pytest_envrobust.reports.html.page import write_html

            write_html(record, self._context.predictions, settings.html)
        if settings.markdown is not None:
            from pytest_envrobust.reports.markdown import write_markdown

            write_markdown(record, settings.markdown)

    def _made(self, stopped: str | None) -> Record:
        run = run_part(
            self._context,
            ["pytest", *self._config.invocation_params.args],
            left_out=self._collected.left_out.line(self._context.declared),
            interrupted=stopped,
            shard=self._collected.shard_part(),
            devices=self._tested_devices() or None,
        )
        scores_of = self._context.predictions.scores
        models = [analysed(model, self._entries, scores_of) for model in self._models.values()]
        arguments = [str(argument) for argument in self._config.invocation_params.args]
        apart = [side_by_side_notice(group, arguments) for group in uncompared(models, self._entries, scores_of)]
        versions = {**(run.versions or {}), "pytest": pytest.__version__}
        run = replace(run, versions=versions, notices=apart or None)
        return new_record(run, models, self._entries)

    def _tested_devices(self) -> dict[str, Device]:
        tested = {entry.device for entry in self._entries}
        return {name: device for name, device in self._devices.items() if name in tested}
