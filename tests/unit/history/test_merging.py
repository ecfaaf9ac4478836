"""Records of several jobs, put together as if one run had made them."""

from __future__ import annotations

import copy
import zipfile
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.records import Synthetic, synthetic

from pytest_envrobust.core.digests import output_digest
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.shard import Shard
from pytest_envrobust.history.changes import Run
from pytest_envrobust.history.merging import is_empty, joined_models, merged
from pytest_envrobust.history.rejudge import judged_again
from pytest_envrobust.record.document import read_record, write_record
from pytest_envrobust.record.predictions import Joined, Predictions
from pytest_envrobust.reports.markdown import markdown_lines
from pytest_envrobust.reports.terminal import terminal_lines
from pytest_envrobust.verdicts.limits import Limit

Change = Callable[[dict[str, Any]], object]
COMMAND = ("envrobust", "merge")


def split(whole: Synthetic, of: int) -> list[Run]:
    """The shards of a run: what each job would have written."""
    every = [(cell["model"], cell["environment"]) for cell in whole.record["cells"]]
    names = list(dict.fromkeys(every))
    runs = []
    for number in range(1, of + 1):
        share = Shard(number, of).share(names)
        record = copy.deepcopy(whole.record)
        record["cells"] = [cell for cell in record["cells"] if (cell["model"], cell["environment"]) in share]
        record["run"]["shard"] = {"numbers": [number], "of": of, "whole": [list(name) for name in names]}
        for model in record["models"]:
            del model["analysis"]
        runs.append(Run(f"{number}.json", record, whole))
    return runs


def together(runs: Sequence[Run]) -> dict[str, Any]:
    """Merged, with the predictions of the first, which in these tests has all."""
    return merged(runs, COMMAND, runs[0].predictions.scores)


def altered(run: Run, change: Change) -> Run:
    record = copy.deepcopy(run.record)
    change(record)
    return Run(run.name, record, run.predictions)


@pytest.fixture(scope="module")
def whole() -> Synthetic:
    return synthetic(models=2, environments=6)


@pytest.fixture
def runs(whole: Synthetic) -> list[Run]:
    return split(whole, 3)


def test_shards_make_the_whole_again_in_whatever_order_they_come(whole: Synthetic, runs: list[Run]) -> None:
    record = together([runs[2], runs[0], runs[1]])
    assert record["cells"] == whole.record["cells"]
    assert record["models"] == whole.record["models"]
    assert record["run"]["machine"] == whole.record["run"]["machine"]
    assert record["run"]["versions"] == whole.record["run"]["versions"]
    assert not {"shard", "notices"} & record["run"].keys()
    assert terminal_lines(record) == [
        "Merged from 3 records: 3.json, 1.json and 2.json.",
        "",
        *terminal_lines(whole.record),
    ]


def test_a_merged_record_is_a_record(runs: list[Run], tmp_path: Path) -> None:
    record = together(runs)
    write_record(record, tmp_path / "all.json")
    assert read_record(tmp_path / "all.json") == record


def test_the_run_says_what_it_was_made_of(runs: list[Run]) -> None:
    runs = [
        altered(run, lambda record, n=number: record["run"].update(started=f"2026-11-25T1{n}:00:00+0{n}00", seconds=n))
        for number, run in enumerate(runs)
    ]
    told = together(runs)["run"]
    # 10:00 UTC, 11:00 at +1 and 12:00 at +2 are one moment: the first stands
    assert told["started"] == "2026-11-25T10:00:00+0000"
    assert told["seconds"] == 3
    assert told["command"] == ["envrobust", "merge"]
    assert [part["record"] for part in told["parts"]] == ["1.json", "2.json", "3.json"]
    assert [part["shard"] for part in told["parts"]] == [{"numbers": [n], "of": 3} for n in (1, 2, 3)]


def test_missing_shards_stay_missing_until_they_come(whole: Synthetic, runs: list[Run]) -> None:
    some = together([runs[2], runs[0]])
    assert some["run"]["shard"]["numbers"] == [1, 3]
    covered = {(cell["model"], cell["environment"]) for cell in some["cells"]}
    notice = f"Shards 1 and 3 of 3: {len(covered)} of 18 cells; the other {18 - len(covered)} are in shard 2."
    assert terminal_lines(some)[1] == notice
    assert any(notice in line for line in markdown_lines(some))
    record = together([Run("some.json", some, whole), runs[1]])
    assert record["cells"] == whole.record["cells"]
    assert "shard" not in record["run"]
    assert [part["record"] for part in record["run"]["parts"]] == ["3.json", "1.json", "2.json"]


def test_one_shard_alone(runs: list[Run]) -> None:
    record = together([runs[0]])
    assert record["cells"] == runs[0].record["cells"]
    assert terminal_lines(record)[1].startswith("Shard 1/3: 6 of 18 cells; the other 12 are in the other shards.")


def test_a_shard_without_a_cell(whole: Synthetic) -> None:
    runs = split(whole, 20)
    assert runs[19].record["cells"] == []
    assert together(runs)["cells"] == whole.record["cells"]


def test_nothing_compared() -> None:
    assert is_empty({"cells": [{"compared": False}, {}]})
    assert not is_empty({"cells": [{}, {"compared": True}]})


def test_cells_without_a_result_are_told(runs: list[Run]) -> None:
    """A test that its own code skipped has no entry, nor has one that an interrupted run did not come to."""
    gone = runs[1].record["cells"][0]
    name = (gone["model"], gone["environment"])

    def lose(record: dict[str, Any]) -> None:
        record["cells"] = [cell for cell in record["cells"] if (cell["model"], cell["environment"]) != name]

    (notice,) = together([runs[0], altered(runs[1], lose), runs[2]])["run"]["notices"]
    assert notice.startswith("1 cell has no result, ")
    assert notice.endswith(f"{name[0]} in {name[1]}.")


def test_runs_of_other_environments(whole: Synthetic) -> None:
    """No shards: nobody knows what else there is."""
    parts = []
    for framework in ("torch", "keras"):
        record = copy.deepcopy(whole.record)
        record["cells"] = [cell for cell in record["cells"] if cell["framework"] == framework]
        parts.append(Run(f"{framework}.json", record, whole))
    record = together(parts)
    assert len(record["cells"]) == len(whole.record["cells"])
    assert "shard" not in record["run"]
    kept = {model["name"]: set(model["analysis"]["environments"]) for model in record["models"]}
    assert kept == {model["name"]: set(model["analysis"]["environments"]) for model in whole.record["models"]}


def test_a_fault_of_the_declaration_is_told_once(runs: list[Run]) -> None:
    fault = {"nodeid": "test_it[gone-declaration]", "status": "failed", "reason": "gone", "model": "gone"}
    for place, run in enumerate(runs):
        run.record["cells"].insert(place, {**fault, "reason": f"gone from /job/{place}"})
    told = [cell for cell in together(runs)["cells"] if cell["model"] == "gone"]
    assert [cell["reason"] for cell in told] == ["gone from /job/0"]


def shard(number: int, **change: Any) -> tuple[int, Change]:
    return number, lambda record: record["run"]["shard"].update(change)


def in_model(**change: Any) -> tuple[int, Change]:
    return 1, lambda record: record["models"][0].update(change)


def in_source(**change: Any) -> tuple[int, Change]:
    def put(record: dict[str, Any], number: int) -> None:
        record["models"][0]["sources"]["torch"].update({"digest": "a" * 64, "preprocess": "raw", "label_offset": 0})
        if number:
            record["models"][0]["sources"]["torch"].update(change)

    return -1, put


def in_run(**change: Any) -> tuple[int, Change]:
    return 1, lambda record: record["run"].update(change)


def refer(record: dict[str, Any]) -> None:
    for cell in record["cells"]:
        cell["reference"] = "keras/eager/cpu"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (shard(1, numbers=[1]), "shard 1/3 is in both '1.json' and '2.json' (give each shard once)"),
        (shard(1, of=4), "'1.json' is one of 3 shards and '2.json' one of 4: *(merge the shards of one N)"),
        (
            shard(1, whole=[["model-0", "torch/eager/cpu"]]),
            "'1.json' and '2.json' are shards of different runs: 18 cells in all there, 1 here, and "
            "model-0 in torch/ort-all/cpu is in the first only (*same tests, options and commit)",
        ),
        (in_run(threads=9), "'1.json' has threads 1 and '2.json' 9: * (run every part with the same *threads)"),
        (in_run(preprocess_from="reference"), "'1.json' has preprocess_from native and '2.json' reference: *"),
        (
            in_run(reference_run={"path": "x86.json", "started": "yesterday"}),
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
    whole: Synthetic, change: tuple[int, Callable[..., object]], message: str
) -> None:
    runs = split(whole, 3)
    for run in runs:
        run.record["run"].update(threads=1, preprocess_from="native")
    which, apply = change
    if which < 0:
        runs = [altered(run, lambda record, n=number: apply(record, n)) for number, run in enumerate(runs)]
    else:
        runs[which] = altered(runs[which], apply)
    with pytest.raises(DeclarationError) as caught:
        together(runs)
    assert fnmatchcase(str(caught.value), message), str(caught.value)


def test_a_shard_that_collected_nothing_is_refused(runs: list[Run]) -> None:
    del runs[1].record["run"]["shard"]["whole"]
    with pytest.raises(DeclarationError, match=r"'2.json' has no cells: its run ended before .* \(run it again\)"):
        together(runs)


def test_the_same_cell_twice_is_refused(runs: list[Run]) -> None:
    for run in runs:
        del run.record["run"]["shard"]
    again = Run("again.json", {**runs[0].record}, runs[0].predictions)
    with pytest.raises(DeclarationError, match=r"^test_labels\[model-0-\S+\] is in both '1.json' and 'again.json': "):
        together([*runs, again])


def test_two_tests_may_have_two_references(runs: list[Run]) -> None:
    """A marker chose it: the tests are others."""
    other = altered(runs[1], refer)
    for cell in other.record["cells"]:
        cell["nodeid"] = f"other_{cell['nodeid']}"
    assert together([runs[0], other, runs[2]])["cells"]


def test_machines_and_versions_that_differ_are_told_and_not_taken_for_one(whole: Synthetic, runs: list[Run]) -> None:
    here, there = runs[0].record["run"], [runs[1].record["run"], runs[2].record["run"]]
    versions = dict.fromkeys(here["versions"], "1.2")
    here["versions"] = {**versions, "onnx": "1.16", "tvm": "0.27"}
    for run in there:
        run["machine"] = {**run["machine"], "processor": "another", "cores": 64}
        run["versions"] = {**versions, "onnx": "1.17"}
    record = together(runs)
    machine, versions_told = record["run"]["notices"]
    assert machine.startswith(f"Machines differ (processor {here['machine']['processor']} in 1.json, another in 2.json")
    assert "cores" in machine
    assert versions_told == (
        "Versions differ (onnx 1.16 in 1.json and 1.17 in 2.json and 3.json): outputs may differ bit for bit for that "
        "alone."
    )
    assert not {"processor", "cores"} & record["run"]["machine"].keys()
    assert record["run"]["machine"]["system"] == here["machine"]["system"]
    assert record["run"]["versions"] == {**versions, "tvm": "0.27"}
    assert [part["machine"]["cores"] for part in record["run"]["parts"]] == [here["machine"]["cores"], 64, 64]
    assert [line for line in terminal_lines(record) if line.startswith(("Machines", "Versions"))] == [
        machine,
        versions_told,
    ]


def test_times_that_nobody_asked_for_are_not_compared_between_machines(whole: Synthetic) -> None:
    def largest(change: Change) -> list[float]:
        runs = [
            Run(
                run.name, {**run.record, "cells": [{**cell} for cell in run.record["cells"] if "labels" in cell]}, whole
            )
            for run in split(whole, 3)
        ]
        change(runs[1].record["run"])
        entries = [entry for model in together(runs)["models"] for entry in model["analysis"]["sensitivity"]]
        return [entry["time"]["largest"] for entry in entries if "time" in entry]

    assert largest(lambda run: None)
    assert not largest(lambda run: run.update(machine={**run["machine"], "cores": 99}))


def with_digests(runs: Sequence[Run], framework: str) -> list[Run]:
    """Other digests of that framework's source of the first model in the second run, which has another Python."""
    for number, run in enumerate(runs):
        run.record["models"][0]["sources"][framework]["digest"] = ("b" if number == 1 else "a") * 64
        run.record["run"]["machine"] = {**run.record["run"]["machine"], "python": "3.12.1" if number == 1 else "3.11.7"}
    return list(runs)


def test_a_digest_of_code_may_differ_with_what_is_installed(runs: list[Run]) -> None:
    """It is over the framework's own code and Python's build too."""
    record = together(with_digests(runs, "torch"))
    assert record["run"]["notices"][1:] == [
        "model-0: its torch source has another digest in 2.json, where Python, packages or system are others: whether "
        "its weights and code are the same is not known."
    ]
    assert "digest" not in record["models"][0]["sources"]["torch"]
    assert "digest" in record["models"][1]["sources"]["torch"]


def test_a_digest_of_a_file_may_not(runs: list[Run]) -> None:
    for run in runs:
        run.record["models"][0]["sources"]["onnx"] = {"target": "model.onnx"}
    with pytest.raises(DeclarationError, match="its onnx source has other weights or structure"):
        together(with_digests(runs, "onnx"))


def test_memory_may_differ_a_little(runs: list[Run]) -> None:
    size = runs[0].record["run"]["machine"]["memory_bytes"]
    runs[1].record["run"]["machine"] = {**runs[1].record["run"]["machine"], "memory_bytes": int(size * 0.98)}
    told = together(runs)["run"]
    assert "notices" not in told
    assert told["machine"]["memory_bytes"] == size


def test_a_reference_that_gave_other_scores_elsewhere_is_told_and_each_cell_keeps_its_own(whole: Synthetic) -> None:
    """On another machine: half the labels of its reference are others there."""
    reference = "torch/eager/cpu"
    runs = split(whole, 2)
    cells = [cell for cell in whole.record["cells"] if cell["model"] == "model-0" and "output_digest" in cell]
    own = next(cell["output_digest"] for cell in cells if cell["environment"] == reference)
    scores = whole.arrays[own].copy()
    scores[::2] = np.roll(scores[::2], 1, axis=1)
    other = output_digest(scores)
    has_reference, without = sorted(
        runs, key=lambda run: not any(cell.get("output_digest") == own for cell in run.record["cells"])
    )
    for run, digest in ((has_reference, own), (without, other)):
        for cell in run.record["cells"]:
            if cell["model"] == "model-0" and cell["environment"] != reference and "labels" in cell:
                cell["reference_digest"] = digest
    kept = Synthetic(whole.record, {**whole.arrays, other: scores}, {})
    parts = [Run(run.name, run.record, kept) for run in (has_reference, without)]
    record = together(parts)
    (notice,) = record["run"]["notices"]
    assert notice == (
        f"model-0: the reference {reference} gave other scores in {without.name} than in {has_reference.name}, "
        "10 of 20 labels differ: each cell was held against the reference of its own part."
    )
    judged = judged_again(record, kept, {"min_label_agreement": Limit("min_label_agreement", 0.0, "here")})
    flipped = {
        cell["environment"]: cell["labels"]["agreement"]
        for cell in judged["cells"]
        if cell["model"] == "model-0" and "labels" in cell and cell.get("reference_digest") == other
    }
    assert flipped
    assert all(agreement <= 0.5 for agreement in flipped.values())


def test_what_processes_know_of_a_model_is_joined() -> None:
    (model,) = joined_models(
        [
            {"name": "a", "sources": {"torch": {"target": "t", "digest": "1"}, "onnx": {"target": "o"}}},
            {
                "name": "a",
                "sources": {"torch": {"target": "t"}, "onnx": {"target": "o", "digest": "2"}},
                "inputs": ["i"],
            },
            {"name": "a", "sources": {}, "guesses": {"onnx": "guessed"}},
        ]
    )
    assert model == {
        "name": "a",
        "sources": {"torch": {"target": "t", "digest": "1"}, "onnx": {"target": "o", "digest": "2"}},
        "inputs": ["i"],
        "guesses": {"onnx": "guessed"},
    }


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


def test_lost_predictions_are_told(whole: Synthetic, runs: list[Run], tmp_path: Path) -> None:
    bare = Run("bare.json", runs[1].record, Predictions.beside(tmp_path / "bare.json"))
    own = {
        cell["output_digest"] for run in (runs[0], runs[2]) for cell in run.record["cells"] if "output_digest" in cell
    }
    kept = {digest: array for digest, array in whole.arrays.items() if digest in own}
    record = merged([runs[0], bare, runs[2]], COMMAND, kept.get)
    (notice,) = record["run"]["notices"]
    assert notice.startswith("There are no predictions beside bare.json: ")
    analysed = {name for model in record["models"] for name in model["analysis"]["environments"]}
    assert analysed
    lost = {cell["environment"] for cell in bare.record["cells"] if cell["model"] == "model-0" and "labels" in cell}
    assert lost
    assert not lost & set(record["models"][0]["analysis"]["environments"])
