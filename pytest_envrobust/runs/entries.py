"""What the record says of a cell: its outcome, what its checks found, and what its run knows by now."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from msgspec.structs import replace

from pytest_envrobust.core.errors import NoRoute, StageFailure, Unavailable
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.record import schema
from pytest_envrobust.record.latency_part import predicted_part
from pytest_envrobust.runs.cases import Case, Fault
from pytest_envrobust.runs.cell import Cell
from pytest_envrobust.runs.cell_run import CellRun
from pytest_envrobust.verdicts.verdict import gravest


@dataclass(frozen=True)
class Outcome:
    """How a test item ended, at which stage where that failed, and why, in one line."""

    status: Status
    stage: Stage | None = None
    reason: str | None = None


def entry_of(nodeid: str, subject: Cell | Case | Fault, outcome: Outcome) -> schema.Cell:
    """The record's entry for a test item that has come to its end."""
    entry = schema.Cell(nodeid=nodeid, status=outcome.status, stage=outcome.stage, reason=outcome.reason)
    if isinstance(subject, Fault):
        return replace(entry, model=subject.model_name or None)
    case = subject.case if isinstance(subject, Cell) else subject
    environment = case.environment
    entry = replace(
        entry,
        model=case.model_name,
        environment=environment.id,
        framework=environment.framework,
        variant=environment.variant or None,
        compiler=environment.compiler,
        device=environment.device,
        reference=case.reference.id,
        required=case.required,
        route=list(case.way) or None,
    )
    return replace(entry, **_measured(subject)) if isinstance(subject, Cell) else entry


def status_of_error(error: BaseException | None) -> Status | None:
    """The status of a cell that ended with an error; ``None`` where it says nothing of the way to the engine."""
    if isinstance(error, StageFailure):
        return error.status
    if isinstance(error, NoRoute):
        return Status.NO_ROUTE
    return Status.UNAVAILABLE if isinstance(error, Unavailable) else None


def stage_of_error(error: BaseException | None) -> Stage | None:
    """The stage that failed; ``None`` where none did."""
    return error.stage if isinstance(error, StageFailure) else None


def inconclusive_reason(cell: Cell) -> str:
    """Why the gravest of a cell's verdicts is inconclusive; empty where it is not."""
    verdict = gravest(cell.verdicts)
    return verdict.message if verdict is not None and verdict.status is Status.INCONCLUSIVE else ""


def _measured(cell: Cell) -> dict[str, Any]:
    """The fields that say what its checks found, and what its run knows."""
    found: dict[str, Any] = {"compared": cell.used, "family": cell.family(), **_found_by_checks(cell)}
    compared = any(result.check.compares_scores(result.evidence) for result in cell.results)
    if compared and not cell.is_reference:
        found["reference_digest"] = cell.reference_run.digest
    return {**_known_of(cell.run), **found}


def _found_by_checks(cell: Cell) -> dict[str, Any]:
    """Each check's own fields; of fields that several checks write the entries stand together."""
    found: dict[str, Any] = {}
    by_check = sorted(cell.results, key=lambda result: result.check.rank)
    for check, results in groupby(by_check, key=lambda result: result.check):
        for name, value in check.recorded(list(results)).items():
            found[name] = _together(found.get(name), value)
    return found


def _together(known: Any, more: Any) -> Any:
    if isinstance(known, list):
        return [*known, *(each for each in more if each not in known)]
    return {**known, **more} if isinstance(known, dict) else more


def _known_of(run: CellRun) -> dict[str, Any]:
    """What the run of a cell knows, whoever asked for it: evidence, output, artifact, the times of the predicting."""
    found: dict[str, Any] = {}
    if run.evidence is not None:
        found["engine_evidence"] = dict(run.evidence)
    if run.has_predictions:
        timing = run.predictions.timing
        if timing.calls and not run.is_emulated:  # an emulator's times are not those of its processor
            found["latency"] = predicted_part(timing)
        found["output_digest"] = run.digest
        if not run.is_recorded:
            found |= {"artifact": run.session.artifact, "peak_memory_bytes": run.session.peak_bytes}
    return found
