"""The table of a model's environments in the HTML report, and what is folded away below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.wording import percent
from pytest_envrobust.history.view import ModelView, Row
from pytest_envrobust.reports.findings import count_text, flips_text, invariants_text, reach_text, score_texts
from pytest_envrobust.reports.html.charts import Scale, scale
from pytest_envrobust.reports.html.timing_tables import RatioCell, ratio_cell
from pytest_envrobust.reports.times import Timed
from pytest_envrobust.reports.words import milliseconds, probability, sign
from pytest_envrobust.timing.evidence import TAILS
from pytest_envrobust.timing.intervals import Estimate

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
    """A row of the table, as text; what was not measured is empty. ``tails`` are of the wall time."""

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
    reach: str = ""
    flips: str = ""
    abs_error: str = ""
    relative_error: str = ""
    fidelity: str = ""
    invariants: str = ""
    broken: tuple[str, ...] = ()
    wall: str = ""
    tails: tuple[tuple[str, str], ...] = ()
    cpu: str = ""
    device: str = ""
    first_call: str = ""
    is_untimed: bool = False
    time: RatioCell = field(default_factory=RatioCell)
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
    def has_controls(self) -> bool:
        return any(row.time.control for row in self.shown)

    @property
    def columns(self) -> frozenset[str]:
        """Names of the columns that are not empty throughout."""
        names = (
            *("letter", "agreement", "flips", "abs_error", "relative_error", "fidelity", "invariants"),
            *("wall", "cpu", "device", "first_call", "top1", "top5", "p"),
        )
        found = frozenset(name for name in names if any(getattr(row, name) for row in self.shown))
        return found | {"ratio"} if any(row.time.ratio or row.time.control_doubt for row in self.shown) else found

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
    ratios = [found for row in view.rows if (found := Timed(row.environment, row.latency).ratio)]
    axis = (
        scale([1.0, *(end for each in ratios for end in (each.low, each.high))], 4, PLOT_WIDTH - 4, log=True)
        if ratios and all(each.is_bounded for each in ratios)
        else None
    )
    accuracy = {entry["environment"]: entry for entry in analysis.get("accuracy", ())}
    letters = view.outputs
    rows = [_row(row, letters.get(row.output, ""), axis, accuracy.get(row.environment, {})) for row in view.rows]
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


def device_of(environment: str) -> str:
    """The device in an environment's name."""
    try:
        return Environment.parse(environment).device
    except DeclarationError:
        return ""


def _row(row: Row, letter: str, axis: Scale | None, accuracy: Mapping[str, Any]) -> EnvironmentRow:
    labels, latency = row.labels, row.latency
    abs_error, relative_error, fidelity = score_texts(row.scores)
    timed = Timed(row.environment, latency)
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
        count=count_text(labels) if labels else "",
        bound=percent(labels["bound"]) if "bound" in labels and not row.is_reference else "",
        reach=reach_text(row),
        flips=flips_text(labels),
        abs_error=abs_error,
        relative_error=relative_error,
        fidelity=fidelity,
        invariants=invariants_text(row.invariants),
        broken=tuple(each["name"] for each in row.invariants if not each["holds"]),
        wall=_median(latency, "wall_ms"),
        tails=tuple(
            (name, milliseconds(latency["wall_ms"][name])) for name in TAILS if name in latency.get("wall_ms", {})
        ),
        cpu=_median(latency, "cpu_ms"),
        device=_median(latency, "device_ms"),
        first_call=milliseconds(latency["first_call_ms"]) if "first_call_ms" in latency else "",
        is_untimed=latency.get("from") == "predictions",
        time=ratio_cell(timed),
        plot=_plot(timed.ratio, axis) if timed.ratio and axis else None,
        top1=percent(accuracy["top1"]) if "top1" in accuracy else "",
        top5=percent(accuracy["top5"]) if "top5" in accuracy else "",
        p=probability(against["p"]) if "p" in against and not row.is_reference else "",
    )


def _plot(ratio: Estimate, axis: Scale) -> RangePlot:
    return RangePlot(axis.at(ratio.low), axis.at(ratio.mid), axis.at(ratio.high))


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
