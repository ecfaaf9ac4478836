"""One run's cells partitioned among the jobs of a CI matrix, and their records put together again."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ENVIRONMENTS = "--envrobust-env=onnx/ort-off/cpu,onnx/ort-basic/cpu,onnx/ort-all/cpu,onnx/openvino/cpu,keras/eager/cpu"
COMMAND = "import sys; from pytest_envrobust.cli import main; sys.exit(main())"
TESTS = """
    def test_labels(envrobust):
        envrobust.assert_labels_agree()

    def test_scores(envrobust):
        envrobust.assert_scores_agree(max_abs_error=1e-3)
"""
OF_TIME = {"latency", "peak_memory_bytes"}


@pytest.fixture
def merge(project) -> Callable[..., Any]:
    """Run ``envrobust merge`` in the project."""

    def run(*arguments: str) -> Any:
        return project.pytester.run(sys.executable, "-c", COMMAND, "merge", *arguments, timeout=120)

    return run


def swapped_pair(project) -> None:
    """Two models; of one the torch source flips labels, and its inputs are pictures."""
    project.bring("colors.onnx", "nets.py", "images", "inputs.npy")
    project.declare(
        "er.Model('flips', sources={'onnx': 'colors.onnx', 'torch': 'nets:swapped'}, "
        "inputs=er.ImageFolder('images', er.Preprocess.raw(size=16)))",
        "er.Model('colors', sources={'onnx': 'colors.onnx'}, inputs='inputs.npy')",
    )
    project.write("test_it.py", TESTS)


def keep(project, name: str) -> dict[str, Any]:
    """Move the last record and its predictions to another name, and read it."""
    for suffix in (".json", ".npz"):
        if (source := project.path / f"run{suffix}").exists():
            os.replace(source, project.path / f"{name}{suffix}")
    return json.loads((project.path / f"{name}.json").read_text(encoding="utf-8"))


def nodeids(record: dict[str, Any]) -> list[str]:
    return [cell["nodeid"] for cell in record["cells"]]


def cells_of(record: dict[str, Any]) -> set[tuple[str, str]]:
    return {(cell["model"], cell["environment"]) for cell in record["cells"]}


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    """The record without what no two runs have in common: times, memory, and what is said of the run."""
    cells = [{name: value for name, value in cell.items() if name not in OF_TIME} for cell in record["cells"]]
    models = json.loads(json.dumps(record["models"]))
    for model in models:
        for entry in model.get("analysis", {}).get("sensitivity", ()):
            entry.pop("time", None)
    return {"schema_version": record["schema_version"], "models": models, "cells": cells}


def arrays(path: Path) -> Iterator[tuple[str, bytes]]:
    with np.load(path, allow_pickle=False) as found:
        yield from ((name, found[name].tobytes()) for name in sorted(found.files))


def test_shards_cover_each_cell_once_and_their_merged_record_is_that_of_one_run(project, merge) -> None:
    swapped_pair(project)
    environments = f"{ENVIRONMENTS},torch/eager/cpu"
    project.run(environments)
    whole = keep(project, "whole")
    assert {"passed", "failed", "no-route"} <= {cell["status"] for cell in whole["cells"]}
    shards = []
    for number in (1, 2, 3):
        result = project.run(environments, f"--envrobust-shard={number}/3", f"--envrobust-markdown={number}.md")
        said = f"hard {number}/3: 4 of 12 cells; the other 8 are in the other shards"
        result.stdout.fnmatch_lines([f"envrobust: s{said}", f"S{said}.", "*16 deselected*"])
        assert f"S{said}" in (project.path / f"{number}.md").read_text(encoding="utf-8")
        shards.append(keep(project, f"shard-{number}"))
        told = shards[-1]["run"]["shard"]
        assert (told["numbers"], told["of"], len(told["whole"])) == ([number], 3, 12)
        assert len(cells_of(shards[-1])) == 4
    for one, other in itertools.combinations(shards, 2):
        assert not cells_of(one) & cells_of(other)
    assert sorted(itertools.chain(*map(nodeids, shards))) == sorted(nodeids(whole))

    result = merge("shard-3.json", "shard-1.json", "shard-2.json", "--json=all.json", "--html=all.html")
    assert result.ret == 1  # cells failed
    result.stdout.fnmatch_lines(["report: all.html", "record: all.json", "failed: flips in torch/eager/cpu: *"])
    together = json.loads((project.path / "all.json").read_text(encoding="utf-8"))
    assert without_times(together) == without_times(whole)
    assert together["run"].keys() - whole["run"].keys() == {"parts"}
    assert together["run"]["machine"] == whole["run"]["machine"]
    assert together["run"]["versions"] == whole["run"]["versions"]
    assert [part["shard"]["numbers"] for part in together["run"]["parts"]] == [[3], [1], [2]]
    assert list(arrays(project.path / "all.npz")) == list(arrays(project.path / "whole.npz"))
    assert "data:image/jpeg" in (project.path / "all.html").read_text(encoding="utf-8")


def test_missing_shards_are_told_and_fail_unless_that_is_meant(project, labels_test, merge) -> None:
    project.declare_colors()
    for number in (1, 3):
        project.run(ENVIRONMENTS, f"--envrobust-shard={number}/3")
        keep(project, f"shard-{number}")
    result = merge("shard-1.json", "shard-3.json", "--json=some.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "Shards 1 and 3 of 3: 3 of 5 cells; the other 2 are in shard 2.",
            "envrobust: shard 2 of 3 missing (--partial lets that pass)",
        ]
    )
    assert merge("shard-1.json", "shard-3.json", "--partial").ret == 0
    project.run(ENVIRONMENTS, "--envrobust-shard=2/3")
    assert merge("run.json", "some.json", "--json=all.json").ret == 0
    assert "shard" not in json.loads((project.path / "all.json").read_text(encoding="utf-8"))["run"]


def test_under_xdist_the_shards_are_the_same(project, labels_test, merge) -> None:
    pytest.importorskip("xdist")
    project.declare_colors()
    for number in (1, 2):
        alone = project.run(ENVIRONMENTS, f"--envrobust-shard={number}/2")
        one = keep(project, "alone")
        result = project.run(ENVIRONMENTS, f"--envrobust-shard={number}/2", "-n", "2", plugins=("xdist",))
        assert result.ret == alone.ret == pytest.ExitCode.OK
        result.stdout.fnmatch_lines([f"Shard {number}/2: * of 5 cells; *"])
        several = keep(project, f"shard-{number}")
        assert sorted(nodeids(several)) == sorted(nodeids(one))
        assert several["run"]["shard"] == one["run"]["shard"]
    assert merge("shard-1.json", "shard-2.json").ret == 0


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_shard_without_a_cell_is_no_failure(project, labels_test, arguments) -> None:
    if arguments:
        pytest.importorskip("xdist")
    project.declare_colors()
    own = ("--envrobust-env=onnx/ort-off/cpu,onnx/ort-all/cpu", "--envrobust-shard=3/3", *arguments)
    result = project.run(*own, plugins=("xdist",) if arguments else ())
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        ["Shard 3/3: none of 2 cells; all are in the other shards.", "envrobust: nothing was compared in this shard; *"]
    )
    assert project.record()["cells"] == []


def test_with_the_ini_key_too(project, labels_test) -> None:
    project.ini("envrobust = true", "envrobust_environments = onnx/ort-all/cpu")
    project.declare_colors()
    assert project.pytest("--envrobust-shard=2/2").ret == pytest.ExitCode.OK


def test_only_the_reference_is_no_failure_in_a_shard_but_in_all_together(project, labels_test, merge) -> None:
    project.declare_colors()
    environments = "--envrobust-env=onnx/ort-off/cpu,keras/eager/cpu"
    for number in (1, 2):
        result = project.run(environments, f"--envrobust-shard={number}/2")
        assert result.ret == pytest.ExitCode.OK
        result.stdout.fnmatch_lines(["envrobust: nothing was compared in this shard; *"])
        keep(project, f"shard-{number}")
    result = merge("shard-1.json", "shard-2.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["envrobust: nothing was compared: *"])


@pytest.mark.parametrize("shard", ["1/1", "2/2"])
def test_a_whole_without_a_comparison_fails_where_that_is_known(project, shard) -> None:
    """The only shard is the whole; and where there is no cell at all, no other shard has one."""
    project.declare_colors()
    project.write("test_it.py", "def test_plain(): pass\n")
    result = project.run(f"--envrobust-shard={shard}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["envrobust: nothing was compared: *"])


def test_what_is_no_cell_runs_in_the_first_shard_only(project, merge) -> None:
    project.bring("colors.onnx", "inputs.npy")
    project.declare(
        "er.Model('colors', sources={'onnx': 'colors.onnx'}, inputs='inputs.npy')",
        "er.Model('gone', sources={'onnx': 'gone.onnx'}, inputs='inputs.npy')",
    )
    project.write(
        "test_it.py", "def test_plain(): pass\n\ndef test_it(envrobust):\n    envrobust.assert_labels_agree()\n"
    )
    environments = "--envrobust-env=onnx/ort-basic/cpu,onnx/ort-all/cpu"
    project.run(environments, "--envrobust-shard=1/2").assert_outcomes(passed=2, failed=1, deselected=1)
    assert "test_it.py::test_it[gone-declaration]" in nodeids(keep(project, "one"))
    project.run(environments, "--envrobust-shard=2/2").assert_outcomes(passed=1, deselected=3)
    assert merge("one.json", "run.json").ret == 1


def test_a_selection_comes_before_the_split(project, labels_test) -> None:
    """The cells that -k leaves are the whole."""
    project.declare_colors()
    result = project.run(ENVIRONMENTS, "-k", "ort", "--envrobust-shard=1/3")
    result.stdout.fnmatch_lines(["Shard 1/3: 1 of 3 cells; the other 2 are in the other shards."])


def test_models_of_the_command_line_are_split_and_a_rerun_line_names_the_item_alone(project) -> None:
    project.bring("colors.onnx", "inputs.npy")
    own = ("--envrobust-model=colors.onnx", "--envrobust-inputs=inputs.npy", "--envrobust-max-latency-ms=0.000001")
    result = project.run(*own, "--envrobust-env=onnx/ort-off/cpu,onnx/ort-all/cpu", "--envrobust-shard=2/2")
    result.assert_outcomes(passed=1, failed=1, deselected=2)
    (line,) = {
        line.strip() for line in result.outlines if "colors.onnx::latency[" in line and "pytest --envrobust" in line
    }  # twice where pytest cuts no line off, as in CI
    assert "--envrobust-max-latency-ms" in line
    assert "shard" not in line


def test_a_shard_is_judged_again_against_the_reference_that_ran_in_it(project, labels_test) -> None:
    """The reference is no cell of this shard, and its predictions are kept all the same."""
    project.declare_pair("swapped")
    project.run("--envrobust-env=onnx/ort-off/cpu,torch/eager/cpu", "--envrobust-shard=1/2")
    record = project.record()
    (cell,) = record["cells"]
    assert cell["environment"] == "torch/eager/cpu"
    with np.load(project.path / "run.npz", allow_pickle=False) as kept:
        assert cell["reference_digest"] in kept.files
    cell["labels"] |= {"agreement": 1.0, "flips": {"real": 0, "tie": 0, "undefined": 0}, "flipped": []}
    project.write("run.json", json.dumps(record))
    result = project.pytester.run(
        sys.executable, "-c", COMMAND, "report", "run.json", "--min-label-agreement=0.9", "--json=again.json"
    )
    assert result.ret == 1  # told by the arrays, not by the counts
    result.stdout.fnmatch_lines(["failed: pair in torch/eager/cpu: 4 of 8 top-1 labels differ *"])


def test_runs_of_other_environments_are_merged_too(project, labels_test, merge) -> None:
    project.declare_colors()
    project.run("--envrobust-env=onnx/ort-*/cpu", "--envrobust-reference=onnx/ort-off/cpu")
    keep(project, "ort")
    project.run("--envrobust-env=onnx/openvino/cpu")
    result = merge("ort.json", "run.json", "--json=all.json")
    assert result.ret == 0
    (model,) = json.loads((project.path / "all.json").read_text(encoding="utf-8"))["models"]
    assert len(model["analysis"]["environments"]) == 5
    result = merge("ort.json", "run.json", "ort.json")
    assert result.ret == 2
    result.stderr.fnmatch_lines(["envrobust: test_it.py::test_labels* is in both 'ort.json' and 'ort.json'*"])


@pytest.mark.parametrize("shard", ["0/3", "4/3", "a/b", "1/0", "3", "1/2/3", "-1/2", ""])
def test_what_is_no_shard_is_one_message(project, labels_test, shard) -> None:
    project.declare_colors()
    result = project.run(f"--envrobust-shard={shard}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --envrobust-shard {shard}: it is K/N, the K-th of N shards; *"])
