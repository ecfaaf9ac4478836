"""pytest's short summary: a line is cut where the terminal ends, so that its message begins with the cause."""

from __future__ import annotations

import os
import re
from pathlib import PurePath

import pytest

from pytest_envrobust.checks.assertions import EnvironmentMismatch
from pytest_envrobust.core.errors import EnvrobustError, StageFailure
from pytest_envrobust.runs.cases import Case, Fault
from pytest_envrobust.runs.cell import Cell

_FOLDERS = re.compile(
    r"""(?<=['"])(?:/|[A-Za-z]:[\\/])[^'"]*[\\/](?=[^'"\\/])
    | (?<![\w.:/\\'"-])(?:/|[A-Za-z]:[\\/])(?:[^\s'":;,()]+[\\/])+(?=[^\s'":;,()\\/])""",
    re.X,
)
"""The folders of an absolute path: they are long, and the file's name, which tells, would be cut off."""


def put_cause_first(report: pytest.TestReport, error: BaseException | None, subject: Cell | Case | Fault) -> None:
    """Let the line of the short summary say why the item failed; node id and full message have all the rest."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if report.failed and crash is not None and isinstance(error, (EnvironmentMismatch, EnvrobustError)):
        case = subject.case if isinstance(subject, Cell) else subject
        crash.message = cause_first(error, case)


def cause_first(error: BaseException, case: Case | Fault) -> str:
    """One line: the cause, then in parentheses what it is the cause of, and the cell."""
    cell = f"{case.model_name} in {case.environment.id}" if isinstance(case, Case) else case.model_name
    if isinstance(error, EnvrobustError):
        said, about = _of_error(error, case.model_name if case.model is None else case.model.name)
    else:
        said, about = _of_verdict(str(error), cell), ""
    told = "; ".join(part for part in (about, cell) if part)
    return _FOLDERS.sub("", f"{said} ({told})" if told else said)


class FoldedSkips:
    """Lives in the process that reports: pytest folds skips of one reason where they are of one place, too."""

    def __init__(self) -> None:
        self._places: dict[str, tuple[str, int]] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Put a cell that is skipped to the first one with the same reason, whichever test it is of."""
        told = report.longrepr
        if hasattr(report, "envrobust") and report.skipped and isinstance(told, tuple):
            path, line, reason = told
            report.longrepr = (*self._places.setdefault(reason, (os.fspath(path), line)), reason)


def _of_error(error: EnvrobustError, model: str) -> tuple[str, str]:
    """What comes first, and what it is about."""
    thing = error.thing.removeprefix(f"model {model!r}: ")
    if isinstance(error, StageFailure):
        where = f"{error.status.value} at stage {error.stage.value}"
        cause = _FOLDERS.sub("", error.cause).removeprefix(f"{PurePath(model).name} is ")
        return (cause, f"{where}: {thing}") if cause else (thing, where)
    if error.cause and thing == f"model {model!r}":
        return error.cause, ""
    if error.cause and _FOLDERS.search(thing):
        return error.cause, thing
    return (f"{thing}: {error.cause}" if error.cause else thing), ""


def _of_verdict(message: str, cell: str) -> str:
    """Its first line without the cell; at which point of the axes a time was taken stays, behind it."""
    line = message.split("\n", 1)[0]
    if not line.startswith(cell):
        return line
    point, _, said = line.removeprefix(cell).partition(": ")
    return f"{said},{point}" if point else said
