"""Records of the parts of one run put together: shards of a CI matrix, or runs of some environments each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.environments.machine import machine_differences, version_differences
from pytest_envrobust.reports.analysis import ScoresOf, analyse
from pytest_envrobust.reports.record import Record, new_record
from pytest_envrobust.reports.words import counted, listed

_SAME_OF_A_MODEL = {"inputs": "inputs", "input_digests": "inputs", "truth": "true classes"}
_SAME_OF_A_SOURCE = {"digest": "weights or structure", "preprocess": "preprocessing", "label_offset": "label offset"}
_SAME_OF_A_RUN = {"preprocess_from": "preprocess-from", "threads": "threads"}
_BY_NAME = ("sources", "guesses", "adequacy")
"""What several processes or runs know of a model in parts, each by framework or reference."""


@dataclass(frozen=True)
class Part:
    """A record, under the name that messages call it by."""

    name: str
    record: Record

    @property
    def run(self) -> Mapping[str, Any]:
        """The record's ``run``."""
        found: Mapping[str, Any] = self.record["run"]
        return found

    @property
    def shard(self) -> Mapping[str, Any]:
        """Which shard it is; empty where it is none."""
        found: Mapping[str, Any] = self.run.get("shard", {})
        return found


@dataclass(frozen=True)
class Coverage:
    """What the parts hold of the whole: shards that are missing, how many cells those have, where that is known."""

    missing: tuple[int, ...] = ()
    of: int = 0
    cells: int = 0

    def __str__(self) -> str:
        numbers = listed([f"{number}/{self.of}" for number in self.missing])
        shards = "shard" if len(self.missing) == 1 else "shards"
        return f"not covered: {shards} {numbers}, {counted(self.cells, 'cell')}" if self.missing else ""


def merged(parts: Sequence[Part], scores_of: ScoresOf) -> Record:
    """One record as if one run had made it, its analysis made anew over all cells; ``scores_of`` knows all arrays.

    Raises `DeclarationError` where the parts are not of one whole: a shard or a cell is there twice, the numbers of
    shards differ, or what a model is, which inputs it has, or how it was run.
    """
    _check_shards(parts)
    _check_runs(parts)
    _check_cells(parts)
    cells = [cell for part in parts for cell in part.record["cells"]]
    models = list(_models(parts).values())
    analysed = [_analysed(model, cells, scores_of) for model in models]
    return new_record(_run(parts), analysed, cells)


def coverage(parts: Sequence[Part]) -> Coverage:
    """Which shards are missing, and how many cells they have."""
    shards = [part.shard for part in parts if part.shard]
    if not shards:
        return Coverage()
    of = shards[0]["of"]
    missing = sorted(set(range(1, of + 1)) - {shard["number"] for shard in shards})
    known = sum(shard.get("cells", 0) for shard in shards)
    return Coverage(tuple(missing), of, max(shard.get("all_cells", known) for shard in shards) - known)


def together(known: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """What two processes or runs know of a model: each has loaded some of its sources only."""
    both = {**known, **more}
    return {**both, **{part: _by_name(known.get(part, {}), more.get(part, {})) for part in _BY_NAME if part in both}}


def _by_name(known: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    both = {**known, **more}
    return {
        name: {**known.get(name, {}), **value} if isinstance(value, dict) else value for name, value in both.items()
    }


def _models(parts: Sequence[Part]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    first: dict[str, str] = {}
    for part in parts:
        for model in part.record["models"]:
            name = model["name"]
            if name in found:
                _check_model(found[name], model, first[name], part.name)
            found[name] = together(found.get(name, {}), model)
            first.setdefault(name, part.name)
    return found


def _analysed(model: Mapping[str, Any], cells: Sequence[Mapping[str, Any]], scores_of: ScoresOf) -> dict[str, Any]:
    plain = {name: value for name, value in model.items() if name != "analysis"}
    mine = [cell for cell in cells if cell.get("model") == model["name"]]
    found = analyse(plain, mine, scores_of)
    return plain if found is None else {**plain, "analysis": found}


def _run(parts: Sequence[Part]) -> dict[str, Any]:
    """The first part's run; each part with what it ran on, what differs between these, and what is not covered."""
    first = parts[0]
    told = {name: value for name, value in first.run.items() if name not in ("shard", "left_out")}
    keys = ("started", "seconds", "command", "machine", "versions", "shard", "left_out")
    told["parts"] = [{"record": part.name, **{key: part.run[key] for key in keys if key in part.run}} for part in parts]
    told["seconds"] = round(sum(part.run.get("seconds", 0.0) for part in parts), 3)
    for name in ("devices", "interpreters"):
        if both := {key: value for part in parts for key, value in part.run.get(name, {}).items()}:
            told[name] = both
    if notices := list(_notices(parts)):
        told["notices"] = notices
    return told


def _notices(parts: Sequence[Part]) -> Iterator[str]:
    if missing := str(coverage(parts)):
        yield missing
    first = parts[0]
    for part in parts[1:]:
        machines = machine_differences(part.run.get("machine", {}), first.run.get("machine", {}))
        versions = part.run.get("versions", {}), first.run.get("versions", {})
        packages = version_differences(*versions, [*versions[1], *versions[0]])
        if differences := [*machines, *packages]:
            yield f"{first.name} (then) and {part.name} (now) ran on different things: {'; '.join(differences)}"


def _check_shards(parts: Sequence[Part]) -> None:
    seen: dict[int, Part] = {}
    for part in parts:
        if not part.shard:
            continue
        number, of = part.shard["number"], part.shard["of"]
        for other in seen.values():
            if other.shard["of"] != of:
                raise DeclarationError(
                    f"{part.name} is a shard of {of} and {other.name} one of {other.shard['of']}",
                    remedy="merge shards of one run",
                )
            if other.shard.get("all_cells") != part.shard.get("all_cells"):
                raise DeclarationError(
                    f"{part.name} is of {part.shard.get('all_cells')} cells and {other.name} of "
                    f"{other.shard.get('all_cells')}",
                    cause="their shards were cut from different runs",
                    remedy="give all jobs the same tests, options and packages: these decide which cells there are",
                )
        if number in seen:
            raise DeclarationError(f"shard {number}/{of} is there twice: {seen[number].name} and {part.name}")
        seen[number] = part


def _check_runs(parts: Sequence[Part]) -> None:
    first = parts[0]
    for part in parts[1:]:
        for key, what in _SAME_OF_A_RUN.items():
            mine, theirs = part.run.get(key), first.run.get(key)
            if mine != theirs:
                raise _differ(what, f"{theirs} in {first.name}", f"{mine} in {part.name}")
        references = [run.get("reference_run", {}).get("path") for run in (first.run, part.run)]
        if references[0] != references[1]:
            raise _differ("reference-run", f"{references[0]} in {first.name}", f"{references[1]} in {part.name}")


def _check_cells(parts: Sequence[Part]) -> None:
    seen: dict[str, str] = {}
    for part in parts:
        for cell in part.record["cells"]:
            nodeid = cell.get("nodeid", "")
            if nodeid in seen:
                raise DeclarationError(
                    f"{nodeid} is in {seen[nodeid]} and in {part.name}",
                    remedy="merge parts of one run: `envrobust compare` compares two whole ones",
                )
            seen[nodeid] = part.name


def _check_model(known: Mapping[str, Any], more: Mapping[str, Any], first: str, name: str) -> None:
    model = more["name"]
    for key, what in _SAME_OF_A_MODEL.items():
        if key in known and key in more and known[key] != more[key]:
            raise _differ(f"{what} of {model}", first, name)
    for framework, source in more.get("sources", {}).items():
        other = known.get("sources", {}).get(framework, {})
        for key, what in _SAME_OF_A_SOURCE.items():
            if key in source and key in other and source[key] != other[key]:
                raise _differ(f"{what} of {model}'s {framework} source", first, name)


def _differ(what: str, one: str, other: str) -> DeclarationError:
    return DeclarationError(
        f"{what}: not the same: {one}, {other}",
        cause="the parts are not of one run",
        remedy="`envrobust compare` says what differs",
    )
