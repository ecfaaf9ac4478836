"""What keeps records from being merged: parts that overlap, or whose cells cannot stand side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_envrobust.core.environment import SourceKey
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.wording import counted
from pytest_envrobust.frameworks import frameworks
from pytest_envrobust.history.recorded_run import RecordedRun, differ
from pytest_envrobust.record.schema import Machine, Model, Run, Shard, Source
from pytest_envrobust.record.shards import whole_of

SAME_EVERYWHERE = "run every part with the same tests, options and commit"


def check_mergeable(runs: Sequence[RecordedRun]) -> None:
    """Raise `DeclarationError` for the first thing that keeps these records apart, naming it and what to do."""
    _check_shards([(run, run.record.run.shard) for run in runs if run.record.run.shard is not None])
    _check_settings(runs)
    _check_models(runs)
    _check_references(runs)
    _check_twice(runs)


def _check_shards(shards: Sequence[tuple[RecordedRun, Shard]]) -> None:
    holders: dict[int, RecordedRun] = {}
    for run, told in shards:
        first, first_told = shards[0]
        if told.of != first_told.of:
            raise DeclarationError(
                f"{first.name!r} is one of {first_told.of} shards and {run.name!r} one of {told.of}",
                cause="shards of different splits have cells in common and leave others out",
                remedy="merge the shards of one N",
            )
        for number in told.numbers:
            if number in holders:
                raise DeclarationError(
                    f"shard {number}/{told.of} is in both {holders[number].name!r} and {run.name!r}",
                    remedy="give each shard once",
                )
            holders[number] = run
        if told.whole is None:
            raise DeclarationError(
                f"{run.name!r} has no cells", cause="its run ended before they were collected", remedy="run it again"
            )
        if set(told.whole) != set(whole_of(first_told)):
            raise DeclarationError(
                f"{first.name!r} and {run.name!r} are shards of different runs",
                cause=_other_whole(whole_of(first_told), told.whole),
                remedy=SAME_EVERYWHERE,
            )


def _other_whole(first: Sequence[tuple[str, str]], second: Sequence[tuple[str, str]]) -> str:
    only = next(cell for cell in [*first, *second] if (cell in first) != (cell in second))
    where = "second" if only in second else "first"
    counts = f"{counted(len(first), 'cell')} in all there, {len(second)} here"
    return f"{counts}, and {only[0]} in {only[1]} is in the {where} only"


def _check_settings(runs: Sequence[RecordedRun]) -> None:
    """Settings that make cells incomparable are the same. Limits are none: each cell says what it was held against."""
    _check_setting("threads", "--envrobust-threads", [(run, run.record.run.threads) for run in runs])
    preprocessing = [(run, run.record.run.preprocess_from) for run in runs]
    _check_setting("preprocess_from", "--envrobust-preprocess-from", preprocessing)
    for run in runs:
        earlier = [_earlier(each.record.run) for each in (runs[0], run)]
        if earlier[0] != earlier[1]:
            said = [f"the reference of {text}" if text else "a reference of its own" for text in earlier]
            raise DeclarationError(
                f"{runs[0].name!r} was compared with {said[0]} and {run.name!r} with {said[1]}",
                cause="their labels cannot stand side by side",
                remedy="run every part with the same --envrobust-reference-run",
            )


def _check_setting(name: str, option: str, values: Sequence[tuple[RecordedRun, object]]) -> None:
    known = [(run, value) for run, value in values if value is not None]
    for run, value in known:
        if value != known[0][1]:
            raise DeclarationError(
                f"{known[0][0].name!r} has {name} {known[0][1]} and {run.name!r} {value}",
                cause="their cells cannot be compared",
                remedy=f"run every part with the same {option}",
            )


def _earlier(run: Run) -> str:
    """Which earlier run's reference the labels were compared with; its path may differ from job to job."""
    earlier = run.reference_run
    return "" if earlier is None else earlier.started or earlier.path or ""


def _check_models(runs: Sequence[RecordedRun]) -> None:
    known: dict[str, list[tuple[RecordedRun, Model]]] = {}
    for run in runs:
        for model in run.record.models:
            for other, earlier in known.setdefault(model.name, []):
                if flaw := _first_difference(other, earlier, run, model):
                    raise DeclarationError(
                        f"model {model.name!r} is another one in {run.name!r} than in {other.name!r}",
                        cause=flaw,
                        remedy=SAME_EVERYWHERE,
                    )
            known[model.name].append((run, model))


def is_another(one_run: RecordedRun, one: Model, other_run: RecordedRun, other: Model) -> bool:
    """Whether the models of two records cannot be one."""
    return bool(_first_difference(one_run, one, other_run, other))


def _first_difference(one_run: RecordedRun, one: Model, other_run: RecordedRun, other: Model) -> str:
    code_may_differ = _code_may_differ(one_run.record.run, other_run.record.run)
    return next(_model_differences(one, other, code_may_differ=code_may_differ), "")


def _code_may_differ(one: Run, other: Run) -> bool:
    """Whether other Pythons, packages or systems may be all that makes digests of code differ between two runs."""
    here, there = (
        (machine.python, machine.architecture, machine.system)
        for machine in (one.machine or Machine(), other.machine or Machine())
    )
    versions, others = one.versions or {}, other.versions or {}
    return here != there or any(versions[name] != others[name] for name in versions.keys() & others.keys())


def _model_differences(one: Model, other: Model, *, code_may_differ: bool) -> Iterator[str]:
    if differ(one.inputs, other.inputs):
        yield f"its inputs are others, {len(one.inputs or ())} there and {len(other.inputs or ())} here"
    facts = (
        ("have other pixels or values: other files, or another decoder", one.input_digests, other.input_digests),
        ("have other class names", one.class_names, other.class_names),
        ("have other true classes", one.truth, other.truth),
    )
    yield from (f"its inputs {said}" for said, there, here in facts if differ(there, here))
    others = other.sources or {}
    for key, source in (one.sources or {}).items():
        digest_may_differ = code_may_differ and _covers_code(key)
        found = _source_differences(source, others.get(key, Source()), digest_may_differ=digest_may_differ)
        yield from (f"its {key} source has {said}" for said in found)


def _covers_code(key: str) -> bool:
    """Whether a source's digest is over code too, as far as this installation knows the framework."""
    known = frameworks().get(SourceKey.parse(key).framework)
    return known is not None and known.digest_covers_code


def _source_differences(one: Source, other: Source, *, digest_may_differ: bool) -> Iterator[str]:
    if one.digest is not None and other.digest is not None and one.digest != other.digest and not digest_may_differ:
        yield f"other weights or structure: {one.digest[:12]} there, {other.digest[:12]} here"
    facts = (
        ("other weights", one.weights, other.weights),
        ("another preprocessing", one.preprocess, other.preprocess),
        ("another label offset", one.label_offset, other.label_offset),
    )
    yield from (f"{said}: {there} there, {here} here" for said, there, here in facts if differ(there, here))


def _check_references(runs: Sequence[RecordedRun]) -> None:
    """A test's cells of one model have one reference. Two tests may have two: a marker can choose it."""
    known: dict[tuple[str, str], tuple[RecordedRun, str]] = {}
    for run in runs:
        for cell in run.record.cells:
            if cell.name is None or cell.reference is None:
                continue
            model, test = cell.name[0], cell.nodeid.partition("[")[0]
            other, reference = known.setdefault((test, model), (run, cell.reference))
            if reference != cell.reference and other is not run:
                raise DeclarationError(
                    f"{model!r} has the reference {reference} in {other.name!r} and {cell.reference} in {run.name!r}",
                    cause=f"the cells of {test or 'a test'} cannot stand side by side",
                    remedy="name one: --envrobust-reference",
                )


def _check_twice(runs: Sequence[RecordedRun]) -> None:
    """No cell was run by two jobs. A faulty declaration may fail in each: it is no cell."""
    known: dict[str, RecordedRun] = {}
    for run in runs:
        for cell in run.record.cells:
            if cell.environment is None or not cell.nodeid:
                continue
            if known.setdefault(cell.nodeid, run) is not run:
                raise DeclarationError(
                    f"{cell.nodeid} is in both {known[cell.nodeid].name!r} and {run.name!r}",
                    cause="it is not known which of both counts",
                    remedy="merge runs of different cells",
                )
