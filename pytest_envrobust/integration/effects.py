"""Declarations without effect: what the command line, markers, thresholds and the ledger say of cells that are not."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_envrobust.checks.registry import limit_kinds
from pytest_envrobust.core.devices import DEVICES
from pytest_envrobust.core.globs import matches
from pytest_envrobust.core.suggestions import did_you_mean
from pytest_envrobust.integration.collected import SELECTED, Collected
from pytest_envrobust.integration.outcomes import SUBJECT, case_of, is_rehearsal
from pytest_envrobust.runs.cases import Case
from pytest_envrobust.runs.cell import Cell
from pytest_envrobust.runs.effects import Declaration
from pytest_envrobust.runs.settings import Settings


class DeclaredEffects:
    """Notes what the cells that were collected, and the checks that were made, had a use for."""

    def __init__(self, config: pytest.Config, settings: Settings, collected: Collected) -> None:
        self._config, self._settings, self._collected = config, settings, collected

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """What is declared for cells, before ``-k`` or a shard takes some of them away."""
        cases = {case: None for item in items if (case := case_of(item)) is not None}
        effects = self._collected.effects
        self._collected.cells |= {(case.model_name, case.environment.id) for case in cases}
        for declaration, had in (*self._of_command_line(cases), *self._of_ledger(cases)):
            effects.note(declaration, had)
        for item in items:
            if (case := case_of(item)) is not None:
                for node, marker in item.iter_markers_with_node("envrobust_limitation"):
                    pattern = marker.args[0] if marker.args else marker.kwargs.get("environment")
                    if isinstance(pattern, str):
                        said = f"envrobust_limitation({pattern!r}) of {_owner(node, item)}"
                        had = matches(case.environment.id, pattern)
                        effects.note(Declaration.of_environments(said, pattern), had)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Limits that were set for a test, and whether it made the check that they are of."""
        cell = item.stash.get(SUBJECT, None)
        if call.when == "call" and isinstance(cell, Cell):
            judged = {kind.name for result in cell.results for kind in result.check.limits}
            for declaration, name in self._limits(item):
                if name in judged or call.excinfo is None:  # a check that raised may be the one
                    self._collected.effects.note(declaration, name in judged)
        return (yield)

    def _of_command_line(self, cases: Collection[Case]) -> Iterator[tuple[Declaration, bool]]:
        settings, option = self._settings, self._config.getoption
        for pattern in settings.environments:
            said = f"{pattern!r} ({settings.environments_origin})"
            declaration = Declaration.of_environments(said, pattern, is_of_command_line=settings.is_narrowed)
            yield declaration, any(matches(case.environment.id, pattern) for case in cases)
        names = {name for case in cases for name in _names(case)}
        for line in self._config.getini("envrobust_set"):
            name = _set_on(line)
            yield (
                Declaration(f"envrobust_set {line} in the ini file", _no_cell_of(name), is_general=True),
                name in names,
            )
        for line in option("envrobust_set") or ():
            name = _set_on(line)
            pattern = f"*/*/{name}" if name in DEVICES else f"*/{name}/*"
            remedy = f"add an environment of it: --envrobust-env '{pattern}'"
            yield _said(f"--envrobust-set {line}", _no_cell_of(name), remedy), name in names
        for line in option("envrobust_device") or ():
            name = line.partition("=")[0]
            remedy = f"add its environments: --envrobust-env '*/*/{name}'"
            yield _said(f"--envrobust-device {name}", f"no cell of this run is on {name}", remedy), name in names
        interpreters = {step.interpreter for case in cases if case.plan for step in case.plan.route.steps}
        for line in option("envrobust_interpreter") or ():
            name = line.partition("=")[0].strip()
            lacks = "no cell of this run has a conversion step that runs in it"
            yield _said(f"--envrobust-interpreter {name}", lacks), name in interpreters

    def _of_ledger(self, cases: Collection[Case]) -> Iterator[tuple[Declaration, bool]]:
        cells = [(name, case.environment.id) for case in cases for name in case.declared.names_of(case.model)]
        models = dict.fromkeys(model for model, _ in cells)
        for entry in self._settings.ledger.entries:
            lacks, remedy = "no cell of this run is in that environment", ""
            if entry.model not in models:
                lacks, remedy = f"no model of this run is named {entry.model!r}", did_you_mean(entry.model, models)
            said = f"the known flip {entry} ({self._settings.ledger_path.name})"
            yield Declaration(said, lacks, remedy), any(entry.covers(*cell) for cell in cells)

    def _limits(self, item: pytest.Item) -> Iterator[tuple[Declaration, str]]:
        """The limits of command line, ini file and markers, with their names."""
        settings, known, lacks = self._settings, limit_kinds(), "no test makes the check that it is a limit of"
        for name, limit in settings.command_line_limits.items():
            yield _said(f"{name}={known[name].shown(limit.value)} ({limit.origin})", lacks), name
        for name, limit in settings.ini_limits.items():
            said = f"{name}={known[name].shown(limit.value)} ({limit.origin})"
            yield Declaration(said, lacks, is_general=True), name
        for node, marker in item.iter_markers_with_node("envrobust"):
            for name in known.keys() & marker.kwargs.keys():
                yield Declaration(f"{name}={marker.kwargs[name]!r} (marker of {_owner(node, item)})", lacks), name


def is_partial(config: pytest.Config) -> bool:
    """Whether the run is one of some of the project's tests: what it has no use for, another part may have."""
    left_out = any(getattr(config.option, name, None) for name in ("stepwise", "ignore", "ignore_glob"))
    if left_out or names_items(config) or is_rehearsal(config):
        return True
    if config.args_source != config.ArgsSource.ARGS:
        return False
    here = Path(config.invocation_params.dir)
    whole = {config.rootpath, here, *(config.rootpath / path for path in config.getini("testpaths"))}
    return not all((here / argument).resolve() in whole for argument in config.args)


def names_items(config: pytest.Config) -> bool:
    """Whether single tests were asked for: by node id (an editor's click), ``-k``, ``-m``, or as the last failed."""
    by_id = any("::" in argument for argument in config.args) or bool(getattr(config.option, SELECTED, None))
    return by_id or any(getattr(config.option, name, None) for name in ("keyword", "markexpr", "deselect", "lf"))


def _said(said: str, lacks: str, remedy: str = "") -> Declaration:
    return Declaration(said, lacks, remedy, is_of_command_line=True)


def _no_cell_of(name: str) -> str:
    return f"no cell of this run is one of {name}"


def _set_on(line: str) -> str:
    """The compiler or device of a setting, ``tvm-tuned.trials=200``."""
    return line.partition("=")[0].rpartition(".")[0]


def _names(case: Case) -> set[str]:
    """What a setting may be of: a compiler, a device, what an engine takes the device for."""
    own = {case.environment.compiler, case.environment.device}
    return own if case.plan is None else {*own, case.plan.device}


def _owner(node: Any, item: pytest.Item) -> str:
    """The test, class or file that a marker stands on."""
    return item.nodeid.partition("[")[0] if node is item else str(node.nodeid)
