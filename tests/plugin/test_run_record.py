"""The record of a run, its views in the terminal and in JUnit, and the commands that read it."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from pytest_envrobust.core.digests import output_digest

ENVIRONMENTS = "--envrobust-env=onnx/ort-off/cpu,onnx/ort-basic/cpu,onnx/ort-all/cpu,keras/eager/cpu"
COMMAND = "import sys; from pytest_envrobust.cli import main; sys.exit(main())"
TEST = """
    def test_labels(envrobust):
        envrobust.assert_labels_agree()

    def test_latency(envrobust):
        envrobust.assert_latency(max_ms=60000)
"""


def test_fields_predictions_and_views(project) -> None:
    project.declare_colors()
    project.write("test_it.py", TEST)
    result = project.run(ENVIRONMENTS, "--junitxml=junit.xml")
    result.assert_outcomes(passed=6, skipped=2)
    record = project.record()
    assert record["schema_version"] == 3
    run = record["run"]
    assert {"started", "seconds", "machine", "versions", "command", "threads"} <= run.keys()
    assert run["machine"]["cores"] >= 1
    assert {"pytest_envrobust", "pytest", "onnxruntime"} <= run["versions"].keys()
    assert ENVIRONMENTS in run["command"]
    (model,) = record["models"]
    assert (model["name"], model["inputs"]) == ("colors", list("01234567"))
    assert len(model["sources"]["onnx"]["digest"]) == 64

    cells = project.cells()
    labels = cells["test_it.py::test_labels[colors-onnx/ort-all/cpu]"]
    assert labels["status"] == "passed"
    assert "reason" not in labels
    assert "stage" not in labels
    assert (labels["framework"], labels["compiler"], labels["device"]) == ("onnx", "ort-all", "cpu")
    assert labels["reference"] == "onnx/ort-off/cpu"
    assert labels["route"] == ["onnx", "ort-all"]
    assert labels["labels"]["n"] == 8
    assert labels["labels"]["agreement"] == 1.0
    assert 0 < labels["labels"]["bound"] < 1
    assert labels["labels"]["flips"] == {"real": 0, "tie": 0, "undefined": 0}
    assert labels["latency"]["from"] == "predictions"
    assert "ratio" not in labels["latency"]
    assert labels["peak_memory_bytes"] > 1_000_000
    assert labels["engine_evidence"]["graph_optimization_level"] == "ORT_ENABLE_ALL"
    latency = cells["test_it.py::test_latency[colors-onnx/ort-all/cpu]"]["latency"]
    assert latency["wall_ms"]["n"] >= 6
    assert (latency["limit"], latency["limit_from"], latency["verdict"]) == (
        60000,
        "call argument, test_it.py:6",
        "passed",
    )
    reference = cells["test_it.py::test_latency[colors-onnx/ort-off/cpu]"]["latency"]
    assert "ratio" not in reference
    assert reference["from"] == "alone"
    absent = cells["test_it.py::test_labels[colors-keras/eager/cpu]"]
    assert absent["status"] == "no-route"
    assert not {"labels", "latency", "output_digest", "route"} & absent.keys()
    assert "None" not in (project.path / "run.json").read_text(encoding="utf-8")

    with np.load(project.path / "run.npz", allow_pickle=False) as arrays:
        stored = {name: arrays[name] for name in arrays.files}
    assert set(stored) == {cell["output_digest"] for cell in cells.values() if "output_digest" in cell}
    for digest, scores in stored.items():
        assert scores.shape == (8, 5)
        assert output_digest(scores) == digest
    assert not [path.name for path in project.path.glob(".run*")]

    head, blank, *table = _table(result.outlines)
    assert head.startswith(
        "8 inputs: a pass shows an agreement of at least 0.688 for one cell, 0.631 for all 2 at once"
    )
    assert not blank
    assert table[0].startswith("colors: reference onnx/ort-off/cpu, 8 inputs, 3 environments ran, ")
    share, missed, weakest, heading = table[
        table.index(next(line for line in table if "the inputs would see" in line)) :
    ][:4]
    assert re.match(r"  the inputs would see \d+% \(\d+% to \d+%\) of faults, as \d+ seeded ones of \d+ kinds", share)
    assert missed.startswith("  they would miss ")
    assert "mirrored (0 of 8 labels changed)" in missed, "what has one color is the same in a mirror"
    assert weakest.startswith("  they would see no weaker fault than ")
    assert heading.split()[:2] == ["environment", "status"]
    rows = {line.split()[0]: line.split()[1] for line in table if line.startswith("  onnx/")}
    assert rows == {"onnx/ort-off/cpu": "reference", "onnx/ort-basic/cpu": "passed", "onnx/ort-all/cpu": "passed"}
    digests = [cells[f"test_it.py::test_labels[colors-onnx/{name}/cpu]"]["output_digest"] for name in _levels()]
    assert f", {len(set(digests))} distinct output" in table[0]
    identical = [line for line in table if "is bit-identical in" in line]
    assert len(identical) == sum(digests.count(digest) > 1 for digest in set(digests))
    assert any("onnx/ort-basic/cpu" in line and "onnx/ort-off/cpu" in line for line in identical)

    properties = _properties(project.path / "junit.xml", "test_labels[colors-onnx/ort-all/cpu]")
    assert properties["envrobust.model"] == "colors"
    assert properties["envrobust.environment"] == "onnx/ort-all/cpu"
    assert properties["envrobust.status"] == "passed"
    assert properties["envrobust.route"] == "onnx -> ort-all"
    assert float(properties["envrobust.agreement"]) == 1.0
    assert float(properties["envrobust.median_cpu_ms"]) > 0
    assert properties["envrobust.output_digest"] == labels["output_digest"]

    again = project.pytester.run(sys.executable, "-c", COMMAND, "report", "run.json")
    assert again.ret == 0
    assert again.outlines == [head, blank, *table]


def test_a_record_that_cannot_be_written_fails_the_run(project, labels_test) -> None:
    project.declare_colors()
    project.write("a_file", "no directory")
    result = project.run("--envrobust-env=onnx/ort-all/cpu", "--envrobust-json=a_file/run.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*a_file/run.json' cannot be written: *"])
    assert "INTERNALERROR" not in result.stdout.str()


def test_the_report_command_refuses_what_is_no_record(project) -> None:
    project.write("odd.json", '{"cells": []}')
    project.write("later.json", '{"schema_version": 99}')
    for name, message in (
        ("gone.json", "envrobust: 'gone.json' is no record of a run: *"),
        ("odd.json", "envrobust: 'odd.json' is no record of a run: *"),
        ("later.json", "envrobust: record 'later.json' has schema version 99: this release reads 2 and 3"),
    ):
        result = project.pytester.run(sys.executable, "-c", COMMAND, "report", name)
        assert result.ret == 2
        result.stderr.fnmatch_lines([message])


def test_the_doctor_lists_every_environment_without_importing_a_framework(project) -> None:
    check = "; print('loaded:', sorted({'torch', 'tensorflow', 'tvm', 'onnx', 'openvino'} & set(sys.modules)))"
    text = "import sys; from pytest_envrobust.cli import main; status = main()" + check + "; sys.exit(status)"
    result = project.pytester.run(sys.executable, "-c", text, "doctor")
    assert result.ret == 0
    result.stdout.fnmatch_lines_random(["onnx/ort-all/cpu *here", "torch/eager/cpu *", "loaded: [[]]"])


def _levels() -> tuple[str, ...]:
    return "ort-off", "ort-basic", "ort-all"


def _table(lines: list[str]) -> list[str]:
    start = next(index for index, line in enumerate(lines) if line.strip("= ") == "envrobust")
    end = next(index for index, line in enumerate(lines) if line.startswith("record: "))
    return lines[start + 1 : end]


def _properties(path: object, name: str) -> dict[str, str]:
    tree = ElementTree.parse(str(path))
    (case,) = [case for case in tree.iter("testcase") if case.get("name") == name]
    return {item.get("name", ""): item.get("value", "") for item in case.iter("property")}


def test_an_artifact_that_was_only_timed_counts_for_the_next_run(project) -> None:
    project.declare_colors()
    project.write("test_it.py", "def test_latency(envrobust):\n    envrobust.assert_latency()\n")
    result = project.run("--envrobust-env=onnx/openvino/cpu", "--envrobust-cache-dir=own")
    result.assert_outcomes(passed=1)
    (cell,) = project.cells().values()
    assert cell["latency"]["from"] == "pairs"
    (manifest,) = project.pytester.path.glob("own/v1/*/*/manifest.json")
    assert manifest.with_name("proven").exists()
