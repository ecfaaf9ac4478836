"""What keeps records from being merged: parts that overlap, or whose cells cannot stand side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.wording import counted
from pytest_envrobust.frameworks import frameworks
from pytest_envrobust.history.changes import Run
from pytest_envrobust.record.shards import whole_of

SAME_EVERYWHERE = "run every part with the same tests, options and commit"
_INPUTS = {
    "inputs": "are others",
    "input_digests": "have other pixels or values: other files, or another decoder",
    "class_names": "have other class names",
    "truth": "have other true classes",
}
"""What must be the same of a model's inputs, in words where it is not."""
_SOURCE = {
    "digest": "other weights or structure",
    "weights": "other weights",
    "preprocess": "another preprocessing",
    "label_offset": "another label offset",
}
"""What must be the same of a source."""
_SETTINGS = {"threads": "--envrobust-threads", "preprocess_from": "--envrobust-preprocess-from"}
"""Settings that make cells incomparable where they differ. Limits are none: each cell says what it was held against."""


def check_mergeable(runs: Sequence[Run]) -> None:
    """Raise `DeclarationError` for the first thing that keeps these records apart, naming it and what to do."""
    _check_shards([run for run in runs if "shard" in run.record["run"]])
    _check_settings(runs)
    _check_models(runs)
    _check_references(runs)
    _check_twice(runs)


def _check_shards(runs: Sequence[Run]) -> None:
    holders: dict[int, Run] = {}
    for run in runs:
        told = run.record["run"]["shard"]
        first = runs[0]
        first_told = first.record["run"]["shard"]
        if told["of"] != first_told["of"]:
            raise DeclarationError(
                f"{first.name!r} is one of {first_told['of']} shards and {run.name!r} one of {told['of']}",
                cause="shards of different splits have cells in common and leave others out",
                remedy="merge the shards of one N",
            )
        for number in told["numbers"]:
            if number in holders:
                raise DeclarationError(
                    f"shard {number}/{told['of']} is in both {holders[number].name!r} and {run.name!r}",
                    remedy="give each shard once",
                )
            holders[number] = run
        if "whole" not in told:
            raise DeclarationError(
                f"{run.name!r} has no cells", cause="its run ended before they were collected", remedy="run it again"
            )
        if set(whole_of(told)) != set(whole_of(first_told)):
            raise DeclarationError(
                f"{first.name!r} and {run.name!r} are shards of different runs",
                cause=_other_whole(whole_of(first_told), whole_of(told)),
                remedy=SAME_EVERYWHERE,
            )


def _other_whole(first: Sequence[tuple[str, str]], second: Sequence[tuple[str, str]]) -> str:
    only = next(cell for cell in [*first, *second] if (cell in first) != (cell in second))
    where = "second" if only in second else "first"
    counts = f"{counted(len(first), 'cell')} in all there, {len(second)} here"
    return f"{counts}, and {only[0]} in {only[1]} is in the {where} only"


def _check_settings(runs: Sequence[Run]) -> None:
    for setting, option in _SETTINGS.items():
        known = [(run, run.record["run"][setting]) for run in runs if setting in run.record["run"]]
        for run, value in known:
            if value != known[0][1]:
                raise DeclarationError(
                    f"{known[0][0].name!r} has {setting} {known[0][1]} and {run.name!r} {value}",
                    cause="their cells cannot be compared",
                    remedy=f"run every part with the same {option}",
                )
    for run in runs:
        earlier = [_earlier(each) for each in (runs[0], run)]
        if earlier[0] != earlier[1]:
            said = [f"the reference of {text}" if text else "a reference of its own" for text in earlier]
            raise DeclarationError(
                f"{runs[0].name!r} was compared with {said[0]} and {run.name!r} with {said[1]}",
                cause="their labels cannot stand side by side",
                remedy="run every part with the same --envrobust-reference-run",
            )


def _earlier(run: Run) -> str:
    """Which earlier run's reference the labels were compared with; its path may differ from job to job."""
    earlier: Mapping[str, Any] = run.record["run"].get("reference_run", {})
    return str(earlier.get("started") or earlier.get("path", ""))


def _check_models(runs: Sequence[Run]) -> None:
    known: dict[str, list[tuple[Run, Mapping[str, Any]]]] = {}
    for run in runs:
        for model in run.record["models"]:
            for other, earlier in known.setdefault(model["name"], []):
                if flaw := next(_model_differences(earlier, model, code_may_differ=_code_may_differ(other, run)), ""):
                    raise DeclarationError(
                        f"model {model['name']!r} is another one in {run.name!r} than in {other.name!r}",
                        cause=flaw,
                        remedy=SAME_EVERYWHERE,
                    )
            known[model["name"]].append((run, model))


def _code_may_differ(one: Run, other: Run) -> bool:
    """Whether other Pythons, packages or systems may be all that makes digests of code differ between two runs."""
    told = one.record["run"], other.record["run"]
    machines = [run.get("machine", {}) for run in told]
    versions = [run.get("versions", {}) for run in told]
    return any(machines[0].get(fact) != machines[1].get(fact) for fact in ("python", "architecture", "system")) or any(
        versions[0][name] != versions[1][name] for name in versions[0].keys() & versions[1].keys()
    )


def _model_differences(one: Mapping[str, Any], other: Mapping[str, Any], *, code_may_differ: bool) -> Iterator[str]:
    for key, said in _INPUTS.items():
        if _differ(one, other, key):
            numbers = ""
            if key == "inputs":
                numbers = f", {len(one[key])} there and {len(other[key])} here"
            yield f"its inputs {said}{numbers}"
    sources = one.get("sources", {}), other.get("sources", {})
    for framework in sources[0]:
        for key, said in _SOURCE.items():
            old, new = sources[0][framework], sources[1].get(framework, {})
            is_excused = code_may_differ and key == "digest" and _covers_code(framework)
            if _differ(old, new, key) and not is_excused:
                texts = [str(each[key])[:12] if key == "digest" else str(each[key]) for each in (old, new)]
                yield f"its {framework} source has {said}: {texts[0]} there, {texts[1]} here"


def _covers_code(framework: str) -> bool:
    """Whether a source's digest is over code too, as far as this installation knows the framework."""
    known = frameworks().get(framework)
    return known is not None and known.digest_covers_code


def _differ(one: Mapping[str, Any], other: Mapping[str, Any], key: str) -> bool:
    return key in one and key in other and bool(one[key] != other[key])


def _check_references(runs: Sequence[Run]) -> None:
    """A test's cells of one model have one reference. Two tests may have two: a marker can choose it."""
    known: dict[tuple[str, str], tuple[Run, str]] = {}
    for run in runs:
        for cell in run.record["cells"]:
            if "environment" not in cell:
                continue
            test = cell.get("nodeid", "").partition("[")[0]
            other, reference = known.setdefault((test, cell["model"]), (run, cell["reference"]))
            if reference != cell["reference"] and other is not run:
                raise DeclarationError(
                    f"{cell['model']!r} has the reference {reference} in {other.name!r} and {cell['reference']} in "
                    f"{run.name!r}",
                    cause=f"the cells of {test or 'a test'} cannot stand side by side",
                    remedy="name one: --envrobust-reference",
                )


def _check_twice(runs: Sequence[Run]) -> None:
    """No cell was run by two jobs. A faulty declaration may fail in each: it is no cell."""
    known: dict[str, Run] = {}
    for run in runs:
        for cell in run.record["cells"]:
            if "environment" not in cell or "nodeid" not in cell:
                continue
            if known.setdefault(cell["nodeid"], run) is not run:
                raise DeclarationError(
                    f"{cell['nodeid']} is in both {known[cell['nodeid']].name!r} and {run.name!r}",
                    cause="it is not known which of both counts",
                    remedy="merge runs of different cells",
                )
