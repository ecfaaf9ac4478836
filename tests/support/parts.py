"""The parts that records are merged from: shards of a synthetic run, and changes to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from pytest_envrobust.core.shard import Shard
from pytest_envrobust.history.merging import merged
from pytest_envrobust.history.recorded_run import RecordedRun
from pytest_envrobust.record import schema
from pytest_envrobust.record.schema import Cell, Record, Source
from support.records import Synthetic

Change = Callable[[Record], Record]
COMMAND = ("envrobust", "merge")
REFERENCE = "torch/eager/cpu"


def split(whole: Synthetic, of: int) -> list[RecordedRun]:
    """The shards of a run: what each job would have written."""
    names = list(dict.fromkeys(cell.name for cell in whole.record.cells if cell.name is not None))
    runs = []
    for number in range(1, of + 1):
        share = Shard(number, of).share(names)
        record = replace(
            whole.record,
            cells=[cell for cell in whole.record.cells if cell.name in share],
            run=replace(whole.record.run, shard=schema.Shard(numbers=[number], of=of, whole=names)),
            models=[replace(model, analysis=None) for model in whole.record.models],
        )
        runs.append(RecordedRun(f"{number}.json", record, whole))
    return runs


def together(runs: Sequence[RecordedRun]) -> Record:
    """Merged, with the predictions of the first, which in these tests has all."""
    return merged(runs, COMMAND, runs[0].predictions.scores)


def altered(run: RecordedRun, change: Change) -> RecordedRun:
    return RecordedRun(run.name, change(run.record), run.predictions)


def with_cells(record: Record, change: Callable[[Cell], Cell]) -> Record:
    return replace(record, cells=[change(cell) for cell in record.cells])


def with_run(record: Record, **change: Any) -> Record:
    return replace(record, run=replace(record.run, **change))


def with_machine(record: Record, **change: Any) -> Record:
    assert record.run.machine is not None
    return with_run(record, machine=replace(record.run.machine, **change))


def with_shard(record: Record, **change: Any) -> Record:
    assert record.run.shard is not None
    return with_run(record, shard=replace(record.run.shard, **change))


def with_model(record: Record, **change: Any) -> Record:
    """The first model changed."""
    first, *others = record.models
    return replace(record, models=[replace(first, **change), *others])


def with_source(record: Record, framework: str = "torch", **change: Any) -> Record:
    """That source of the first model changed."""
    sources = record.models[0].sources or {}
    return with_model(record, sources={**sources, framework: replace(sources.get(framework, Source()), **change)})
