"""Records put together: what several jobs of a CI matrix, or several processes of a run, know of one whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pytest_envrobust.checks.figures import was_timed
from pytest_envrobust.core.shard import CellName
from pytest_envrobust.environments.machine import machine_differences
from pytest_envrobust.history.analysis import ScoresOf, analyse
from pytest_envrobust.history.changes import Run
from pytest_envrobust.history.merge_checks import check_mergeable
from pytest_envrobust.history.merge_notices import merge_notices, other_sources, shared_machine, shared_versions
from pytest_envrobust.record.document import Record, new_record
from pytest_envrobust.record.shards import missing_shards, whole_of

Entry = dict[str, Any]

_BY_FRAMEWORK = ("sources", "guesses", "adequacy")
"""What different processes know different parts of; adequacy is by reference."""
_OF_A_PART = ("started", "seconds", "machine", "versions", "interpreters", "devices", "command")


def merged(runs: Sequence[Run], command: Sequence[str], scores_of: ScoresOf) -> Record:
    """One record, as if one run had made it: all cells, each model once, and the analysis over all of them.

    ``runs`` are one or more shards of a run, or runs of different cells. ``command`` is what is recorded as the command
    line; ``scores_of`` gives the scores (N, classes) of an output digest, or ``None`` where no part kept them. Raises
    `DeclarationError` where they overlap, or cannot stand side by side.
    """
    check_mergeable(runs)
    cells = _cells(runs)
    models = joined_models(model for run in runs for model in run.record["models"])
    for name, framework in other_sources(runs):
        model = next(model for model in models if model["name"] == name)
        model["sources"][framework].pop("digest", None)  # it is not one
    order = {name: place for place, name in enumerate(dict.fromkeys(cell.get("model") for cell in cells))}
    models.sort(key=lambda model: order.get(model["name"], len(order)))
    run = _run(runs, command)
    comparable = _with_comparable_times(cells, run["parts"])
    return new_record(run, [analysed(model, comparable, scores_of) for model in models], cells)


def joined_models(models: Iterable[Mapping[str, Any]]) -> list[Entry]:
    """The entries of each model as one: what only one of them says of a framework is kept."""
    found: dict[str, Entry] = {}
    for model in models:
        known = found.get(model["name"], {})
        both = {**model, **known}
        for part in _BY_FRAMEWORK:
            if part in both:
                both[part] = _together(known.get(part, {}), model.get(part, {}))
        found[model["name"]] = both
    return list(found.values())


def analysed(model: Mapping[str, Any], cells: Iterable[Mapping[str, Any]], scores_of: ScoresOf) -> Entry:
    """A model's entry with the analysis of its cells; without one where none gave predictions."""
    plain = {name: value for name, value in model.items() if name != "analysis"}
    analysis = analyse(model, [cell for cell in cells if cell.get("model") == model["name"]], scores_of)
    return plain if analysis is None else {**plain, "analysis": analysis}


def is_empty(record: Record) -> bool:
    """Whether nothing was compared in the run."""
    return not any(cell.get("compared") for cell in record["cells"])


def _together(known: Mapping[str, Any], more: Mapping[str, Any]) -> Entry:
    """Both, by framework; of what both say of a framework the first counts."""
    both = {**more, **known}
    return {name: {**more.get(name, {}), **value} if isinstance(value, dict) else value for name, value in both.items()}


def _cells(runs: Sequence[Run]) -> list[Entry]:
    """All entries, in the order of the whole run as far as its shards know it; else in that of the records.

    A declaration at fault fails in each job that meets it, and is told once.
    """
    place: dict[CellName, int] = {}
    for run in runs:
        for cell in whole_of(run.record["run"].get("shard", {})):
            place.setdefault(cell, len(place))
    found: list[Entry] = []
    faults: set[str] = set()
    for run in runs:
        for entry in run.record["cells"]:
            if "environment" in entry:
                place.setdefault((entry["model"], entry["environment"]), len(place))
            elif entry.get("nodeid", "") in faults:
                continue
            else:
                faults.add(entry.get("nodeid", ""))
            found.append(entry)
    return sorted(found, key=lambda entry: place.get((entry.get("model", ""), entry.get("environment", "")), -1))


def _with_comparable_times(cells: Sequence[Entry], parts: Sequence[Mapping[str, Any]]) -> Sequence[Entry]:
    """The entries without times that mean nothing beside those of another machine.

    These are the times of calls that gave the predictions; ratios to a reference in the same job do mean something.
    """
    first, *others = (part.get("machine", {}) for part in parts)
    if not any(machine_differences(machine, first) for machine in others):
        return cells
    return [{name: value for name, value in cell.items() if name != "latency" or was_timed(value)} for cell in cells]


def _run(runs: Sequence[Run], command: Sequence[str]) -> Entry:
    """What is so of all parts, and the parts. A fact that differs from part to part is absent."""
    told = [run.record["run"] for run in runs]
    found: Entry = {}
    if started := [run["started"] for run in told if "started" in run]:
        found["started"] = min(started, key=_moment)
    if seconds := [run["seconds"] for run in told if "seconds" in run]:
        found["seconds"] = round(sum(seconds), 3)
    found |= {
        "machine": shared_machine([run.get("machine", {}) for run in told]),
        "versions": shared_versions([run.get("versions", {}) for run in told]),
        "command": list(command),
    }
    for name in ("threads", "preprocess_from", "reference_run"):
        if value := [run[name] for run in told if name in run]:
            found[name] = value[0]
    interpreters = [run["interpreters"] for run in told if "interpreters" in run]
    if interpreters and (shared := shared_versions(interpreters)):
        found["interpreters"] = shared
    if devices := {name: device for run in reversed(told) for name, device in run.get("devices", {}).items()}:
        found["devices"] = devices
    left_out = {run["left_out"] for run in told if run.get("left_out")}  # an xdist controller has not seen it
    if len(left_out) <= 1:
        found["left_out"] = next(iter(left_out), "")
    if (shard := _shard(told)) is not None:
        found["shard"] = shard
    if notices := list(dict.fromkeys(merge_notices(runs))):
        found["notices"] = notices
    return found | {"parts": [part for run in runs for part in _parts(run)]}


def _shard(told: Sequence[Mapping[str, Any]]) -> Entry | None:
    """Which shards these are; ``None`` where all of them are there, or none was one."""
    shards = [run["shard"] for run in told if "shard" in run]
    if not shards:
        return None
    numbers = sorted(number for shard in shards for number in shard["numbers"])
    found = {**shards[0], "numbers": numbers}
    return found if missing_shards(found) else None


def _parts(run: Run) -> Iterator[Entry]:
    """What a part was; of a record that was merged before, its own parts."""
    told = run.record["run"]
    if "parts" in told:
        yield from told["parts"]
        return
    part: Entry = {"record": run.name, **{name: told[name] for name in _OF_A_PART if name in told}}
    if "shard" in told:
        part["shard"] = {name: told["shard"][name] for name in ("numbers", "of")}
    yield part


def _moment(started: str) -> float:
    try:
        return datetime.strptime(started, "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError:
        return float("inf")
