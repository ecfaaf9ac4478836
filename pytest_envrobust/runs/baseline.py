"""The saved run that times are held against: `max_latency_regression` is a limit to what it measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pytest_envrobust.checks.figures import recorded_times, was_timed
from pytest_envrobust.environments.availability import versions
from pytest_envrobust.environments.machine import machine_differences, this_machine, version_differences
from pytest_envrobust.planning.catalogue import Plan
from pytest_envrobust.record.document import Record, read_record
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
        model, environment = run.model_run.model.name, run.environment.id
        entry = next((cell for cell in self._cells(model) if cell["environment"] == environment), None) or {}
        return EarlierTime(
            self.path.name,
            recorded_times(entry["latency"]) if entry else LatencyFigures(0),
            self._differences((run.plan, reference.plan), threads),
            same_reference=entry.get("reference") == reference.environment.id and self._has_same_source(reference),
            is_reference=run.environment == reference.environment,
        )

    def _cells(self, model: str) -> list[dict[str, Any]]:
        cells = [cell for cell in self.record["cells"] if cell.get("model") == model]
        return [cell for cell in cells if was_timed(cell.get("latency", {}))]

    def _differences(self, plans: tuple[Plan, ...], threads: int) -> tuple[str, ...]:
        """What differs of machine, threads, and the packages that the cell and its reference use."""
        then = self.record["run"]
        requirements = [requirement for plan in plans for requirement in plan.requires]
        now = versions(requirements)
        found = [
            *machine_differences(asdict(this_machine()), then.get("machine", {})),
            *version_differences(now, then.get("versions", {}), now),
        ]
        if then.get("threads", threads) != threads:
            found.append(f"{then['threads']} threads then, {threads} now")
        return tuple(found)

    def _has_same_source(self, reference: CellRun) -> bool:
        """Whether the reference's model has the weights and structure that it had."""
        framework = reference.environment.source_framework
        name = reference.model_run.model.name
        entries = [entry for entry in self.record["models"] if entry["name"] == name]
        then = entries[0].get("sources", {}).get(framework, {}).get("digest") if entries else None
        return then is not None and then == reference.model_run.inspection(framework).digest
