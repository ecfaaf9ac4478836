"""Comparing a model's environments without pytest, in a notebook or a script."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pytest_envrobust.checks.assertions import EnvironmentMismatch
from pytest_envrobust.checks.registry import check_named
from pytest_envrobust.checks.thresholds import Thresholds
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError, EnvrobustError
from pytest_envrobust.core.status import Status
from pytest_envrobust.environments.selection import check_patterns
from pytest_envrobust.history.merging import analysed
from pytest_envrobust.models.model import Model
from pytest_envrobust.planning.catalogue import Catalogue
from pytest_envrobust.record import schema
from pytest_envrobust.record.document import new_record, write_record
from pytest_envrobust.record.predictions import PredictionStore
from pytest_envrobust.runs.cases import Case, Choice, Fault, LeftOut, cases_of
from pytest_envrobust.runs.cell import Cell
from pytest_envrobust.runs.context import RunContext, silent
from pytest_envrobust.runs.effects import Effects
from pytest_envrobust.runs.entries import Outcome, entry_of, inconclusive_reason, stage_of_error, status_of_error
from pytest_envrobust.runs.registry import Registry
from pytest_envrobust.runs.run_part import run_part
from pytest_envrobust.runs.settings import Settings


def compare(
    model: Model,
    environments: Sequence[str] = (),
    *,
    checks: Sequence[str] = ("labels",),
    reference: str | None = None,
    limits: Thresholds | None = None,
    json: str | Path | None = None,
    say: Callable[[str], None] = silent,
) -> schema.Record:
    """Make checks of a model in each of its environments, and return the record, as a run of pytest writes it.

    ``environments`` are globs or names; where none is given it is each engine's own default level on the CPU.
    Relative paths of the model begin at the working directory. ``reference`` is the environment that the others are
    compared with. A cell that fails or cannot run is an entry of the record, with its status and reason. The record
    is written to ``json`` too, the predictions beside it, for the ``envrobust`` command. ``say`` takes lines of
    progress. A run that is interrupted writes what it has, says so in the record, and raises what ended it. Raises
    `DeclarationError` for a declaration, a check or an environment that there cannot be, and where
    ``json`` cannot be written.
    """
    catalogue = Catalogue()
    chosen = None
    if reference is not None:
        check_patterns([reference], catalogue.everything, "reference")
        chosen = Environment.parse(reference)
    check_patterns(environments, catalogue.everything, "environments")
    for name in checks:
        check_named(name)
    with _run(catalogue, Settings(environments=tuple(environments), reference=chosen), say) as registry:
        choice = Choice(tuple(environments), reference=chosen)
        found = cases_of(model.resolved(Path.cwd()), catalogue, choice, LeftOut())
        if limits is not None:
            _check_limits(limits, [case.environment for case in found if isinstance(case, Case)], catalogue)
        for case in found:
            if isinstance(case, Case) and case.fault is None:
                registry.context.families.note(case)
        to_come = [(case, check) for case in found for check in checks]
        cells: list[schema.Cell] = []
        try:
            for case, check in to_come:
                cells.append(_entry(case, check, registry, limits))
        except BaseException as error:  # what was found so far is kept, and told to be a part
            if json is not None and not isinstance(error, EnvrobustError):
                why = " ".join(str(error).split()) or type(error).__name__
                left = [_not_run(case, check, why) for case, check in to_come[len(cells) :]]
                _write(_record(registry, [*cells, *left], interrupted=why), registry, Path(json))
            raise
        record = _record(registry, cells)
        if json is not None:
            _write(record, registry, Path(json))
        return record


def _check_limits(limits: Thresholds, environments: Sequence[Environment], catalogue: Catalogue) -> None:
    """Raise `DeclarationError` for limits of environments that are not compared: they would have no effect."""
    effects = Effects()
    for environment in environments:
        effects.note_thresholds(limits, environment)
    for declaration in effects.without():
        raise DeclarationError(declaration.line([each.id for each in (*environments, *catalogue.everything)]))


def _record(registry: Registry, cells: list[schema.Cell], **more: object) -> schema.Record:
    scores_of = registry.context.predictions.scores
    models = [analysed(each, cells, scores_of) for each in registry.model_parts()]
    return new_record(run_part(registry.context, sys.argv, **more), models, cells)


def _write(record: schema.Record, registry: Registry, path: Path) -> None:
    write_record(record, path)
    registry.context.predictions.gather(path)


@contextmanager
def _run(catalogue: Catalogue, settings: Settings, say: Callable[[str], None]) -> Iterator[Registry]:
    """A run's models and cells; its workers end with it."""
    with tempfile.TemporaryDirectory(prefix="envrobust-") as folder:
        context = RunContext(settings, catalogue, PredictionStore(Path(folder)), say=say)
        try:
            yield Registry(context)
        finally:
            context.close()


def _entry(case: Case | Fault, check: str, registry: Registry, limits: Thresholds | None) -> schema.Cell:
    """Make a check of a cell, and say what came of it."""
    if isinstance(case, Fault):
        raise case.error
    nodeid = _nodeid(case, check)
    if case.fault is not None:
        return entry_of(nodeid, case, _failed(case.fault))
    cell = Cell(case, registry, layers=[limits])
    try:
        cell.check(check)
    except (EnvrobustError, EnvironmentMismatch) as error:
        return entry_of(nodeid, cell, _failed(error))
    reason = inconclusive_reason(cell)
    outcome = Outcome(Status.INCONCLUSIVE, reason=reason.split("\n", 1)[0]) if reason else Outcome(Status.PASSED)
    return entry_of(nodeid, cell, outcome)


def _not_run(case: Case | Fault, check: str, why: str) -> schema.Cell:
    nodeid = _nodeid(case, check) if isinstance(case, Case) else case.name
    return entry_of(nodeid, case, Outcome(Status.NOT_RUN, reason=f"the run was interrupted before: {why}"))


def _nodeid(case: Case, check: str) -> str:
    return f"{case.model.name}::{check}[{case.environment.id}]"


def _failed(error: EnvrobustError | EnvironmentMismatch) -> Outcome:
    reason = error.headline if isinstance(error, EnvrobustError) else str(error).split("\n", 1)[0]
    return Outcome(status_of_error(error) or Status.FAILED, stage_of_error(error), reason)
