"""The table at the end of a run, as lines of plain text: a view of the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_envrobust.reports.view import ModelView, Row, model_views

_HEAD = ("environment", "status", "agreement", "flips", "wall ms", "CPU ms", "CPU ratio", "output")
_RIGHT = frozenset({"wall ms", "CPU ms"})


def terminal_lines(record: Mapping[str, Any]) -> list[str]:
    """The report of a run: for each model a table of its environments and what is to be known about it."""
    lines: list[str] = []
    for view in model_views(record):
        if lines:
            lines.append("")
        lines += _model_lines(view)
    return lines


def _model_lines(view: ModelView) -> list[str]:
    lines = [_headline(view), *(f"  {note}" for note in view.notes)]
    shown = [row for row in view.rows if not row.was_skipped]
    if shown:
        lines += _table([_HEAD, *(_cells(row, view.outputs) for row in shown)])
    lines += _identical(view)
    lines += [f"  skipped {count}: {reason}" for reason, count in view.absent.most_common()]
    return lines


def _headline(view: ModelView) -> str:
    ran, distinct = len(view.ran), len(view.outputs)
    inputs = next((row.labels["n"] for row in view.rows if row.labels), None)
    parts = [f"reference {view.reference}"] if view.reference else []
    if inputs is not None:
        parts.append(_counted(inputs, "input"))
    parts.append(f"{_counted(ran, 'environment')} ran, {_counted(distinct, 'distinct output')}")
    return f"{view.name}: {', '.join(parts)}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _cells(row: Row, outputs: Mapping[str, str]) -> tuple[str, ...]:
    return (
        row.environment or "(declaration)",
        "reference" if row.is_reference and row.status == "passed" else row.status,
        _agreement(row.labels),
        _flips(row.labels),
        _median(row.latency, "wall_ms"),
        _median(row.latency, "cpu_ms"),
        _ratio(row.latency),
        outputs.get(row.output, ""),
    )


def _agreement(labels: Mapping[str, Any]) -> str:
    if not labels:
        return ""
    agreeing = round(labels["agreement"] * labels["n"])
    return f"{labels['agreement']:.3f} ({agreeing}/{labels['n']})"


def _flips(labels: Mapping[str, Any]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in labels.get("flips", {}).items() if count)


def _median(latency: Mapping[str, Any], clock: str) -> str:
    median = latency.get(clock, {}).get("median")
    return "" if median is None else f"{median:.2f}"


def _ratio(latency: Mapping[str, Any]) -> str:
    interval = latency.get("ratio", {}).get("cpu")
    if not interval:
        return ""
    low, middle, high = interval
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    used = [column for column in range(len(rows[0])) if any(row[column] for row in rows[1:])]
    widths = {column: max(len(row[column]) for row in rows) for column in used}
    lines = []
    for row in rows:
        parts = [
            row[column].rjust(widths[column]) if _HEAD[column] in _RIGHT else row[column].ljust(widths[column])
            for column in used
        ]
        lines.append(("  " + "  ".join(parts)).rstrip())
    return lines


def _identical(view: ModelView) -> list[str]:
    lines = []
    for digest, letter in view.outputs.items():
        same = [row.environment for row in view.rows if row.output == digest]
        if len(same) > 1:
            lines.append(f"  output {letter} is bit-identical in {len(same)}: {', '.join(same)}")
    return lines
