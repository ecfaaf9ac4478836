"""Shards of a run, each a CI job of its own, and their records put together."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_envrobust.reports.record import read_record

ENVIRONMENTS = "--envrobust-env=onnx/ort-*/cpu,onnx/openvino/cpu"
TEST = """
def test_labels(envrobust):
    envrobust.assert_labels_agree()

def test_finite(envrobust):
    envrobust.assert_finite()

def test_plain():
    pass
"""


@pytest.fixture
def colors(project):
    """A project of five environments, with two tests of each and one that is no cell's."""
    project.declare_colors()
    project.write("test_it.py", TEST)
    return project


def merge(project, *arguments: str) -> tuple[int, str]:
    """Exit status and output of ``envrobust merge``, whose records are in the project's folder."""
    command = [sys.executable, "-c", "import sys; from pytest_envrobust.cli import main; sys.exit(main())", "merge"]
    ended = subprocess.run([*command, *arguments], cwd=project.path, capture_output=True, text=True, timeout=120)
    return ended.returncode, ended.stdout + ended.stderr


def shard(project, number: int, of: int, *arguments: str, **more: Any) -> pytest.RunResult:
    """Run a shard; its record is ``part-NUMBER.json``."""
    asked = f"--envrobust-shard={number}/{of}"
    return project.pytest(*project.own(), asked, f"--envrobust-json=part-{number}.json", *arguments, **more)


def untimed(record: dict[str, Any]) -> dict[str, Any]:
    """What a record says of its cells and models but for times and places."""
    varying = ("latency", "peak_memory_bytes")
    cells = [{name: value for name, value in cell.items() if name not in varying} for cell in record["cells"]]
    models = [
        {**model, "analysis": {name: model["analysis"][name] for name in ("environments", "output_of", "outputs")}}
        for model in record["models"]
    ]
    return {"cells": sorted(cells, key=lambda cell: cell["nodeid"]), "models": models}


def test_together_they_are_the_whole_run(colors) -> None:
    colors.run(ENVIRONMENTS).assert_outcomes(passed=11)
    whole = colors.record()
    for number, items in ((1, 2), (2, 4), (3, 4)):  # five cells in three shards
        result = shard(colors, number, 3, ENVIRONMENTS)
        result.assert_outcomes(passed=items + 1, deselected=10 - items)
        result.stdout.fnmatch_lines([f"envrobust: shard {number}/3: {items // 2} of 5 cells; the other *"])
        assert read_record(colors.path / f"part-{number}.json")["run"]["shard"] == {
            "number": number, "of": 3, "cells": items // 2, "all_cells": 5,
        }  # fmt: skip
    status, told = merge(colors, "part-1.json", "part-2.json", "part-3.json", "--json", "all.json", "--html=all.html")
    assert status == 0, told
    record = read_record(colors.path / "all.json")
    assert untimed(record) == untimed(whole)
    assert [part["record"] for part in record["run"]["parts"]] == [f"part-{number}.json" for number in (1, 2, 3)]
    assert "merged from 3 records: part-1.json, part-2.json and part-3.json" in told
    assert "colors: reference onnx/ort-off/cpu, 8 inputs, 5 environments ran" in told
    assert "merged from 3 records" in (colors.path / "all.html").read_text(encoding="utf-8")


def test_all_items_of_a_cell_are_in_one(colors) -> None:
    shards = []
    for number in (1, 2):
        shard(colors, number, 2, ENVIRONMENTS)
        shards.append({cell["environment"] for cell in read_record(colors.path / f"part-{number}.json")["cells"]})
    assert not shards[0] & shards[1]
    assert len(shards[0] | shards[1]) == 5


def test_it_is_the_same_under_xdist(colors) -> None:
    pytest.importorskip("xdist")
    ids = []
    for arguments in ((), ("-n", "2")):
        shard(colors, 2, 3, ENVIRONMENTS, *arguments, plugins=("xdist",))
        record = read_record(colors.path / "part-2.json")
        assert record["run"]["shard"] == {"number": 2, "of": 3, "cells": 2, "all_cells": 5}
        ids.append(sorted(cell["nodeid"] for cell in record["cells"]))
    assert ids[0] == ids[1]


def test_one_with_nothing_to_compare_is_none_that_failed(colors) -> None:
    """The reference alone, and no cell at all: the whole is what counts."""
    result = shard(colors, 1, 2, "--envrobust-env=onnx/ort-off/cpu,onnx/ort-all/cpu")
    assert result.ret == pytest.ExitCode.OK
    alone = "--envrobust-env=onnx/ort-off/cpu"
    for number in (1, 2):
        result = shard(colors, number, 2, alone, "-k", "labels")
        assert result.ret == pytest.ExitCode.OK
    assert read_record(colors.path / "part-1.json")["cells"] == []
    status, told = merge(colors, "part-1.json", "part-2.json", "--json=all.json")
    assert status == 1
    assert "nothing was compared" in told


def test_what_is_missing_is_said(colors) -> None:
    for number in (1, 3):
        shard(colors, number, 3, ENVIRONMENTS)
    status, told = merge(colors, "part-1.json", "part-3.json", "--json=all.json")
    assert status == 1
    assert "not covered: shard 2/3, 2 cells (--partial allows that)" in told
    status, told = merge(colors, "part-1.json", "part-3.json", "--json=all.json", "--partial")
    assert status == 0, told
    assert read_record(colors.path / "all.json")["run"]["notices"] == ["not covered: shard 2/3, 2 cells"]


def test_parts_that_are_no_shards(colors) -> None:
    for name, environments in (("a", "onnx/ort-basic/cpu"), ("b", "onnx/openvino/cpu,onnx/ort-off/cpu")):
        colors.run(f"--envrobust-env={environments}", f"--envrobust-json={name}.json")
    status, told = merge(colors, "a.json", "b.json", "--json=all.json")
    assert status == 0, told
    (model,) = read_record(colors.path / "all.json")["models"]
    assert len(model["analysis"]["environments"]) == 3


def edited(path: Path, name: str, change: Any) -> str:
    """A copy of a record with a change."""
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    path.with_name(name).write_text(json.dumps(record), encoding="utf-8")
    return name


def test_what_is_not_of_one_run_is_refused(colors) -> None:
    for number in (1, 2):
        shard(colors, number, 2, ENVIRONMENTS)
    second = colors.path / "part-2.json"
    changes = {
        "shard 1/2 is there twice: part-1.json and again.json": lambda record: record["run"]["shard"].update(number=1),
        "again.json is a shard of 3 and part-1.json one of 2": lambda record: record["run"]["shard"].update(of=3),
        "again.json is of 7 cells and part-1.json of 5": lambda record: record["run"]["shard"].update(all_cells=7),
        "weights or structure of colors's onnx source: not the same": lambda record: record["models"][0]["sources"][
            "onnx"
        ].update(digest="0" * 64),
        "inputs of colors: not the same": lambda record: record["models"][0].update(input_digests=["0"]),
        "threads: not the same: 1 in part-1.json, 4 in again.json": lambda record: record["run"].update(threads=4),
        "has schema version 9": lambda record: record.update(schema_version=9),
    }
    for message, change in changes.items():
        status, told = merge(colors, "part-1.json", edited(second, "again.json", change), "--json=all.json")
        assert status == 2
        assert message in told
    first = colors.path / "part-1.json"
    for name in ("one.json", "two.json"):
        edited(first, name, lambda record: record["run"].pop("shard"))
    status, told = merge(colors, "one.json", "two.json", "--json=all.json")
    assert status == 2
    assert "is in one.json and in two.json" in told
    assert not (colors.path / "all.json").exists()


def test_other_machines_and_packages_are_told(colors) -> None:
    for number in (1, 2):
        shard(colors, number, 2, ENVIRONMENTS)

    def elsewhere(record: dict[str, Any]) -> None:
        record["run"]["machine"]["processor"] = "another one"
        record["run"]["versions"]["onnxruntime"] = "1.0"

    name = edited(colors.path / "part-2.json", "again.json", elsewhere)
    status, told = merge(colors, "part-1.json", name, "--json=all.json")
    assert status == 0, told
    assert "part-1.json (then) and again.json (now) ran on different things: processor " in told
    assert "another one now" in told
    assert "1.0 now" in told


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "", "-1/3", "1/3/5"])
def test_a_malformed_shard_is_a_usage_error(project, labels_test, text: str) -> None:
    project.declare_colors()
    result = project.collect(f"--envrobust-shard={text}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*shard {text!r} (--envrobust-shard): it is a number from 1 on *"])


def test_a_faulty_declaration_fails_in_one_of_them(project, labels_test) -> None:
    project.bring("inputs.npy")
    project.declare("er.Model('gone', sources={'onnx': 'gone.onnx'}, inputs='inputs.npy')")
    results = [shard(project, number, 2) for number in (1, 2)]
    assert sorted(result.ret for result in results) == [pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED]
