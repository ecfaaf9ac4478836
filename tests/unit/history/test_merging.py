"""Records of several jobs, put together as if one run had made them."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from support.parts import (
    REFERENCE,
    Change,
    altered,
    split,
    together,
    with_machine,
    with_model,
    with_run,
)
from support.records import Synthetic

from pytest_envrobust.core.status import Status
from pytest_envrobust.history.merging import joined_models
from pytest_envrobust.history.recorded_run import RecordedRun
from pytest_envrobust.record import schema
from pytest_envrobust.record.document import new_record, read_record, write_record
from pytest_envrobust.record.predictions import Joined, Predictions
from pytest_envrobust.record.schema import (
    Cell,
    Interpreter,
    Machine,
    Model,
    Record,
    ReferenceRun,
    Run,
    ShardNumbers,
    Source,
)
from pytest_envrobust.reports.markdown import markdown_lines
from pytest_envrobust.reports.terminal import terminal_lines


def test_shards_make_the_whole_again_in_whatever_order_they_come(whole: Synthetic, runs: list[RecordedRun]) -> None:
    record = together([runs[2], runs[0], runs[1]])
    assert record.cells == whole.record.cells
    assert record.models == whole.record.models
    assert record.run.machine == whole.record.run.machine
    assert record.run.versions == whole.record.run.versions
    assert (record.run.shard, record.run.notices) == (None, None)
    assert terminal_lines(record) == [
        "Merged from 3 records: 3.json, 1.json and 2.json.",
        "",
        *terminal_lines(whole.record),
    ]


def test_a_merged_record_is_a_record(runs: list[RecordedRun], tmp_path: Path) -> None:
    record = together(runs)
    write_record(record, tmp_path / "all.json")
    assert read_record(tmp_path / "all.json") == record


def test_the_run_says_what_it_was_made_of(runs: list[RecordedRun]) -> None:
    given: list[dict[str, Any]] = [
        {
            "started": f"2026-11-25T1{n}:00:00+0000",
            "seconds": n + 0.0625,
            "devices": {f"pi{n}": schema.Device(host="pi")},
            "interpreters": {"tf": Interpreter(python=f"/{n}")},
            "command": ["pytest", f"--envrobust-shard={n + 1}/3"],
        }
        for n in range(3)
    ]
    runs = [altered(run, lambda record, each=each: with_run(record, **each)) for run, each in zip(runs, given)]
    told = together(runs).run
    assert told.seconds == 3.188  # of 3.1875
    assert told.command == ["envrobust", "merge"]
    assert told.parts == [
        schema.RunPart(
            record=f"{n + 1}.json",
            machine=runs[n].record.run.machine,
            versions=runs[n].record.run.versions,
            shard=ShardNumbers(numbers=[n + 1], of=3),
            **given[n],
        )
        for n in range(3)
    ]


@pytest.mark.parametrize(
    ("given", "first"),
    [
        (("12:00:00+0200", "09:30:00+0000", "09:45:00-0200"), "09:30:00+0000"),
        # 10:00 UTC, 11:00 at +1 and 12:00 at +2 are one moment: the first stands
        (("12:00:00+0200", "10:00:00+0000", "11:00:00+0100"), "12:00:00+0200"),
        (("10:00:00+0000", "09:45:00-0200", "12:30:00+0200"), "10:00:00+0000"),
        ((None, "11:00:00+0000", "10:00:00+0000"), "10:00:00+0000"),
        (("9 o'clock", "11:00:00+0000", None), "11:00:00+0000"),
        (("9 o'clock", "8 o'clock", None), "9 o'clock"),
        ((None, None, None), None),
    ],
)
def test_a_merged_run_began_when_the_first_part_did(
    runs: list[RecordedRun], given: tuple[str | None, ...], first: str | None
) -> None:
    def at(time: str | None) -> str | None:
        return time and f"2026-11-25T{time}"

    parts = [altered(run, lambda record, n=time: with_run(record, started=at(n))) for run, time in zip(runs, given)]
    assert together(parts).run.started == at(first)


@pytest.mark.parametrize(("given", "total"), [((1.5, None, 2.0), 3.5), ((None, None, None), None), ((0.0,) * 3, 0.0)])
def test_seconds_are_those_of_the_parts_that_tell(
    runs: list[RecordedRun], given: tuple[float | None, ...], total: float | None
) -> None:
    parts = [altered(run, lambda record, n=each: with_run(record, seconds=n)) for run, each in zip(runs, given)]
    assert together(parts).run.seconds == total


def test_missing_shards_stay_missing_until_they_come(whole: Synthetic, runs: list[RecordedRun]) -> None:
    some = together([runs[2], runs[0]])
    assert some.run.shard is not None
    assert some.run.shard.numbers == [1, 3]
    covered = {cell.name for cell in some.cells}
    notice = f"Shards 1 and 3 of 3: {len(covered)} of 18 cells; the other {18 - len(covered)} are in shard 2."
    assert terminal_lines(some)[1] == notice
    assert any(notice in line for line in markdown_lines(some))
    record = together([RecordedRun("some.json", some, whole), runs[1]])
    assert record.cells == whole.record.cells
    assert record.run.shard is None
    assert record.run.parts is not None
    assert [part.record for part in record.run.parts] == ["3.json", "1.json", "2.json"]


def test_one_shard_alone(runs: list[RecordedRun]) -> None:
    record = together([runs[0]])
    assert record.cells == runs[0].record.cells
    assert terminal_lines(record)[1].startswith("Shard 1/3: 6 of 18 cells; the other 12 are in the other shards.")


def test_a_shard_without_a_cell(whole: Synthetic) -> None:
    runs = split(whole, 20)
    assert runs[19].record.cells == []
    assert together(runs).cells == whole.record.cells


def test_runs_of_other_environments(whole: Synthetic) -> None:
    """No shards: nobody knows what else there is."""
    parts = []
    for framework in ("torch", "keras"):
        record = replace(whole.record, cells=[cell for cell in whole.record.cells if cell.framework == framework])
        parts.append(RecordedRun(f"{framework}.json", record, whole))
    record = together(parts)
    assert len(record.cells) == len(whole.record.cells)
    assert record.run.shard is None
    analysed = [{model.name: set(environments_of(model)) for model in each.models} for each in (record, whole.record)]
    assert analysed[0] == analysed[1]


def environments_of(model: Model) -> list[str]:
    """Those that were analysed."""
    assert model.analysis is not None
    return model.analysis.environments


def test_a_fault_of_the_declaration_is_told_once(whole: Synthetic, runs: list[RecordedRun]) -> None:
    def fault(place: int) -> Cell:
        return Cell(
            nodeid="test_it[gone-declaration]", status=Status.FAILED, reason=f"gone from /job/{place}", model="gone"
        )

    faulty = [
        altered(run, lambda record, n=place: replace(record, cells=[*record.cells[:n], fault(n), *record.cells[n:]]))
        for place, run in enumerate(runs)
    ]
    cells = together(faulty).cells
    assert (cells[0].model, cells[0].reason) == ("gone", "gone from /job/0")
    assert cells[1:] == whole.record.cells


def test_models_come_in_the_order_of_their_cells_and_those_without_cells_last(
    whole: Synthetic, runs: list[RecordedRun]
) -> None:
    def turned(record: Record) -> Record:
        """The models in another order, and one of which no cell was collected first."""
        return replace(record, models=[Model(name="idle", inputs=["a"]), *record.models[::-1]])

    record = together([altered(run, turned) for run in runs])
    assert record.models == [*whole.record.models, Model(name="idle", inputs=["a"])]


def test_what_is_said_of_no_model_s_sources_stays_unsaid(runs: list[RecordedRun]) -> None:
    record = together([altered(run, lambda record: with_model(record, sources=None)) for run in runs])
    assert record.models[0].sources is None
    assert record.models[1].sources == runs[0].record.models[1].sources


def test_what_is_so_of_all_parts_is_kept_and_devices_are_those_of_all(runs: list[RecordedRun]) -> None:
    devices = [{"pi": schema.Device(host="pi")}, {"box": schema.Device(host="box")}, None]
    earlier = ReferenceRun(path="x.json", started="yesterday")
    told = together(
        [
            altered(run, lambda record, each=each: with_run(record, devices=each, reference_run=earlier, left_out=""))
            for run, each in zip(runs, devices)
        ]
    ).run
    assert told.devices == {"pi": schema.Device(host="pi"), "box": schema.Device(host="box")}
    assert (told.threads, told.preprocess_from, told.reference_run) == (1, "native", earlier)


@pytest.mark.parametrize(
    ("lines", "kept"), [(("", "a", ""), "a"), (("", "", ""), ""), (("a", "b", ""), None), ((None, "a", "a"), "a")]
)
def test_the_line_on_what_was_left_out_is_one_or_none(
    runs: list[RecordedRun], lines: tuple[str | None, ...], kept: str | None
) -> None:
    parts = [altered(run, lambda record, n=line: with_run(record, left_out=n)) for run, line in zip(runs, lines)]
    assert together(parts).run.left_out == kept


@pytest.mark.parametrize("asked_for", [False, True])
def test_only_times_that_were_asked_for_are_compared_between_machines(whole: Synthetic, asked_for: bool) -> None:
    def is_meant(cell: Cell) -> bool:
        return cell.output_digest is not None and (cell.latency is not None and cell.latency.was_asked_for) is asked_for

    def largest(change: Change) -> list[tuple[str, float]]:
        first, second, third = (
            altered(run, lambda record: replace(record, cells=[cell for cell in record.cells if is_meant(cell)]))
            for run in split(whole, 3)
        )
        analyses = [model.analysis for model in together([first, altered(second, change), third]).models]
        entries = [entry for analysis in analyses if analysis is not None for entry in analysis.sensitivity]
        return [(entry.time.measured_from, entry.time.largest) for entry in entries if entry.time is not None]

    here = largest(lambda record: record)
    assert {source for source, _ in here} == {"pairs" if asked_for else "predictions"}
    assert largest(lambda record: with_machine(record, cores=99)) == (here if asked_for else [])


def test_parts_that_know_nothing_of_their_machines_share_nothing(runs: list[RecordedRun]) -> None:
    told = together([altered(run, lambda record: with_run(record, machine=None, versions=None)) for run in runs]).run
    assert (told.machine, told.versions, told.notices) == (Machine(), {}, None)


def test_what_processes_know_of_a_model_is_joined() -> None:
    adequacy = schema.Adequacy(n=4, distinct_labels=2, faults=[])
    (model,) = joined_models(
        [
            Model(name="a", sources={"torch": Source(target="t", digest="1"), "onnx": Source(target="o")}),
            Model(
                name="a",
                sources={"torch": Source(target="t"), "onnx": Source(target="o", digest="2"), "keras": Source()},
                inputs=["i"],
                adequacy={"torch/eager/cpu": adequacy},
            ),
            Model(name="a", sources={}, guesses={"onnx": "guessed"}, truth_from="late", inputs=["other"]),
        ]
    )
    assert model == Model(
        name="a",
        sources={
            "torch": Source(target="t", digest="1"),
            "onnx": Source(target="o", digest="2"),
            "keras": Source(),
        },
        inputs=["i"],
        guesses={"onnx": "guessed"},
        truth_from="late",
        adequacy={"torch/eager/cpu": adequacy},
    )


def test_guesses_and_what_inputs_can_tell_are_joined_and_of_two_the_first_counts() -> None:
    few, many = (schema.Adequacy(n=n, distinct_labels=2, faults=[]) for n in (4, 8))
    (model,) = joined_models(
        [
            Model(name="a", guesses={"torch": "guessed 224"}, adequacy={REFERENCE: few}),
            Model(name="a", guesses={"torch": "guessed 299", "onnx": "guessed 96"}, adequacy={REFERENCE: many}),
            Model(name="a", guesses={"onnx": "guessed 1"}, adequacy={"keras/eager/cpu": many}),
        ]
    )
    assert model.guesses == {"torch": "guessed 224", "onnx": "guessed 96"}
    assert model.adequacy == {REFERENCE: few, "keras/eager/cpu": many}


def written(folder: Path, whole: Synthetic, names: Sequence[str]) -> list[Path]:
    """Records of which each has some arrays, one of them in common, and some pictures."""
    digests, pictures = list(whole.arrays), list(whole.thumbnails)
    paths = []
    for number, name in enumerate(names):
        arrays = {digest: whole.arrays[digest] for digest in [digests[0], *digests[number :: len(names)]]}
        thumbnails = {digest: whole.thumbnails[digest] for digest in pictures[number :: len(names)]}
        paths.append(Synthetic(whole.record, arrays, thumbnails).write(folder, name))
    return paths


def test_why_sources_differ_is_kept_and_of_two_answers_the_first_counts(tmp_path: Path) -> None:
    swaps = [schema.Swap(parts=["filter", "geometry"], flips=23, new=4, by_reference=True)]
    few, many = (
        schema.Decomposition(
            environment="torch/eager/cpu", reference="keras/eager/cpu", n=n, of=200, flips=36, swaps=swaps
        )
        for n in (64, 128)
    )
    first, second = Model(name="a", decompositions={"torch": few}), Model(name="a", decompositions={"torch": many})
    assert joined_models([Model(name="a"), first, second]) == [first]
    write_record(new_record(Run(), [first], []), tmp_path / "run.json")
    assert read_record(tmp_path / "run.json").models == [first]


def test_predictions_are_joined_by_their_digests(whole: Synthetic, tmp_path: Path) -> None:
    paths = written(tmp_path, whole, ["a", "b", "c"])
    joined = Joined(tuple(Predictions.beside(path) for path in paths))
    joined.write_beside(tmp_path / "new" / "all.json")
    found = Predictions.beside(tmp_path / "new" / "all.json")
    assert found.names == {*whole.arrays, *(f"thumbnail-{digest}" for digest in whole.thumbnails)}
    for each in (joined, found):
        for digest, array in whole.arrays.items():
            np.testing.assert_array_equal(each.scores(digest), array)
        for digest, picture in whole.thumbnails.items():
            assert each.thumbnail(digest) == picture
        assert each.scores("0" * 64) is None
    first = (tmp_path / "new" / "all.npz").read_bytes()
    joined.write_beside(tmp_path / "new" / "again.json")
    assert (tmp_path / "new" / "again.npz").read_bytes() == first
    with zipfile.ZipFile(tmp_path / "new" / "all.npz") as archive:
        assert archive.testzip() is None


def test_no_predictions_leave_no_file(tmp_path: Path) -> None:
    (tmp_path / "all.npz").write_bytes(b"an earlier run's")
    Joined((Predictions.beside(tmp_path / "a.json"),)).write_beside(tmp_path / "all.json")
    assert not (tmp_path / "all.npz").exists()
