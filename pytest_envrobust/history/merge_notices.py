"""What a reader of merged records must know: where their parts differ in what outputs and times depend on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from msgspec.structs import asdict

from pytest_envrobust.comparison.labels import compare_labels
from pytest_envrobust.core.wording import counted, listed
from pytest_envrobust.environments.machine import MEMORY_SHARE, machine_differences
from pytest_envrobust.history.recorded_run import RecordedRun
from pytest_envrobust.record.schema import Machine
from pytest_envrobust.record.shards import covered_by, whole_of

Version = TypeVar("Version")

_SHOWN = 6


def shared_machine(machines: Sequence[Machine]) -> Machine:
    """The facts that are so of all these machines; memory may differ a little."""
    first = asdict(machines[0])
    every = [asdict(machine) for machine in machines]
    return Machine(**{name: value for name, value in first.items() if all(_same(name, value, each) for each in every)})


def shared_versions(versions: Sequence[Mapping[str, Version]]) -> dict[str, Version]:
    """What has one version wherever it is, by name. A package may be in some parts only."""
    every = {name: value for each in versions for name, value in each.items()}
    return {name: value for name, value in every.items() if all(each.get(name, value) == value for each in versions)}


def merge_notices(runs: Sequence[RecordedRun]) -> Iterator[str]:
    """One sentence each, those of parts that were merged before among them."""
    yield from (notice for run in runs for notice in run.record.run.notices or ())
    yield from _machines(runs)
    yield from _versions(runs)
    yield from _sources(runs)
    yield from _references(runs)
    yield from _without_predictions(runs)
    yield from _without_result(runs)


def _same(name: str, value: Any, other: Mapping[str, Any]) -> bool:
    if name == "memory_bytes":
        here, there = value or 0, other[name] or 0
        return bool(abs(here - there) <= MEMORY_SHARE * max(here, there))
    return bool(other[name] == value)


def _machines(runs: Sequence[RecordedRun]) -> Iterator[str]:
    first = asdict(runs[0].record.run.machine or Machine())
    others: list[tuple[dict[str, Any], list[str]]] = []
    for run in runs[1:]:
        machine = asdict(run.record.run.machine or Machine())
        if machine_differences(machine, first):
            alike = (names for other, names in others if not machine_differences(machine, other))
            names = next(alike, None)
            if names is None:
                others.append((machine, [run.name]))
            else:
                names.append(run.name)
    for machine, names in others:
        said = ", ".join(machine_differences(machine, first, (f"in {_named(names)}", f"in {runs[0].name}")))
        yield (
            f"Machines differ ({said}): outputs may differ bit for bit for that alone, and absolute times are not "
            "comparable."
        )


def _versions(runs: Sequence[RecordedRun]) -> Iterator[str]:
    places: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        told = run.record.run
        for name, version in (told.versions or {}).items():
            places.setdefault(name, {}).setdefault(version, []).append(run.name)
        for name, given in (told.interpreters or {}).items():
            version = ", ".join(f"{package} {number}" for package, number in (given.packages or {}).items())
            places.setdefault(f"interpreter {name}", {}).setdefault(version, []).append(run.name)
    said = [
        f"{name} {listed([f'{version} in {_named(where)}' for version, where in found.items()])}"
        for name, found in places.items()
        if len(found) > 1
    ]
    if said:
        yield f"Versions differ ({'; '.join(said)}): outputs may differ bit for bit for that alone."


def other_sources(runs: Sequence[RecordedRun]) -> dict[tuple[str, str], list[RecordedRun]]:
    """By model and framework, the runs in which its source has another digest than in the first that knows it."""
    first: dict[tuple[str, str], str] = {}
    found: dict[tuple[str, str], list[RecordedRun]] = {}
    for run in runs:
        for model in run.record.models:
            for framework, source in (model.sources or {}).items():
                key = (model.name, framework)
                if source.digest is not None and first.setdefault(key, source.digest) != source.digest:
                    found.setdefault(key, []).append(run)
    return found


def _sources(runs: Sequence[RecordedRun]) -> Iterator[str]:
    """Where sources with other digests passed for one model: they are code, and Python, packages or system differ."""
    for (model, framework), others in other_sources(runs).items():
        yield (
            f"{model}: its {framework} source has another digest in {_names(others)}, where Python, packages or system "
            "are others: whether its weights and code are the same is not known."
        )


def _references(runs: Sequence[RecordedRun]) -> Iterator[str]:
    """Where a model's reference did not give the same scores in all parts."""
    places: dict[tuple[str, str], dict[str, list[RecordedRun]]] = {}
    for run in runs:
        for cell in run.record.cells:
            own = cell.output_digest if cell.is_reference else None
            digest = own if cell.reference_digest is None else cell.reference_digest
            if digest and cell.model is not None and cell.reference is not None:
                holders = places.setdefault((cell.model, cell.reference), {}).setdefault(digest, [])
                if run not in holders:
                    holders.append(run)
    for (model, reference), found in places.items():
        (first, here), *others = found.items()
        for digest, holders in others:
            there = [run for run in holders if run not in here]  # a record that was merged before told its own
            if there:
                yield (
                    f"{model}: the reference {reference} gave other scores in {_names(there)} than in {_names(here)}"
                    f"{_changed(first, here[0], digest, there[0])}: each cell was held against the reference of its "
                    "own part."
                )


def _changed(first: str, here: RecordedRun, digest: str, there: RecordedRun) -> str:
    """How many labels differ between two outputs, as far as they were kept."""
    one, other = here.predictions.scores(first), there.predictions.scores(digest)
    if one is None or other is None or one.shape != other.shape:
        return ""
    return f", {len(compare_labels(one, other).flips)} of {counted(len(one), 'label')} differ"


def _without_predictions(runs: Sequence[RecordedRun]) -> Iterator[str]:
    lacking = []
    for run in runs:
        digests = (cell.output_digest for cell in run.record.cells if cell.output_digest is not None)
        digest = next(digests, None)
        if digest is not None and run.predictions.scores(digest) is None:
            lacking.append(run)
    if lacking:
        yield (
            f"There are no predictions beside {_names(lacking)}: their environments are not in the analysis, and their "
            "labels cannot be judged again. Keep each .npz beside its .json."
        )


def _without_result(runs: Sequence[RecordedRun]) -> Iterator[str]:
    """Cells of the shards that are there, of which no test came to an end."""
    told = [run.record.run.shard for run in runs if run.record.run.shard is not None]
    here = {cell for each in told for cell in covered_by(each)}
    ended = {cell.name for run in runs for cell in run.record.cells}
    whole = whole_of(told[0] if told else None)
    lacking = [f"{model} in {name}" for model, name in whole if (model, name) in here - ended]
    if lacking:
        said = "cell has" if len(lacking) == 1 else "cells have"
        yield (
            f"{len(lacking)} {said} no result, as the tests were skipped by their own code or the run ended before: "
            f"{_named(lacking)}."
        )


def _names(runs: Sequence[RecordedRun]) -> str:
    return _named([run.name for run in runs])


def _named(names: Sequence[str]) -> str:
    return listed(names) if len(names) <= _SHOWN else f"{', '.join(names[:_SHOWN])} and {len(names) - _SHOWN} more"
