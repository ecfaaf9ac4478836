"""What a run says and does at its begin and its end, and the lines that tell how far it is."""

from __future__ import annotations

import time

import pytest

from pytest_envrobust.artifacts.store import Store
from pytest_envrobust.core.errors import EnvrobustError
from pytest_envrobust.core.wording import counted, listed
from pytest_envrobust.environments.machine import this_machine
from pytest_envrobust.integration.collected import Collected
from pytest_envrobust.integration.xdist import is_worker, process_count
from pytest_envrobust.models.inputs import Inputs
from pytest_envrobust.runs.context import RunContext
from pytest_envrobust.verdicts.family import what_inputs_show
from pytest_envrobust.verdicts.limits import BOUND


class SessionHooks:
    """Hooks around the whole run."""

    def __init__(self, config: pytest.Config, context: RunContext, collected: Collected) -> None:
        self.context = context
        self._config, self._collected = config, collected

    def pytest_sessionstart(self) -> None:
        """Clear the store where the user asked for it."""
        settings = self.context.settings
        if settings.cache_clear and not is_worker(self._config):
            try:
                Store(settings.cache_dir).clear()
            except EnvrobustError as error:
                raise pytest.UsageError(str(error)) from None

    def pytest_report_header(self) -> list[str]:
        """What is compared with what, and where converted files are kept."""
        settings = self.context.settings
        asked = ", ".join(settings.environments) or "each engine's default level on the CPU"
        lines = [f"envrobust: environments {asked} ({settings.environments_origin}); cache {settings.cache_dir}"]
        threads = max(settings.timing.threads, *settings.timing.axes.threads, 1)
        workers, cores = process_count(self._config), this_machine().cores
        if threads * workers > cores:
            each = f" in each of {workers} processes" if workers > 1 else ""
            lines.append(
                f"envrobust: {counted(threads, 'thread')}{each} on {counted(cores, 'core')}: times will suffer; "
                "--envrobust-threads=auto shares them out"
            )
        return lines

    def pytest_report_collectionfinish(self) -> list[str]:
        """What was left out, in one line, and which models have one name."""
        declared = self.context.declared
        lines = [self._collected.left_out.line(declared), *declared.lines(), *self._shown_by_inputs()]
        return [f"envrobust: {line}" for line in lines if line]

    def _shown_by_inputs(self) -> list[str]:
        """What the inputs can show of so many cells, once for those of which that is the same, unless it is judged."""
        if any(BOUND in limits for limits in self.context.settings.outer_limits):
            return []
        about: dict[str, list[str]] = {}
        for model, cells in self.context.families:
            inputs = model.inputs.count() if isinstance(model.inputs, Inputs) and cells else None
            if inputs:
                about.setdefault(what_inputs_show(inputs, cells), []).append(self.context.declared.name_of(model))
        return list(about) if len(about) == 1 else [f"{listed(names)}: {said}" for said, names in about.items()]

    def pytest_unconfigure(self) -> None:
        """End every worker; remove the scratch directory and the run's predictions."""
        self.context.close()
        if not is_worker(self._config):
            self.context.predictions.remove()


class TerminalProgress:
    """Lines of progress, where the user looks on: on a terminal, or with -v."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._started = time.time()

    def say(self, text: str) -> None:
        """Write a line, with the seconds since the run's begin."""
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is None or not (self._config.option.verbose > 0 or terminal.isatty):
            return
        capture = self._config.pluginmanager.get_plugin("capturemanager")
        line = f"  envrobust {time.time() - self._started:6.1f} s  {text}"
        if capture is None:
            _write(terminal, line)
        else:
            with capture.global_and_fixture_disabled():
                _write(terminal, line)


def _write(terminal: pytest.TerminalReporter, line: str) -> None:
    terminal.ensure_newline()
    terminal.write_line(line, cyan=True)
