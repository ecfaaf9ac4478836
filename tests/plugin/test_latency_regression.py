"""A limit on a cell's time as a multiple of its own in a saved run: the baseline.

``same`` stays what it is. ``grown`` makes 1 convolution in the saved run and 200 in the next.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.examples import run_pytest

from pytest_envrobust.record.codec import typed
from pytest_envrobust.record.latency_part import recorded_times
from pytest_envrobust.record.schema import Latency
from pytest_envrobust.timing.evidence import LatencyFigures
from pytest_envrobust.timing.regression import EarlierTime
from pytest_envrobust.verdicts.latency import judge_latency
from pytest_envrobust.verdicts.limits import Limit
from pytest_envrobust.verdicts.verdict import Subject

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


def write_tests(folder: Path, warehouse: Path) -> None:
    """Both models, their inputs, and a test that times them without a limit of its own."""
    shutil.copy(warehouse / "inputs.npy", folder)
    for name in MODELS:
        shutil.copy(warehouse / "colors.onnx", folder / f"{name}.onnx")
    (folder / "test_it.py").write_text("def test_it(envrobust):\n    envrobust.assert_latency()\n")


@pytest.fixture(scope="module")
def saved_text(tmp_path_factory: pytest.TempPathFactory, warehouse: Path, shared_cache: Path) -> str:
    """The record of a run of both models without a baseline, on this machine."""
    folder = tmp_path_factory.mktemp("saved")
    write_tests(folder, warehouse)
    (folder / "pytest.ini").write_text("[pytest]\n")
    models = ", ".join(map(declared, MODELS))
    hook = f"def pytest_envrobust_models(config):\n    return [{models}]\n"
    (folder / "conftest.py").write_text(f"import pytest_envrobust as er\n\n\n{hook}")
    own = ("--envrobust", "--envrobust-json=run.json", f"--envrobust-cache-dir={shared_cache}")
    patient = ("--envrobust-precision=1", "--envrobust-time-budget=6")  # as `project.conclusive`
    finished = run_pytest(folder, *own, *patient, ENVIRONMENTS, LIMIT)
    assert finished.returncode == pytest.ExitCode.OK, finished.stdout + finished.stderr
    return (folder / "run.json").read_text(encoding="utf-8")


@pytest.fixture
def saved(project, saved_text: str) -> dict[str, Any]:
    """That record, for a project of the same models and the same test."""
    write_tests(project.path, project.warehouse)
    project.declare(*map(declared, MODELS))
    record: dict[str, Any] = json.loads(saved_text)
    return record


def figures(cell: dict[str, Any]) -> LatencyFigures:
    """What a record has of a cell's times."""
    return recorded_times(typed(cell["latency"], Latency))


def judged_again(now: dict[str, Any], then: dict[str, Any]) -> str | None:
    """The verdict that follows from what two records have of a cell; ``None`` where one has too little to say.

    An interval without an end is not recorded, though the run judged it.
    """
    is_reference, found, earlier = now["environment"] == REFERENCE, figures(now), figures(then)
    clock = found.clock
    if not is_reference and not all(clock in told for told in (found.ratios, found.controls, earlier.ratios)):
        return None
    before = EarlierTime("run.json", earlier, same_reference=True, is_reference=is_reference)
    limit = Limit("max_latency_regression", 3.0, "command line")
    return judge_latency(found, limit, Subject("same", now["environment"], REFERENCE), earlier=before).status.value


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
    result = project.run(ENVIRONMENTS, LIMIT, *project.conclusive, "..", "--envrobust-json=../run.json")
    cells, before = project.cells(), {cell["nodeid"]: cell for cell in saved["cells"]}
    for nodeid in ids("same"):
        latency = cells[nodeid]["latency"]
        assert (latency["limit_name"], latency["limit"]) == ("max_latency_regression", 3.0)
        assert latency["verdict"] == cells[nodeid]["status"]
        assert judged_again(cells[nodeid], before[nodeid]) in (latency["verdict"], None)
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
