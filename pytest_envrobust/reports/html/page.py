"""The HTML report of a run: one file that needs no network and no script, a view of the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_envrobust.core.files import write_text
from pytest_envrobust.core.wording import counted
from pytest_envrobust.history.view import GROUPS, ModelView, model_views
from pytest_envrobust.record.predictions import HasPredictions
from pytest_envrobust.reports.html import overview
from pytest_envrobust.reports.html.drawings import ParetoDrawing, TimeDrawing, pareto_drawing, time_drawing
from pytest_envrobust.reports.html.flips import Flips, flips_of
from pytest_envrobust.reports.html.heat import STEPS, HeatMap, heat_maps
from pytest_envrobust.reports.html.rendering import render
from pytest_envrobust.reports.html.tables import (
    PLOT_HEIGHT,
    PLOT_WIDTH,
    Detail,
    EnvironmentTable,
    details_of,
    environment_table,
)
from pytest_envrobust.reports.html.timing_tables import Taken, Throughput, taken_rows, throughput_tables
from pytest_envrobust.reports.times import all_timings, controls_text


@dataclass(frozen=True)
class Section:
    """All that the page shows of a model."""

    name: str
    anchor: str
    lede: str
    table: EnvironmentTable
    identical: tuple[tuple[str, tuple[str, ...]], ...]
    maps: list[HeatMap]
    times: TimeDrawing | None
    throughput: list[Throughput]
    taken: list[Taken]
    controls: str
    pareto: ParetoDrawing | None
    flips: Flips
    sources: dict[str, dict[str, str]]
    details: list[Detail]


def html_report(record: Mapping[str, Any], predictions: HasPredictions) -> str:
    """The report as one HTML page. What the record lacks is left out; thumbnails come from ``predictions``."""
    views = model_views(record)
    described = {model["name"]: model for model in record["models"]}
    sections = [
        _section(view, f"model-{number}", described.get(view.name, {}), record["cells"], predictions)
        for number, view in enumerate(views, 1)
    ]
    counts = [overview.counts_of(view, section.anchor) for view, section in zip(views, sections)]
    total = overview.total_of(counts)
    return render(
        "report.html.j2",
        headline=overview.headline(total),
        total=total,
        counts=counts,
        groups=GROUPS,
        sentences=overview.sentences(record["models"]),
        notices=overview.notices(record, views),
        factors=overview.factor_rows(record["models"]),
        sections=sections,
        steps=STEPS,
        plot_width=PLOT_WIDTH,
        plot_height=PLOT_HEIGHT,
        started=_started(record["run"]),
        facts=list(_facts(record["run"])),
        versions=record["run"].get("versions", {}),
    )


def write_html(record: Mapping[str, Any], predictions: HasPredictions, path: Path) -> None:
    """Write the report, whole or not at all. Raises `DeclarationError` where the place cannot be written."""
    write_text(path, html_report(record, predictions), "report")


def _section(
    view: ModelView,
    anchor: str,
    model: Mapping[str, Any],
    cells: Sequence[Mapping[str, Any]],
    predictions: HasPredictions,
) -> Section:
    analysis = model.get("analysis", {})
    return Section(
        name=view.name,
        anchor=anchor,
        lede=_lede(view, model),
        table=environment_table(view, analysis),
        identical=view.identical,
        maps=heat_maps(view, analysis),
        times=time_drawing(view),
        throughput=throughput_tables(view),
        taken=taken_rows(view),
        controls=controls_text(all_timings(view)),
        pareto=pareto_drawing(view),
        flips=flips_of(view, model, predictions),
        sources={name: _source(source) for name, source in model.get("sources", {}).items()},
        details=details_of(view.name, cells),
    )


def _lede(view: ModelView, model: Mapping[str, Any]) -> str:
    inputs = next((row.labels["n"] for row in view.rows if row.labels), len(model.get("inputs", ())))
    parts = [f"Reference {view.reference}"] if view.reference else []
    if inputs:
        parts.append(counted(inputs, "input"))
    if view.ran:
        parts.append(f"{counted(len(view.ran), 'environment')} ran")
        parts.append(counted(len(view.outputs), "distinct output"))
    if "truth_from" in model:
        parts.append(f"truth from {model['truth_from']}")
    return " · ".join(parts)


def _source(source: Mapping[str, Any]) -> dict[str, str]:
    names = {
        "target": "target", "weights": "weights", "preprocess": "preprocessing",
        "label_offset": "label offset", "digest": "digest",
    }  # fmt: skip
    return {title: str(source[key]) for key, title in names.items() if source.get(key) not in (None, "", 0)}


def _started(run: Mapping[str, Any]) -> str:
    started = str(run.get("started", ""))
    return f"{started[:10]} {started[11:16]}" if len(started) >= 16 else started


def _facts(run: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The run's own facts, as far as they are known, in words."""
    machine = run.get("machine", {})
    if "command" in run:
        yield "command", " ".join(map(str, run["command"]))
    if "started" in run:
        yield "started", str(run["started"])
    if "seconds" in run:
        yield "took", f"{run['seconds']:.0f} s"
    if "threads" in run:
        yield "threads of every engine", str(run["threads"])
    if "processor" in machine:
        cores = f", {counted(machine['cores'], 'core')}" if "cores" in machine else ""
        governor = f", frequency governor {machine['governor']}" if machine.get("governor") else ""
        yield "processor", f"{machine['processor']}{cores}{governor}"
    if "memory_bytes" in machine:
        yield "memory", f"{machine['memory_bytes'] / 2**30:.1f} GiB"
    if "system" in machine:
        yield "system", f"{machine['system']} {machine.get('architecture', '')}".strip()
    if "python" in machine:
        yield "Python", str(machine["python"])
    if run.get("left_out"):
        yield "not asked for", str(run["left_out"])
