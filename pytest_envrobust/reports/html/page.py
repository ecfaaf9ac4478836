"""The HTML report of a run: one file that needs no network and no script, a view of the record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_envrobust.core.files import write_text
from pytest_envrobust.core.wording import counted
from pytest_envrobust.history.view import GROUPS, ModelView, model_views
from pytest_envrobust.record.predictions import HasPredictions
from pytest_envrobust.record.schema import Machine, Model, Record, Run, Source
from pytest_envrobust.reports.definitions import definitions_of
from pytest_envrobust.reports.html.drawings import ParetoDrawing, TimeDrawing, pareto_drawing, time_drawing
from pytest_envrobust.reports.html.flips import Flips, flips_of
from pytest_envrobust.reports.html.heat import STEPS, HeatMap, heat_maps
from pytest_envrobust.reports.html.overview import counts_of, factor_rows, headline, notices, sentences, total_of
from pytest_envrobust.reports.html.rendering import render
from pytest_envrobust.reports.html.tables import (
    PLOT_HEIGHT,
    PLOT_WIDTH,
    Detail,
    EnvironmentTable,
    details_of,
    environment_table,
)
from pytest_envrobust.reports.html.timing_tables import Measurement, Throughput, measurements_of, throughput_tables
from pytest_envrobust.reports.timings import all_timings, controls_text


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
    measurements: list[Measurement]
    controls: str
    pareto: ParetoDrawing | None
    flips: Flips
    sources: dict[str, dict[str, str]]
    details: list[Detail]


def html_report(record: Record, predictions: HasPredictions) -> str:
    """The report as one HTML page. What the record lacks is left out; thumbnails come from ``predictions``."""
    views = model_views(record)
    sections = [_section(view, f"model-{number}", record, predictions) for number, view in enumerate(views, 1)]
    counts = [counts_of(view, section.anchor) for view, section in zip(views, sections)]
    total = total_of(counts)
    return render(
        "report.html.j2",
        headline=headline(total, record.run),
        total=total,
        counts=counts,
        groups=GROUPS,
        sentences=sentences(record.models),
        notices=notices(record.run, views),
        factors=factor_rows(record.models),
        definitions=list(definitions_of(views)),
        sections=sections,
        steps=STEPS,
        plot_width=PLOT_WIDTH,
        plot_height=PLOT_HEIGHT,
        started=_started(record.run),
        facts=list(_facts(record.run)),
        versions=record.run.versions or {},
    )


def write_html(record: Record, predictions: HasPredictions, path: Path) -> None:
    """Write the report, whole or not at all. Raises `DeclarationError` where the place cannot be written."""
    write_text(path, html_report(record, predictions), "report")


def _section(view: ModelView, anchor: str, record: Record, predictions: HasPredictions) -> Section:
    model = record.model(view.name) or Model(name=view.name)
    return Section(
        name=view.name,
        anchor=anchor,
        lede=_lede(view, model),
        table=environment_table(view),
        identical=view.identical,
        maps=heat_maps(view, model.analysis),
        times=time_drawing(view),
        throughput=throughput_tables(view),
        measurements=measurements_of(view),
        controls=controls_text(all_timings(view)),
        pareto=pareto_drawing(view),
        flips=flips_of(view, model, predictions),
        sources={name: dict(_facts_of_source(source)) for name, source in (model.sources or {}).items()},
        details=details_of(record.cells_of(view.name)),
    )


def _lede(view: ModelView, model: Model) -> str:
    inputs = next((row.labels.n for row in view.rows if row.labels is not None), len(model.inputs or ()))
    parts = [f"Reference {view.reference}"] if view.reference else []
    if inputs:
        parts.append(counted(inputs, "input"))
    if view.ran:
        parts.append(f"{counted(len(view.ran), 'environment')} ran")
        parts.append(counted(len(view.outputs), "distinct output"))
    if model.truth_from is not None:
        parts.append(f"truth from {model.truth_from}")
    return " · ".join(parts)


def _facts_of_source(source: Source) -> Iterator[tuple[str, str]]:
    """What is known of a source, in words."""
    facts = {
        "target": source.target,
        "weights": source.weights,
        "preprocessing": source.preprocess,
        "label offset": source.label_offset,
        "digest": source.digest,
    }
    yield from ((name, str(value)) for name, value in facts.items() if value)


def _started(run: Run) -> str:
    started = run.started or ""
    return f"{started[:10]} {started[11:16]}" if len(started) >= 16 else started


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    """The run's own facts, as far as they are known, in words."""
    if run.command is not None:
        yield "command", " ".join(run.command)
    if run.started is not None:
        yield "started", run.started
    if run.seconds is not None:
        yield "took", f"{run.seconds:.0f} s"
    if run.threads is not None:
        yield "threads of every engine", str(run.threads)
    if run.machine is not None:
        yield from _facts_of_machine(run.machine)
    if run.left_out:
        yield "not asked for", run.left_out


def _facts_of_machine(machine: Machine) -> Iterator[tuple[str, str]]:
    if machine.processor is not None:
        cores = f", {counted(machine.cores, 'core')}" if machine.cores is not None else ""
        governor = f", frequency governor {machine.governor}" if machine.governor else ""
        yield "processor", f"{machine.processor}{cores}{governor}"
    if machine.memory_bytes is not None:
        yield "memory", f"{machine.memory_bytes / 2**30:.1f} GiB"
    if machine.system is not None:
        yield "system", f"{machine.system} {machine.architecture or ''}".strip()
    if machine.python is not None:
        yield "Python", machine.python
