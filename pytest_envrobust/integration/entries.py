"""One entry of the record: what is known of an item's cell, as plain data. A value that was not measured is absent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pytest

from pytest_envrobust.checks.figures import label_limit_figures, labels_figures, scores_figures, verdict_figures
from pytest_envrobust.comparison.labels import LabelComparison
from pytest_envrobust.core.errors import EnvrobustError, NoRoute, StageFailure, Unavailable
from pytest_envrobust.core.status import Status
from pytest_envrobust.core.timing import Clock, Timing
from pytest_envrobust.runs.cases import Case, Fault
from pytest_envrobust.runs.cell import Cell
from pytest_envrobust.runs.registry import Registry
from pytest_envrobust.timing.evidence import LatencyEvidence, TimedPoint
from pytest_envrobust.timing.intervals import Estimate
from pytest_envrobust.timing.ratios import smallest_visible
from pytest_envrobust.timing.summaries import ends, samples, summary
from pytest_envrobust.verdicts.limits import LATENCY_LIMITS, SCORE_LIMITS, LabelLimit
from pytest_envrobust.verdicts.verdict import Verdict, gravest

Entry = dict[str, Any]


def inconclusive_reason(cell: Cell) -> str:
    """Why the gravest of a passed item's verdicts is inconclusive; empty where it is not."""
    verdict = gravest(cell.verdicts)
    return verdict.message if verdict is not None and verdict.status is Status.INCONCLUSIVE else ""


def entry_of(
    nodeid: str,
    subject: Cell | Case | Fault,
    report: pytest.TestReport,
    error: BaseException | None,
    registry: Registry,
) -> Entry | None:
    """The entry for an item that has come to its end; ``None`` for one that the user's own code skipped."""
    status = _status(report, error, subject)
    if status is None:
        return None
    entry: Entry = {"nodeid": nodeid, "status": status.value}
    if isinstance(error, StageFailure):
        entry["stage"] = error.stage.value
    entry["reason"] = _reason(report, error, subject, status)
    if isinstance(subject, Fault):
        return _without_gaps({"model": subject.name or None, **entry})
    case = subject.case if isinstance(subject, Cell) else subject
    environment = case.environment
    entry |= {
        "model": case.model.name,
        "environment": environment.id,
        "framework": environment.framework,
        "compiler": environment.compiler,
        "device": environment.device,
        "reference": case.reference.id,
        "required": case.required,
        "route": list(case.way) or None,
    }
    if isinstance(subject, Cell):
        entry |= _measured(subject, registry)
    return _without_gaps(entry)


def properties_of(entry: Entry) -> list[tuple[str, object]]:
    """The entry's main figures as flat properties, for JUnit."""
    flat = {
        "envrobust.model": entry.get("model"),
        "envrobust.environment": entry.get("environment"),
        "envrobust.status": entry["status"],
        "envrobust.route": " -> ".join(entry.get("route", ())) or None,
        "envrobust.agreement": entry.get("labels", {}).get("agreement"),
        "envrobust.median_wall_ms": entry.get("latency", {}).get("wall_ms", {}).get("median"),
        "envrobust.median_cpu_ms": entry.get("latency", {}).get("cpu_ms", {}).get("median"),
        "envrobust.output_digest": entry.get("output_digest"),
    }
    return [(name, value) for name, value in flat.items() if value is not None]


def _status(report: pytest.TestReport, error: BaseException | None, subject: Cell | Case | Fault) -> Status | None:
    if hasattr(report, "wasxfail"):
        return Status.LIMITED if report.skipped else Status.FAILED
    if isinstance(error, StageFailure):
        return error.status
    if isinstance(error, NoRoute):
        return Status.NO_ROUTE
    if isinstance(error, Unavailable):
        return Status.UNAVAILABLE
    if report.failed:
        return Status.FAILED
    if report.skipped:
        return Status.INCONCLUSIVE if isinstance(subject, Cell) and inconclusive_reason(subject) else None
    return Status.PASSED


def _reason(
    report: pytest.TestReport, error: BaseException | None, subject: Cell | Case | Fault, status: Status
) -> str | None:
    if status is Status.LIMITED:
        return str(getattr(report, "wasxfail", ""))
    if isinstance(error, EnvrobustError):
        return error.headline
    if error is not None:
        return str(error).strip().split("\n", 1)[0] or type(error).__name__
    if status is Status.INCONCLUSIVE and isinstance(subject, Cell):
        return inconclusive_reason(subject).split("\n", 1)[0]
    return None


def _measured(cell: Cell, registry: Registry) -> Entry:
    """What the item compared and measured, and what the cell's run knows by now."""
    run = registry.cell_run(cell.model, cell.environment)
    found: Entry = {"compared": cell.used}
    if cell.comparison is not None:
        found["labels"] = _labels(cell.comparison, cell)
    if cell.scores is not None:
        found["scores"] = scores_figures(cell.scores) | verdict_figures(_verdicts_on(cell, SCORE_LIMITS))
    if cell.invariants:
        found["invariants"] = [asdict(invariant) for invariant in cell.invariants]
    if cell.latency is not None:
        found["latency"] = _latency(cell)
    with_this_runs = cell.scores is not None or (cell.comparison is not None and cell.label_reference is None)
    if with_this_runs and not cell.is_reference:
        found["reference_digest"] = registry.reference(cell.case).run.digest
    if run.evidence is not None:
        found["engine_evidence"] = dict(run.evidence)
    if run.has_predictions:
        predictions = run.predictions
        if predictions.timing.calls and not run.is_emulated:  # an emulator's times are not those of its processor
            found.setdefault("latency", {**_times(predictions.timing), "from": "predictions"})
        found["output_digest"] = run.digest
        if not run.is_recorded:
            found |= {"artifact": run.session.artifact, "peak_memory_bytes": run.session.peak_bytes}
    return found


def _labels(comparison: LabelComparison, cell: Cell) -> Entry:
    verdict = next((item for item in cell.verdicts if isinstance(item.limit, LabelLimit)), None)
    return {
        "reference": cell.label_reference,
        **labels_figures(comparison, cell.noise, cell.known),
        "of": len(cell.inputs) if len(cell.inputs) > comparison.n else None,
        **({} if verdict is None else label_limit_figures(verdict)),
    }


def _verdicts_on(cell: Cell, names: Sequence[str]) -> list[Verdict]:
    return [item for item in cell.verdicts if item.limit and item.limit.name in names]


def _latency(cell: Cell) -> Entry:
    assert cell.latency is not None
    found = _timed(cell.latency)
    if cell.points:
        found["points"] = [_point(timed) for timed in cell.points]
    return found | verdict_figures(_verdicts_on(cell, LATENCY_LIMITS))


def _point(timed: TimedPoint) -> Entry:
    if timed.evidence is None:
        return {"batch": timed.point.batch, "threads": timed.point.threads, "reason": timed.reason}
    return _timed(timed.evidence)


def _timed(evidence: LatencyEvidence) -> Entry:
    deciding = evidence.ratios.get(evidence.clock)
    return {
        "batch": evidence.point.batch,
        "threads": evidence.point.threads,
        **_times(evidence.timing),
        "from": "pairs" if evidence.ratios else "alone",
        "clock": evidence.clock,
        "images_per_second": evidence.images_per_second,
        "first_call_ms": evidence.first_call_ms,
        "rounds": evidence.rounds,
        "calls_a_turn": evidence.calls_a_turn,
        "warm_up_calls": evidence.warm_up_calls,
        "ratio": _ends(evidence.ratios),
        "control": _ends(evidence.controls),
        "control_fault": evidence.control_fault or None,
        "smallest_visible": smallest_visible(deciding) if deciding is not None else None,
        "notices": list(evidence.notices) or None,
    }


def _ends(estimates: Mapping[Clock, Estimate]) -> Entry | None:
    return {clock: told for clock, estimate in estimates.items() if (told := ends(estimate)) is not None} or None


def _times(timing: Timing) -> Entry:
    return {**summary(timing), "samples_ms": samples(timing)}


def _without_gaps(value: Entry) -> Entry:
    """The same data without values that were not measured: ``None``, NaN and infinities."""
    kept: Entry = _measured_only(value)
    return kept


def _measured_only(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: _measured_only(item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item is not None}
    if isinstance(value, list):
        return [_measured_only(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
