"""From pytest's report of an item to the record's entry for it."""

from __future__ import annotations

import pytest

from pytest_envrobust.core.errors import EnvrobustError
from pytest_envrobust.core.status import Status
from pytest_envrobust.core.timing import Clock
from pytest_envrobust.record import schema
from pytest_envrobust.record.accuracy_part import recorded_accuracy
from pytest_envrobust.runs.cases import Case, Fault
from pytest_envrobust.runs.cell import Cell
from pytest_envrobust.runs.entries import Outcome, entry_of, inconclusive_reason, stage_of_error, status_of_error


def reported_entry(
    nodeid: str, subject: Cell | Case | Fault, report: pytest.TestReport, error: BaseException | None
) -> schema.Cell | None:
    """The entry for an item that has come to its end; ``None`` for one that the user's own code skipped."""
    status = _status(report, error, subject)
    if status is None:
        return None
    outcome = Outcome(status, stage_of_error(error), _reason(report, error, subject, status))
    return entry_of(nodeid, subject, outcome)


def attempt_of(entry: schema.Cell) -> schema.Attempt:
    """What an entry is to the record where the item is made again."""
    return schema.Attempt(status=entry.status, stage=entry.stage, reason=entry.reason)


def properties_of(entry: schema.Cell) -> list[tuple[str, object]]:
    """The entry's main figures as flat properties, for JUnit."""
    flat = {
        "envrobust.model": entry.model,
        "envrobust.environment": entry.environment,
        "envrobust.status": entry.status.value,
        "envrobust.route": " -> ".join(entry.route or ()) or None,
        "envrobust.agreement": None if entry.labels is None else entry.labels.agreement,
        "envrobust.accuracy": _accuracy(entry.accuracy),
        "envrobust.median_wall_ms": _median(entry.latency, "wall"),
        "envrobust.median_cpu_ms": _median(entry.latency, "cpu"),
        "envrobust.output_digest": entry.output_digest,
    }
    return [(name, value) for name, value in flat.items() if value is not None]


def _accuracy(told: schema.CellAccuracy | None) -> float | None:
    evidence = None if told is None else recorded_accuracy(told)
    return None if evidence is None else evidence.share


def _median(latency: schema.Latency | None, clock: Clock) -> float | None:
    times = None if latency is None else latency.on(clock)
    return None if times is None else times.median


def _status(report: pytest.TestReport, error: BaseException | None, subject: Cell | Case | Fault) -> Status | None:
    if hasattr(report, "wasxfail"):
        return Status.LIMITED if report.skipped else Status.FAILED if report.failed else Status.PASSED
    told = status_of_error(error)
    if told is not None:
        return told
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
    where = "teardown: " if report.when == "teardown" else ""
    if isinstance(error, EnvrobustError):
        return f"{where}{error.headline}"
    if error is not None:
        return where + (str(error).strip().split("\n", 1)[0] or type(error).__name__)
    if status is Status.INCONCLUSIVE and isinstance(subject, Cell):
        return inconclusive_reason(subject).split("\n", 1)[0]
    return None
