"""Records of several jobs, put together as if one run had made them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from support.records import Synthetic, synthetic

from pytest_envrobust.core.digests import output_digest
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.shard import Shard
from pytest_envrobust.core.status import Status
from pytest_envrobust.history.merging import joined_models, merged
from pytest_envrobust.history.recorded_run import RecordedRun
from pytest_envrobust.history.rejudge import judged_again
from pytest_envrobust.record import schema
from pytest_envrobust.record.document import read_record, write_record
from pytest_envrobust.record.predictions import Joined, Predictions
from pytest_envrobust.record.schema import (
    Cell,
    Interpreter,
    Machine,
    Model,
    Record,
    ReferenceRun,
    ShardNumbers,
    Source,
)
from pytest_envrobust.reports.markdown import markdown_lines
from pytest_envrobust.reports.terminal import terminal_lines
from pytest_envrobust.verdicts.limits import Limit

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


@pytest.fixture(scope="module")
def whole() -> Synthetic:
    return synthetic(models=2, environments=6)


@pytest.fixture
def runs(whole: Synthetic) -> list[RecordedRun]:
    return split(whole, 3)


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
    runs = [
        altered(run, lambda record, n=number: with_run(record, started=f"2026-11-25T1{n}:00:00+0{n}00", seconds=n))
        for number, run in enumerate(runs)
    ]
    told = together(runs).run
    # 10:00 UTC, 11:00 at +1 and 12:00 at +2 are one moment: the first stands
    assert told.started == "2026-11-25T10:00:00+0000"
    assert told.seconds == 3
    assert told.command == ["envrobust", "merge"]
    assert told.parts is not None
    assert [part.record for part in told.parts] == ["1.json", "2.json", "3.json"]
    assert [part.shard for part in told.parts] == [ShardNumbers(numbers=[n], of=3) for n in (1, 2, 3)]
    assert [part.machine for part in told.parts] == [run.record.run.machine for run in runs]
    assert [part.command for part in told.parts] == [run.record.run.command for run in runs]


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


def test_cells_without_a_result_are_told(runs: list[RecordedRun]) -> None:
    """A test that its own code skipped has no entry, nor has one that an interrupted run did not come to."""
    name = runs[1].record.cells[0].name
    assert name is not None

    def lose(record: Record) -> Record:
        return replace(record, cells=[cell for cell in record.cells if cell.name != name])

    notices = together([runs[0], altered(runs[1], lose), runs[2]]).run.notices
    assert notices is not None
    (notice,) = notices
    assert notice.startswith("1 cell has no result, ")
    assert notice.endswith(f"{name[0]} in {name[1]}.")


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


def test_a_fault_of_the_declaration_is_told_once(runs: list[RecordedRun]) -> None:
    def fault(place: int) -> Cell:
        return Cell(
            nodeid="test_it[gone-declaration]", status=Status.FAILED, reason=f"gone from /job/{place}", model="gone"
        )

    faulty = [
        altered(run, lambda record, n=place: replace(record, cells=[*record.cells[:n], fault(n), *record.cells[n:]]))
        for place, run in enumerate(runs)
    ]
    told = [cell for cell in together(faulty).cells if cell.model == "gone"]
    assert [cell.reason for cell in told] == ["gone from /job/0"]


def shard(number: int, **change: Any) -> tuple[int, Change]:
    return number, lambda record: with_shard(record, **change)


def in_model(**change: Any) -> tuple[int, Change]:
    return 1, lambda record: with_model(record, **change)


def in_source(**change: Any) -> tuple[int, Change]:
    return 1, lambda record: with_source(record, **change)


def in_run(**change: Any) -> tuple[int, Change]:
    return 1, lambda record: with_run(record, **change)


def refer(record: Record) -> Record:
    return with_cells(record, lambda cell: replace(cell, reference="keras/eager/cpu"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (shard(1, numbers=[1]), "shard 1/3 is in both '1.json' and '2.json' (give each shard once)"),
        (shard(1, of=4), "'1.json' is one of 3 shards and '2.json' one of 4: *(merge the shards of one N)"),
        (
            shard(1, whole=[("model-0", REFERENCE)]),
            "'1.json' and '2.json' are shards of different runs: 18 cells in all there, 1 here, and "
            "model-0 in torch/ort-all/cpu is in the first only (*same tests, options and commit)",
        ),
        (in_run(threads=9), "'1.json' has threads 1 and '2.json' 9: * (run every part with the same *threads)"),
        (in_run(preprocess_from="reference"), "'1.json' has preprocess_from native and '2.json' reference: *"),
        (
            in_run(reference_run=ReferenceRun(path="x86.json", started="yesterday")),
            "'1.json' was compared with a reference of its own and '2.json' with the reference of yesterday: *",
        ),
        (in_model(inputs=["a"]), "model 'model-0' is another one in '2.json' than in '1.json': its inputs are others*"),
        (in_model(input_digests=["0" * 16] * 20), "model 'model-0' is *its inputs have other pixels or values*"),
        (in_model(truth=[0] * 20), "model 'model-0' is *its inputs have other true classes*"),
        (
            in_source(digest="b" * 64),
            "model 'model-0' is *: its torch source has other weights or structure: aaaaaaaaa*",
        ),
        (in_source(preprocess="imagenet"), "model 'model-0' is *another preprocessing: raw there, imagenet here*"),
        (in_source(label_offset=1), "model 'model-0' is *another label offset: 0 there, 1 here*"),
        ((1, refer), "'model-*' has the reference torch/eager/cpu in '1.json' and keras/eager/cpu in '2.json': *"),
    ],
    ids=lambda value: None if isinstance(value, tuple) else value.partition(":")[0],
)
def test_what_cannot_stand_side_by_side_is_refused(
    runs: list[RecordedRun], change: tuple[int, Change], message: str
) -> None:
    same = {"digest": "a" * 64, "preprocess": "raw", "label_offset": 0}
    runs = [altered(run, lambda record: with_source(record, **same)) for run in runs]
    which, apply = change
    runs[which] = altered(runs[which], apply)
    with pytest.raises(DeclarationError) as caught:
        together(runs)
    assert fnmatchcase(str(caught.value), message), str(caught.value)


def test_a_shard_that_collected_nothing_is_refused(runs: list[RecordedRun]) -> None:
    runs[1] = altered(runs[1], lambda record: with_shard(record, whole=None))
    with pytest.raises(DeclarationError, match=r"'2.json' has no cells: its run ended before .* \(run it again\)"):
        together(runs)


def test_the_same_cell_twice_is_refused(runs: list[RecordedRun]) -> None:
    parts = [altered(run, lambda record: with_run(record, shard=None)) for run in runs]
    again = RecordedRun("again.json", parts[0].record, parts[0].predictions)
    with pytest.raises(DeclarationError, match=r"^test_labels\[model-0-\S+\] is in both '1.json' and 'again.json': "):
        together([*parts, again])


def test_two_tests_may_have_two_references(runs: list[RecordedRun]) -> None:
    """A marker chose it: the tests are others."""
    other = altered(runs[1], refer)
    other = altered(other, lambda record: with_cells(record, lambda cell: replace(cell, nodeid=f"other_{cell.nodeid}")))
    assert together([runs[0], other, runs[2]]).cells


def test_machines_and_versions_that_differ_are_told_and_not_taken_for_one(runs: list[RecordedRun]) -> None:
    here = runs[0].record.run.machine
    assert here is not None
    versions = dict.fromkeys(runs[0].record.run.versions or {}, "1.2")

    def elsewhere(record: Record) -> Record:
        told = with_machine(record, processor="another", cores=64)
        return with_run(told, versions={**versions, "onnx": "1.17"})

    at_home = altered(runs[0], lambda record: with_run(record, versions={**versions, "onnx": "1.16", "tvm": "0.27"}))
    record = together([at_home, *(altered(run, elsewhere) for run in runs[1:])])
    assert record.run.notices is not None
    machine, versions_told = record.run.notices
    assert machine.startswith(f"Machines differ (processor {here.processor} in 1.json, another in 2.json")
    assert "cores" in machine
    assert versions_told == (
        "Versions differ (onnx 1.16 in 1.json and 1.17 in 2.json and 3.json): outputs may differ bit for bit for that "
        "alone."
    )
    assert record.run.machine == replace(here, processor=None, cores=None)
    assert record.run.versions == {**versions, "tvm": "0.27"}
    assert record.run.parts is not None
    assert [part.machine.cores for part in record.run.parts if part.machine is not None] == [here.cores, 64, 64]
    assert [line for line in terminal_lines(record) if line.startswith(("Machines", "Versions"))] == [
        machine,
        versions_told,
    ]


def test_machines_that_differ_in_the_same_are_told_together(runs: list[RecordedRun]) -> None:
    record = together([runs[0], *(altered(run, lambda record: with_machine(record, cores=64)) for run in runs[1:])])
    assert record.run.notices is not None
    assert record.run.notices[0].startswith("Machines differ (cores 8 in 1.json, 64 in 2.json and 3.json): ")


def test_interpreters_that_differ_are_told(runs: list[RecordedRun]) -> None:
    old, new = (Interpreter(python="/other", packages={"tensorflow": version}) for version in ("2.19", "2.20"))
    same = Interpreter(python="/same", packages={"onnx": "1.2"})
    given = ({"tf": old, "one": same}, {"tf": new}, None)
    told = together(
        [altered(run, lambda record, each=each: with_run(record, interpreters=each)) for run, each in zip(runs, given)]
    ).run
    assert told.notices is not None
    assert told.notices[0].startswith(
        "Versions differ (interpreter tf tensorflow 2.19 in 1.json and tensorflow 2.20 in 2.json): "
    )
    assert told.interpreters == {"one": same}


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


def test_times_that_nobody_asked_for_are_not_compared_between_machines(whole: Synthetic) -> None:
    def largest(change: Change) -> list[float]:
        first, second, third = (
            altered(run, lambda record: replace(record, cells=[cell for cell in record.cells if cell.labels]))
            for run in split(whole, 3)
        )
        analyses = [model.analysis for model in together([first, altered(second, change), third]).models]
        entries = [entry for analysis in analyses if analysis is not None for entry in analysis.sensitivity]
        return [entry.time.largest for entry in entries if entry.time is not None]

    assert largest(lambda record: record)
    assert not largest(lambda record: with_machine(record, cores=99))


def with_digests(runs: Sequence[RecordedRun], framework: str) -> list[RecordedRun]:
    """Other digests of that framework's source of the first model in the second run, which has another Python."""

    def changed(record: Record, digest: str, python: str) -> Record:
        return with_machine(with_source(record, framework, digest=64 * digest), python=python)

    told = (("a", "3.11.7"), ("b", "3.12.1"), ("a", "3.11.7"))
    return [altered(run, lambda record, each=each: changed(record, *each)) for run, each in zip(runs, told)]


def test_a_digest_of_code_may_differ_with_what_is_installed(runs: list[RecordedRun]) -> None:
    """It is over the framework's own code and Python's build too."""
    record = together(with_digests(runs, "torch"))
    assert record.run.notices is not None
    assert record.run.notices[1:] == [
        "model-0: its torch source has another digest in 2.json, where Python, packages or system are others: whether "
        "its weights and code are the same is not known."
    ]
    digests = [(model.sources or {})["torch"].digest for model in record.models]
    assert digests[0] is None
    assert digests[1] is not None


def test_a_digest_of_a_file_may_not(runs: list[RecordedRun]) -> None:
    with pytest.raises(DeclarationError, match="its onnx source has other weights or structure"):
        together(with_digests(runs, "onnx"))


def test_memory_may_differ_a_little(runs: list[RecordedRun]) -> None:
    machine = runs[0].record.run.machine
    assert machine is not None
    assert machine.memory_bytes is not None
    size = int(machine.memory_bytes * 0.98)
    told = together([runs[0], altered(runs[1], lambda record: with_machine(record, memory_bytes=size)), runs[2]]).run
    assert told.notices is None
    assert told.machine == machine


def test_parts_that_know_nothing_of_their_machines_share_nothing(runs: list[RecordedRun]) -> None:
    told = together([altered(run, lambda record: with_run(record, machine=None, versions=None)) for run in runs]).run
    assert (told.machine, told.versions, told.notices) == (Machine(), {}, None)


def test_a_reference_that_gave_other_scores_elsewhere_is_told_and_each_cell_keeps_its_own(whole: Synthetic) -> None:
    """On another machine: half the labels of its reference are others there."""
    own = next(cell.output_digest for cell in whole.record.cells_of("model-0") if cell.is_reference)
    assert own is not None
    scores = whole.arrays[own].copy()
    scores[::2] = np.roll(scores[::2], 1, axis=1)
    other = output_digest(scores)
    kept = Synthetic(whole.record, {**whole.arrays, other: scores}, {})

    def against(record: Record, digest: str) -> Record:
        def change(cell: Cell) -> Cell:
            is_compared = cell.model == "model-0" and cell.labels is not None and not cell.is_reference
            return replace(cell, reference_digest=digest) if is_compared else cell

        return with_cells(record, change)

    has_reference, without = sorted(
        split(whole, 2), key=lambda run: not any(cell.output_digest == own for cell in run.record.cells)
    )
    parts = [
        RecordedRun(run.name, against(run.record, digest), kept)
        for run, digest in ((has_reference, own), (without, other))
    ]
    record = together(parts)
    assert record.run.notices == [
        f"model-0: the reference {REFERENCE} gave other scores in {without.name} than in {has_reference.name}, "
        "10 of 20 labels differ: each cell was held against the reference of its own part."
    ]
    judged = judged_again(record, kept, {"min_label_agreement": Limit("min_label_agreement", 0.0, "here")})
    flipped = [
        cell.labels.agreement
        for cell in judged.cells_of("model-0")
        if cell.labels is not None and cell.reference_digest == other
    ]
    assert flipped
    assert all(agreement <= 0.5 for agreement in flipped)


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


def written(folder: Path, whole: Synthetic, names: Sequence[str]) -> list[Path]:
    """Records of which each has some arrays, one of them in common, and some pictures."""
    digests, pictures = list(whole.arrays), list(whole.thumbnails)
    paths = []
    for number, name in enumerate(names):
        arrays = {digest: whole.arrays[digest] for digest in [digests[0], *digests[number :: len(names)]]}
        thumbnails = {digest: whole.thumbnails[digest] for digest in pictures[number :: len(names)]}
        paths.append(Synthetic(whole.record, arrays, thumbnails).write(folder, name))
    return paths


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


def test_lost_predictions_are_told(whole: Synthetic, runs: list[RecordedRun], tmp_path: Path) -> None:
    bare = RecordedRun("bare.json", runs[1].record, Predictions.beside(tmp_path / "bare.json"))
    own = {cell.output_digest for run in (runs[0], runs[2]) for cell in run.record.cells}
    kept = {digest: array for digest, array in whole.arrays.items() if digest in own}
    record = merged([runs[0], bare, runs[2]], COMMAND, kept.get)
    assert record.run.notices is not None
    (notice,) = record.run.notices
    assert notice.startswith("There are no predictions beside bare.json: ")
    assert all(environments_of(model) for model in record.models)
    lost = {cell.environment for cell in bare.record.cells_of("model-0") if cell.labels is not None}
    assert lost
    assert not lost & set(environments_of(record.models[0]))
