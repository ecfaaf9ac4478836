"""Models of one name that different conftest files declare, named apart in several records as in one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace as with_fields

from msgspec.structs import replace

from pytest_envrobust.history.recorded_run import RecordedRun
from pytest_envrobust.record.schema import Model, Record

IsAnother = Callable[[RecordedRun, Model, RecordedRun, Model], bool]


def told_apart(runs: Sequence[RecordedRun], is_another: IsAnother | None = None) -> list[RecordedRun]:
    """The runs, each model under the name that it would have in a run of all of them.

    A run of one folder calls a model ``net`` that a run of all calls ``net (t2/conftest.py)``, as another folder has a
    ``net`` too. Names that a run already tells apart are told apart in all; with ``is_another``, which says whether
    two models of one name are different ones, those too that no run had side by side.
    """
    shared = {_base(model) for run in runs for model in run.record.models if model.name != _base(model)}
    if is_another is not None:
        shared |= _met_twice(runs, is_another)
    return [with_fields(run, record=_renamed(run.record, shared)) for run in runs]


def _base(model: Model) -> str:
    """The name that was declared."""
    return model.name if model.declared_in is None else model.name.removesuffix(f" ({model.declared_in})")


def _met_twice(runs: Sequence[RecordedRun], is_another: IsAnother) -> set[str]:
    known: dict[str, list[tuple[RecordedRun, Model]]] = {}
    found = set()
    for run in runs:
        for model in run.record.models:
            for other, earlier in known.setdefault(_base(model), []):
                elsewhere = None not in (model.declared_in, earlier.declared_in)
                if elsewhere and model.declared_in != earlier.declared_in and is_another(other, earlier, run, model):
                    found.add(_base(model))
            known[_base(model)].append((run, model))
    return found


def _renamed(record: Record, shared: set[str]) -> Record:
    names = {
        model.name: f"{model.name} ({model.declared_in})"
        for model in record.models
        if model.declared_in is not None and model.name in shared
    }
    if not names:
        return record
    models = [replace(model, name=names.get(model.name, model.name)) for model in record.models]
    cells = [replace(cell, model=names.get(cell.model or "", cell.model)) for cell in record.cells]
    shard = record.run.shard
    if shard is not None and shard.whole is not None:
        whole = [(names.get(model, model), environment) for model, environment in shard.whole]
        shard = replace(shard, whole=whole)
    return replace(record, run=replace(record.run, shard=shard), models=models, cells=cells)
