"""Records put together: what several jobs of a CI matrix, or several processes of a run, know of one whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from msgspec.structs import asdict, replace

from pytest_envrobust.core.shard import CellName
from pytest_envrobust.environments.machine import machine_differences
from pytest_envrobust.history.analysis import ScoresOf, analyse
from pytest_envrobust.history.merge_checks import check_mergeable, is_another
from pytest_envrobust.history.merge_notices import merge_notices, other_sources, shared_machine, shared_versions
from pytest_envrobust.history.namesakes import told_apart
from pytest_envrobust.history.recorded_run import RecordedRun
from pytest_envrobust.record.document import new_record
from pytest_envrobust.record.schema import (
    Cell,
    Device,
    Machine,
    Model,
    Part,
    Record,
    Run,
    RunPart,
    Shard,
    ShardNumbers,
    Source,
)
from pytest_envrobust.record.shards import missing_shards, whole_of

Known = TypeVar("Known")
KnownPart = TypeVar("KnownPart", bound=Part)


def merged(runs: Sequence[RecordedRun], command: Sequence[str], scores_of: ScoresOf) -> Record:
    """One record, as if one run had made it: all cells, each model once, and the analysis over all of them.

    ``runs`` are one or more shards of a run, or runs of different cells. ``command`` is what is recorded as the command
    line; ``scores_of`` gives the scores (N, classes) of an output digest, or ``None`` where no part kept them. Raises
    `DeclarationError` where they overlap, or cannot stand side by side.
    """
    runs = told_apart(runs, is_another)
    check_mergeable(runs)
    cells = _cells(runs)
    unsure = other_sources(runs)
    models = [
        _without_digests(model, [framework for name, framework in unsure if name == model.name])
        for model in joined_models(model for run in runs for model in run.record.models)
    ]
    order = {name: place for place, name in enumerate(dict.fromkeys(cell.model for cell in cells))}
    models.sort(key=lambda model: order.get(model.name, len(order)))
    run = _run(runs, command)
    comparable = _with_comparable_times(cells, run.parts or ())
    return new_record(run, [analysed(model, comparable, scores_of) for model in models], cells)


def joined_models(models: Iterable[Model]) -> list[Model]:
    """What is said of each model as one: what only one of them says, be it of a source, is kept."""
    found: dict[str, Model] = {}
    for model in models:
        known = found.get(model.name, model)
        found[model.name] = replace(
            _completed(known, model),
            sources=_joined_sources(known.sources, model.sources),
            guesses=_together(known.guesses, model.guesses),
            notices=list(dict.fromkeys([*(known.notices or ()), *(model.notices or ())])) or None,
            adequacy=_together(known.adequacy, model.adequacy),
            unsteady=_together(known.unsteady, model.unsteady),
            decompositions=_together(known.decompositions, model.decompositions),
        )
    return list(found.values())


def analysed(model: Model, cells: Sequence[Cell], scores_of: ScoresOf) -> Model:
    """The model with the analysis of its cells; without one where none gave predictions."""
    return replace(model, analysis=analyse(model, cells, scores_of))


def _completed(known: KnownPart, more: KnownPart) -> KnownPart:
    """What is known, with what only ``more`` says."""
    told = asdict(known)
    return replace(known, **{name: getattr(more, name) for name, value in told.items() if value is None})


def _joined_sources(known: Mapping[str, Source] | None, more: Mapping[str, Source] | None) -> dict[str, Source] | None:
    both = _together(known, more)
    if both is None or more is None:
        return both
    return {name: _completed(source, more.get(name, source)) for name, source in both.items()}


def _together(known: Mapping[str, Known] | None, more: Mapping[str, Known] | None) -> dict[str, Known] | None:
    """Both, by framework; of what both say of a framework the first counts."""
    return None if known is None and more is None else {**(more or {}), **(known or {})}


def _without_digests(model: Model, frameworks: Sequence[str]) -> Model:
    """The model without the digests of these sources: there is none that all parts have."""
    sources = model.sources or {}
    told = {name: replace(source, digest=None) for name, source in sources.items() if name in frameworks}
    return replace(model, sources={**sources, **told}) if told else model


def _cells(runs: Sequence[RecordedRun]) -> list[Cell]:
    """All cells, in the order of the whole run as far as its shards know it; else in that of the records.

    A declaration at fault fails in each job that meets it, and is told once.
    """
    place: dict[CellName, int] = {}
    for run in runs:
        for name in whole_of(run.record.run.shard):
            place.setdefault(name, len(place))
    found: list[Cell] = []
    faults: set[str] = set()
    for run in runs:
        for cell in run.record.cells:
            if cell.name is not None:
                place.setdefault(cell.name, len(place))
            elif cell.nodeid in faults:
                continue
            else:
                faults.add(cell.nodeid)
            found.append(cell)
    return sorted(found, key=lambda cell: -1 if cell.name is None else place[cell.name])


def _with_comparable_times(cells: Sequence[Cell], parts: Sequence[RunPart]) -> Sequence[Cell]:
    """The cells without times that mean nothing beside those of another machine.

    These are the times of calls that gave the predictions; ratios to a reference in the same job do mean something.
    """
    first, *others = (asdict(part.machine or Machine()) for part in parts)
    if not any(machine_differences(machine, first) for machine in others):
        return cells
    return [
        cell if cell.latency is None or cell.latency.was_asked_for else replace(cell, latency=None) for cell in cells
    ]


def _run(runs: Sequence[RecordedRun], command: Sequence[str]) -> Run:
    """What is so of all parts, and the parts. A fact that differs from part to part is absent."""
    told = [run.record.run for run in runs]
    seconds = [run.seconds for run in told if run.seconds is not None]
    interpreters = [run.interpreters for run in told if run.interpreters is not None]
    devices: dict[str, Device] = {}
    for run in reversed(told):
        devices |= run.devices or {}
    left_out = {run.left_out for run in told if run.left_out}  # an xdist controller has not seen it
    return Run(
        started=min((run.started for run in told if run.started is not None), key=_moment, default=None),
        seconds=round(sum(seconds), 3) if seconds else None,
        machine=shared_machine([run.machine or Machine() for run in told]),
        versions=shared_versions([run.versions or {} for run in told]),
        command=list(command),
        threads=_first(run.threads for run in told),
        preprocess_from=_first(run.preprocess_from for run in told),
        reference_run=_first(run.reference_run for run in told),
        interpreters=(shared_versions(interpreters) or None) if interpreters else None,
        devices=devices or None,
        left_out=next(iter(left_out), "") if len(left_out) <= 1 else None,
        interrupted="; ".join(_interruptions(runs)) or None,
        shard=_shard(told),
        notices=list(dict.fromkeys(merge_notices(runs))) or None,
        parts=[part for run in runs for part in _parts(run)],
    )


def _interruptions(runs: Sequence[RecordedRun]) -> Iterator[str]:
    """What ended which part; of a record that was merged before, as it says."""
    for run in runs:
        told = run.record.run
        if told.interrupted is not None:
            yield told.interrupted if told.parts is not None else f"{run.name}: {told.interrupted}"


def _first(facts: Iterable[Known | None]) -> Known | None:
    return next((fact for fact in facts if fact is not None), None)


def _shard(told: Sequence[Run]) -> Shard | None:
    """Which shards these are; ``None`` where all of them are there, or none was one."""
    shards = [run.shard for run in told if run.shard is not None]
    if not shards:
        return None
    found = replace(shards[0], numbers=sorted(number for shard in shards for number in shard.numbers))
    return found if missing_shards(found) else None


def _parts(run: RecordedRun) -> Iterator[RunPart]:
    """What a part was; of a record that was merged before, its own parts."""
    told = run.record.run
    if told.parts is not None:
        yield from told.parts
        return
    shard = told.shard
    yield RunPart(
        record=run.name,
        started=told.started,
        seconds=told.seconds,
        machine=told.machine,
        versions=told.versions,
        interpreters=told.interpreters,
        devices=told.devices,
        command=told.command,
        shard=None if shard is None else ShardNumbers(numbers=shard.numbers, of=shard.of),
    )


def _moment(started: str) -> float:
    try:
        return datetime.strptime(started, "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError:
        return float("inf")
