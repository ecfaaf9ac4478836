"""A limit on a cell's time as a multiple of its own in a saved run: the baseline.

``same`` stays what it is. ``grown`` makes 1 convolution in the saved run and 200 in the next.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

import pytest

CELL, REFERENCE = "onnx/ort-basic/cpu", "onnx/ort-all/cpu"
ENVIRONMENTS = f"--envrobust-env={CELL},{REFERENCE}"
LIMIT = "--envrobust-max-latency-regression=3"
MODELS = ("same", "grown")


def ids(model: str) -> tuple[str, str]:
    """Node ids of a model's cell and of its reference."""
    return f"test_it.py::test_it[{model}-{CELL}]", f"test_it.py::test_it[{model}-{REFERENCE}]"


def declared(name: str) -> str:
    """A model with a file of its own."""
    return f"er.Model('{name}', sources={{'onnx': '{name}.onnx'}}, inputs='inputs.npy', reference='{REFERENCE}')"


@pytest.fixture(scope="module")
def shelf() -> dict[str, str]:
    """Where the saved run is kept for all tests: it was of the same models on this machine."""
    return {}


@pytest.fixture
def saved(project, shelf) -> dict[str, Any]:
    """A project, and the record of a run of its models without a baseline."""
    project.bring("inputs.npy")
    for name in MODELS:
        shutil.copy(project.warehouse / "colors.onnx", project.path / f"{name}.onnx")
    project.declare(*(declared(name) for name in MODELS))
    project.write("test_it.py", "def test_it(envrobust):\n    envrobust.assert_latency()\n")
    if not shelf:
        result = project.run(ENVIRONMENTS, LIMIT, *project.conclusive)
        assert result.ret == pytest.ExitCode.OK
        shelf["run"] = json.dumps(project.record())
    record: dict[str, Any] = json.loads(shelf["run"])
    return record


def test_without_a_baseline_it_is_inconclusive_with_the_remedy(saved) -> None:
    assert {cell["nodeid"]: (cell["status"], cell["reason"]) for cell in saved["cells"]} == {
        f"test_it.py::test_it[{model}-{environment}]": (
            "inconclusive",
            f"{model} in {environment}: inconclusive, no earlier run to compare its time with "
            "(limit 3 from command line)",
        )
        for model in MODELS
        for environment in (CELL, REFERENCE)
    }


def test_a_cell_that_grew_is_told_from_one_that_did_not(project, saved) -> None:
    """The baseline is named in the ini file, relative to it, and pytest started elsewhere."""
    project.write("saved/run.json", json.dumps(saved))
    project.ini("envrobust_baseline = saved/run.json")
    shutil.copy(project.warehouse / "grown.onnx", project.path / "grown.onnx")
    shutil.copy(project.warehouse / "colors.onnx", project.path / "new.onnx")
    project.declare(*(declared(name) for name in (*MODELS, "new")))
    (project.path / "elsewhere").mkdir()
    os.chdir(project.path / "elsewhere")
    result = project.run(ENVIRONMENTS, LIMIT, "..", "--envrobust-json=../run.json")
    cells = project.cells()
    for nodeid in ids("same"):
        assert cells[nodeid]["status"] in ("passed", "inconclusive")
        assert cells[nodeid]["latency"]["limit_name"] == "max_latency_regression"
    for nodeid in ids("new"):
        assert cells[nodeid]["status"] == "inconclusive"
        assert cells[nodeid]["reason"].endswith(
            "inconclusive, run.json has no time of it to compare with (limit 3 from command line)"
        )
    for nodeid, environment in zip(ids("grown"), (CELL, REFERENCE)):
        assert cells[nodeid]["status"] == "failed"
        result.stdout.fnmatch_lines(
            [
                f"E*grown in {environment}: too slow, * times what it took in run.json "
                "(95 % interval * to *, limit 3 from command line)",
                "E * the smallest slowdown that this run could have told from none: *",
                "E * by * time in both runs: nothing tells a slower cell from a slower machine",
            ]
        )


def test_the_ratio_to_the_reference_tells_a_slower_cell_from_a_slower_machine(project, saved) -> None:
    """The saved run had a reference 20 times as fast, and a cell 20 times as fast as that."""
    for latency in (cell["latency"] for cell in saved["cells"]):
        for clock in ("wall", "cpu"):
            times = latency[f"{clock}_ms"]
            times["median"] /= 20
            times["interval"] = [end / 20 for end in times["interval"]]
            if "ratio" in latency:
                latency["ratio"][clock] = [0.049, 0.05, 0.051]
    project.write("edited.json", json.dumps(saved))
    arguments = ("-k", "same", "--envrobust-baseline=edited.json", "--envrobust-strict")
    result = project.run(ENVIRONMENTS, LIMIT, *project.conclusive, *arguments)
    result.stdout.fnmatch_lines(
        [
            f"E*same in {CELL}: too slow, * times what it took in edited.json (95 % interval *, limit 3 from *)",
            "E * the smallest slowdown that this run could have told from none: *",
            "E * as a ratio to the reference's in both runs: what slows the whole machine cancels out",
            "E * the A/A control (the reference against itself) took *, within its margin of * %",
        ]
    )
    result.stdout.fnmatch_lines(
        [
            f"E*same in {REFERENCE}: inconclusive, * times what it took in edited.json *",
            "E * this is the reference, its model and packages are what they were: it is the machine that is slower",
        ]
    )
    verdicts = [project.cells()[nodeid]["latency"]["verdict"] for nodeid in ids("same")]
    assert verdicts == ["failed", "inconclusive"]


def test_a_run_of_another_machine_is_no_baseline(project, saved) -> None:
    run = saved["run"]
    now = run["versions"]["onnxruntime"]
    run["machine"]["processor"] = "an older one"
    run["versions"] |= {"onnxruntime": "1.0", "torch": "1.0"}  # no cell here uses torch
    run["threads"] = 7
    project.write("edited.json", json.dumps(saved))
    arguments = ("--envrobust-baseline=edited.json", "--envrobust-max-latency-regression=100", "--envrobust-strict")
    result = project.run(f"--envrobust-env={CELL}", "-k", "same", *arguments)
    result.assert_outcomes(failed=1, deselected=1)
    assert project.cells()[ids("same")[0]]["latency"]["verdict"] == "inconclusive"
    (told,) = (line for line in result.outlines if "not the same machine as then" in line and line.startswith("E "))
    assert "an older one" in told
    assert f"onnxruntime 1.0 then, {now} now" in told
    assert "7 threads then, 1 now" in told
    assert "torch" not in told
    assert told.endswith("Save a new run to compare with")


@pytest.mark.parametrize("text", [None, "{}", '{"cells": []'])
def test_a_baseline_that_is_no_record_ends_the_run_before_it_begins(project, labels_test, text) -> None:
    project.declare_colors()
    project.ini("envrobust_baseline = saved/gone.json")
    (project.path / "saved").mkdir()
    if text is not None:
        project.write("saved/gone.json", text)
    os.chdir(project.path / "saved")
    for argument in ("--envrobust-baseline=gone.json", "-v"):
        result = project.collect(argument)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*{project.path}/saved/gone.json' is no record of a run*"])
        assert not [line for line in result.outlines if "test_it.py" in line]
