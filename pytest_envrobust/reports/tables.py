"""The table of a model's environments in the HTML report, and what is folded away below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.reports.charts import Scale, scale
from pytest_envrobust.reports.view import ModelView, Row
from pytest_envrobust.reports.words import kinds, milliseconds, percent, probability, ratio, sign
from pytest_envrobust.verdicts.latency import Clock, default_clock

PLOT_WIDTH, PLOT_HEIGHT = 120, 16
"""Of a ratio's range plot, in pixels."""


@dataclass(frozen=True)
class RangePlot:
    """An interval with its middle, in pixels from the left of a drawing `PLOT_WIDTH` wide."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class EnvironmentRow:
    """A row of the table, as text; what was not measured is empty."""

    environment: str
    letter: str
    status: str
    sign: str
    group: str
    reason: str
    is_reference: bool
    agreement: str = ""
    share: float | None = None
    count: str = ""
    bound: str = ""
    flips: str = ""
    wall: str = ""
    cpu: str = ""
    is_untimed: bool = False
    ratio: str = ""
    interval: str = ""
    plot: RangePlot | None = None
    top1: str = ""
    top5: str = ""
    p: str = ""


@dataclass(frozen=True)
class EnvironmentTable:
    """The rows of a model, and which columns have anything in them. ``axis`` is the ratios' common one."""

    shown: tuple[EnvironmentRow, ...]
    skipped: tuple[EnvironmentRow, ...]
    axis: Scale | None

    @property
    def columns(self) -> frozenset[str]:
        """Names of the columns that are not empty throughout."""
        names = ("letter", "agreement", "flips", "wall", "cpu", "ratio", "top1", "top5", "p")
        return frozenset(name for name in names if any(getattr(row, name) for row in self.shown))

    @property
    def width(self) -> int:
        """How many columns the table has below the environment's name."""
        return 1 + len(self.columns) + ("ratio" in self.columns)

    @property
    def has_untimed(self) -> bool:
        return any(row.is_untimed for row in self.shown)


@dataclass(frozen=True)
class Detail:
    """What is folded away of an environment that has any of it."""

    environment: str
    route: tuple[str, ...]
    artifact: str
    memory: str
    evidence: tuple[tuple[str, str], ...]


def environment_table(view: ModelView, analysis: Mapping[str, Any]) -> EnvironmentTable:
    """The table of a model."""
    intervals = {row.environment: found for row in view.rows if (found := _interval(row))}
    axis = (
        scale([1.0, *(end for values in intervals.values() for end in values)], 4, PLOT_WIDTH - 4, log=True)
        if (intervals and all(values[0] > 0 for values in intervals.values()))
        else None
    )
    accuracy = {entry["environment"]: entry for entry in analysis.get("accuracy", ())}
    letters = view.outputs
    rows = [
        _row(row, letters.get(row.output, ""), intervals.get(row.environment), axis, accuracy.get(row.environment, {}))
        for row in view.rows
    ]
    skipped = [row.was_skipped for row in view.rows]
    return EnvironmentTable(
        tuple(row for row, out in zip(rows, skipped) if not out),
        tuple(row for row, out in zip(rows, skipped) if out),
        axis,
    )


def details_of(name: str, cells: Sequence[Mapping[str, Any]]) -> list[Detail]:
    """Routes, evidence and artifacts of a model's environments, each from the first entry that has it."""
    merged: dict[str, dict[str, Any]] = {}
    for cell in cells:
        if cell.get("model") == name and "environment" in cell:
            known = merged.setdefault(cell["environment"], {})
            for field in ("route", "artifact", "engine_evidence", "peak_memory_bytes"):
                if field in cell:
                    known.setdefault(field, cell[field])
    return [_detail(environment, known) for environment, known in merged.items() if known]


def clock_of(environment: str) -> Clock:
    """The clock that decides for an environment; wall time where its name cannot be read."""
    try:
        return default_clock(environment)
    except DeclarationError:
        return "wall"


def device_of(environment: str) -> str:
    """The device in an environment's name."""
    try:
        return Environment.parse(environment).device
    except DeclarationError:
        return ""


def _interval(row: Row) -> tuple[float, float, float] | None:
    ratios = row.latency.get("ratio", {})
    found = ratios.get(clock_of(row.environment)) or ratios.get("wall") or ratios.get("cpu")
    return (found[0], found[1], found[2]) if found else None


def _row(
    row: Row,
    letter: str,
    interval: tuple[float, float, float] | None,
    axis: Scale | None,
    accuracy: Mapping[str, Any],
) -> EnvironmentRow:
    labels, latency = row.labels, row.latency
    against = accuracy.get("against_reference", {})
    return EnvironmentRow(
        environment=row.environment or "(declaration)",
        letter=letter,
        status=row.status,
        sign=sign(row.status),
        group=row.group,
        reason=row.reason,
        is_reference=row.is_reference,
        agreement=percent(labels["agreement"]) if labels else "",
        share=labels.get("agreement"),
        count=f"{round(labels['agreement'] * labels['n'])}/{labels['n']}" if labels else "",
        bound=percent(labels["bound"]) if "bound" in labels and not row.is_reference else "",
        flips=kinds(labels.get("flips", {})),
        wall=_median(latency, "wall_ms"),
        cpu=_median(latency, "cpu_ms"),
        is_untimed=latency.get("from") == "predictions",
        ratio=ratio(interval[1]) if interval else "",
        interval=f"{ratio(interval[0])} to {ratio(interval[2])}" if interval else "",
        plot=RangePlot(*(axis.at(value) for value in interval)) if interval and axis else None,
        top1=percent(accuracy["top1"]) if "top1" in accuracy else "",
        top5=percent(accuracy["top5"]) if "top5" in accuracy else "",
        p=probability(against["p"]) if "p" in against and not row.is_reference else "",
    )


def _median(latency: Mapping[str, Any], clock: str) -> str:
    median = latency.get(clock, {}).get("median")
    return "" if median is None else milliseconds(median)


def _detail(environment: str, known: Mapping[str, Any]) -> Detail:
    memory = known.get("peak_memory_bytes")
    return Detail(
        environment,
        tuple(known.get("route", ())),
        known.get("artifact", "")[:12],
        f"{memory / 2**20:.0f}" if memory is not None else "",
        tuple((str(name), str(value)) for name, value in known.get("engine_evidence", {}).items()),
    )
