"""The saved run that times are held against: `max_latency_regression` is a limit to what it measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from pytest_envrobust.environments.availability import versions
from pytest_envrobust.environments.machine import machine_differences, this_machine, version_differences
from pytest_envrobust.planning.catalogue import Plan
from pytest_envrobust.record.document import read_record
from pytest_envrobust.record.latency_part import recorded_times
from pytest_envrobust.record.schema import Cell, Machine, Record
from pytest_envrobust.runs.cell_run import CellRun
from pytest_envrobust.timing.evidence import LatencyFigures
from pytest_envrobust.timing.regression import EarlierTime


@dataclass(frozen=True, eq=False)
class Baseline:
    """The record of a saved run."""

    path: Path
    record: Record

    @classmethod
    def read(cls, path: Path) -> Baseline:
        """Read it. Raises `DeclarationError` where it is no record."""
        return cls(path, read_record(path))

    def time_of(self, run: CellRun, reference: CellRun, threads: int) -> EarlierTime:
        """What it measured of a cell, and whether that can be compared; figures of no calls where it has none."""
        environment = run.environment.id
        entry = self._timed(self._name_of(run), environment)
        latency = None if entry is None else entry.latency
        same_reference = entry is not None and entry.reference == reference.environment.id
        return EarlierTime(
            self.path.name,
            LatencyFigures(0) if latency is None else recorded_times(latency),
            self._differences((run.plan, reference.plan), threads),
            same_reference=same_reference and self._has_same_source(reference),
            is_reference=run.environment == reference.environment,
        )

    def _name_of(self, run: CellRun) -> str:
        """The name that the model has there; its own where it is not there."""
        names = run.model_run.names
        return next((name for name in names if self.record.model(name) is not None), names[0])

    def _timed(self, model: str, environment: str) -> Cell | None:
        """The first entry of the cell whose test asked for a time."""
        cells = (cell for cell in self.record.cells_of(model) if cell.environment == environment)
        return next((cell for cell in cells if cell.latency is not None and cell.latency.was_asked_for), None)

    def _differences(self, plans: tuple[Plan, ...], threads: int) -> tuple[str, ...]:
        """What differs of machine, threads, and the packages that the cell and its reference use."""
        then = self.record.run
        requirements = [requirement for plan in plans for requirement in plan.requires]
        now = versions(requirements)
        found = [
            *machine_differences(asdict(this_machine()), msgspec.structs.asdict(then.machine or Machine())),
            *version_differences(now, then.versions or {}, now),
        ]
        if then.threads not in (None, threads):
            found.append(f"{then.threads} threads then, {threads} now")
        return tuple(found)

    def _has_same_source(self, reference: CellRun) -> bool:
        """Whether the reference's model has the weights and structure that it had."""
        key = reference.environment.source
        model = self.record.model(self._name_of(reference))
        source = None if model is None else (model.sources or {}).get(key)
        if source is None or source.digest is None:
            return False
        return source.digest == reference.model_run.inspection(key).digest
