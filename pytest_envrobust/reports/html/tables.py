"""The table of a model's environments in the HTML report, and what is folded away below it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_envrobust.core.status import Status
from pytest_envrobust.core.wording import percent
from pytest_envrobust.history.view import ModelView
from pytest_envrobust.record.schema import Cell, Latency
from pytest_envrobust.reports.accuracy import interval_text
from pytest_envrobust.reports.columns import (
    Entry,
    bound_text,
    count_text,
    entries_of,
    environment_columns,
    reach_text,
    status_text,
)
from pytest_envrobust.reports.html.charts import Scale, scale
from pytest_envrobust.reports.html.timing_tables import RatioCell, ratio_cell
from pytest_envrobust.reports.limits import limit_lines
from pytest_envrobust.reports.tables import Column, Report, tabulated
from pytest_envrobust.reports.words import milliseconds, sign
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
    """An environment: the texts of its columns, by name, their limits, and what else stands beside them.

    What was not measured is empty. ``reason`` is empty where it passed. ``count``, ``bound`` and ``reach`` are of the
    agreement, whose ``share`` is drawn as a bar; ``accuracy`` is the interval of the top-1 accuracy; ``broken``
    invariants do not hold; ``tails`` are of the wall time; ``is_untimed`` where the times are of the calls that gave
    the predictions; ``ratio`` has a ``plot``.
    """

    environment: str
    status: str
    sign: str
    group: str
    reason: str
    texts: Mapping[str, str]
    limits: Mapping[str, str]
    share: float | None
    count: str
    bound: str
    reach: str
    accuracy: str
    broken: tuple[str, ...]
    tails: tuple[tuple[str, str], ...]
    is_untimed: bool
    ratio: RatioCell
    plot: RangePlot | None


@dataclass(frozen=True)
class EnvironmentTable:
    """The rows of a model, and the columns that have anything in them. ``axis`` is the ratios' common one, and
    ``limits`` are lines on what the figures were held against.
    """

    columns: tuple[Column[Entry], ...]
    shown: tuple[EnvironmentRow, ...]
    skipped: tuple[EnvironmentRow, ...]
    axis: Scale | None
    limits: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Names of the columns."""
        return frozenset(column.name for column in self.columns)

    @property
    def width(self) -> int:
        """How many columns the drawn table has: a ratio takes two."""
        return len(self.columns) + ("ratio" in self.names)

    @property
    def has_controls(self) -> bool:
        """Whether any ratio has a control beside it."""
        return any(row.ratio.control for row in self.shown)

    @property
    def has_untimed(self) -> bool:
        """Whether any times are of the calls that gave the predictions."""
        return any(row.is_untimed for row in self.shown)


@dataclass(frozen=True)
class Detail:
    """What is folded away of an environment that has any of it; ``memory`` in MiB."""

    environment: str
    route: tuple[str, ...]
    artifact: str
    memory: str
    evidence: tuple[tuple[str, str], ...]


def environment_table(view: ModelView) -> EnvironmentTable:
    """The table of a model."""
    entries = entries_of(view)
    shown = [entry for entry in entries if not entry.row.was_skipped]
    axis = _axis([ratio for entry in entries if (ratio := entry.timing.ratio) is not None])
    columns, texts = tabulated(environment_columns(shown), shown, Report.HTML)
    names = [column.name for column in columns]
    return EnvironmentTable(
        columns=tuple(columns),
        shown=tuple(_row(entry, dict(zip(names, row)), columns, axis) for entry, row in zip(shown, texts)),
        skipped=tuple(_row(entry, {}, (), axis) for entry in entries if entry.row.was_skipped),
        axis=axis,
        limits=tuple(limit_lines(view.rows)),
    )


def details_of(cells: Iterable[Cell]) -> list[Detail]:
    """Routes, evidence and artifacts of a model's environments, each from the first cell that has it."""
    by_environment: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.environment is not None:
            by_environment.setdefault(cell.environment, []).append(cell)
    details = [_detail(environment, of) for environment, of in by_environment.items()]
    return [detail for detail in details if detail is not None]


def _axis(ratios: Sequence[Estimate]) -> Scale | None:
    """A scale for all ratios of a model; ``None`` where they cannot be drawn on one."""
    if not ratios or not all(ratio.is_bounded for ratio in ratios):
        return None
    return scale([1.0, *(end for ratio in ratios for end in (ratio.low, ratio.high))], 4, PLOT_WIDTH - 4, log=True)


def _row(
    entry: Entry, texts: Mapping[str, str], columns: Iterable[Column[Entry]], axis: Scale | None
) -> EnvironmentRow:
    row, labels, latency = entry.row, entry.row.labels, entry.timing.latency
    ratio = entry.timing.ratio
    return EnvironmentRow(
        environment=entry.environment,
        status=status_text(row),
        sign=sign(row.status),
        group=row.group,
        reason=row.reason if row.status is not Status.PASSED else "",
        texts=texts,
        limits={column.name: column.html_limit(entry) for column in columns if column.html_limit is not None},
        share=None if labels is None else labels.agreement,
        count="" if labels is None else count_text(labels),
        bound=bound_text(row, percent),
        reach=reach_text(row),
        accuracy=interval_text(entry.accuracy),
        broken=tuple(invariant.name for invariant in row.invariants if not invariant.holds),
        tails=_tails(latency),
        is_untimed=latency.measured_from == "predictions",
        ratio=ratio_cell(entry.timing),
        plot=None if ratio is None or axis is None else _plot(ratio, axis),
    )


def _tails(latency: Latency) -> tuple[tuple[str, str], ...]:
    wall = latency.wall_ms
    told = (("p90", wall.p90), ("p99", wall.p99)) if wall is not None else ()
    return tuple((name, milliseconds(value)) for name, value in told if value is not None)


def _plot(ratio: Estimate, axis: Scale) -> RangePlot:
    return RangePlot(axis.at(ratio.low), axis.at(ratio.mid), axis.at(ratio.high))


def _detail(environment: str, cells: Sequence[Cell]) -> Detail | None:
    """``None`` where no cell has anything of it."""
    route = next((cell.route for cell in cells if cell.route is not None), None)
    artifact = next((cell.artifact for cell in cells if cell.artifact is not None), None)
    memory = next((cell.peak_memory_bytes for cell in cells if cell.peak_memory_bytes is not None), None)
    evidence = next((cell.engine_evidence for cell in cells if cell.engine_evidence is not None), None)
    if all(known is None for known in (route, artifact, memory, evidence)):
        return None
    return Detail(
        environment=environment,
        route=tuple(route or ()),
        artifact=(artifact or "")[:12],
        memory="" if memory is None else f"{memory / 2**20:.0f}",
        evidence=tuple((evidence or {}).items()),
    )
