"""Predictions recorded elsewhere as sources: compared as any other, never timed."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pytest
from support.published import EXTRACT

KEYS = {"keras": "keras", "torch": "torch", "tensorflow": "tf"}
BOTH = """
    def test_labels(envrobust):
        envrobust.assert_labels_agree(min_agreement=0.4)

    def test_latency(envrobust):
        envrobust.assert_latency()
"""


def published_sources(prefix: str = "", *, of: Collection[str] = tuple(KEYS), **more: int) -> str:
    """The extract of the published predictions as a model's sources; ``more`` goes to tensorflow's."""
    told = {"tensorflow": "".join(f", {name}={value}" for name, value in more.items())}
    sources = (
        f"'{name}': er.RecordedPredictions({str(EXTRACT)!r}, prefix='{prefix}MobileNetV2/{KEYS[name]}/'"
        f"{told.get(name, '')})"
        for name in of
    )
    return f"{{{', '.join(sources)}}}"


def record_labels(project, name: str, labels: list[int], names: list[str]) -> None:
    np.savez(project.path / name, labels=np.array(labels), inputs=np.array(names))


def test_labels_recorded_elsewhere_beside_a_model_that_runs(project) -> None:
    project.bring("colors.onnx", "images")
    names = sorted(path.name for path in (project.warehouse / "images").iterdir())
    record_labels(project, "table.npz", [0, 1, 2, 3, 4, 0, 1, 0][::-1], names[::-1])
    source = "er.RecordedPredictions('table.npz')"
    inputs = "er.ImageFolder('images', er.Preprocess(resize=(16, 16), scale=1 / 255), truth='-([0-9])')"
    project.declare(f"er.Model('colors', sources={{'onnx': 'colors.onnx', 'keras': {source}}}, inputs={inputs})")
    project.write("test_it.py", BOTH)
    result = project.run("--envrobust-env=onnx/ort-all/cpu,*/recorded/*")
    result.assert_outcomes(passed=3, skipped=1)
    result.stdout.fnmatch_lines(["*keras/recorded/elsewhere cannot run: its predictions were recorded elsewhere*"])
    cell = project.cells()["test_it.py::test_labels[colors-keras/recorded/elsewhere]"]
    assert cell["labels"]["agreement"] == 7 / 8
    assert [flip["input"] for flip in cell["labels"]["flipped"]] == ["7-2.png"]
    assert "latency" not in cell
    assert cell["route"] == ["keras", "recorded"]
    (row,) = [line for line in result.outlines if line.startswith("  keras/recorded/elsewhere ")]
    assert row.split()[1] == "passed"
    (model,) = project.record()["models"]
    assert model["truth"] == [0, 1, 2, 3, 4, 0, 1, 2]
    accuracy = {each["environment"]: each["top1"] for each in model["analysis"]["accuracy"]}
    assert accuracy["keras/recorded/elsewhere"] == 7 / 8


def test_a_recorded_reference_is_compared_and_no_ratio_is_taken(project) -> None:
    project.bring("colors.onnx", "images")
    names = sorted(path.name for path in (project.warehouse / "images").iterdir())
    record_labels(project, "table.npz", [0, 1, 2, 3, 4, 0, 1, 2], names)
    source = "er.RecordedPredictions('table.npz', classes=5)"
    inputs = "er.ImageFolder('images', er.Preprocess(resize=(16, 16), scale=1 / 255))"
    project.declare(f"er.Model('colors', sources={{'torch': {source}, 'onnx': 'colors.onnx'}}, inputs={inputs})")
    project.write("test_it.py", BOTH)
    project.run("--envrobust-env=onnx/ort-all/cpu").assert_outcomes(passed=2)
    cells = project.cells()
    assert cells["test_it.py::test_labels[colors-onnx/ort-all/cpu]"]["reference"] == "torch/recorded/elsewhere"
    assert "ratio" not in cells["test_it.py::test_latency[colors-onnx/ort-all/cpu]"]["latency"]


def test_an_environment_that_nobody_recorded_is_no_route(project, labels_test) -> None:
    project.declare_colors()
    project.run("--envrobust-env=onnx/ort-all/cpu,keras/recorded/elsewhere").assert_outcomes(passed=1, skipped=1)
    assert project.statuses()[f"{labels_test}[colors-keras/recorded/elsewhere]"] == "no-route"


def test_the_published_predictions_give_the_published_differences(project) -> None:
    project.declare(f"er.Model('published', sources={published_sources(label_offset=1)})")
    project.write("test_it.py", "def test_labels(envrobust):\n    envrobust.assert_labels_agree(min_agreement=0.3)\n")
    result = project.run()
    result.assert_outcomes(passed=3)
    (model,) = project.record()["models"]
    analysis = model["analysis"]
    names = [environment.partition("/")[0] for environment in analysis["environments"]]
    matrix = analysis["matrices"]["label_dissimilarity"]
    differing = {
        frozenset((names[row], names[column])): round(matrix[row][column] * 5500)
        for row in range(3)
        for column in range(row)
    }
    assert differing == {
        frozenset(("keras", "tensorflow")): 2694,
        frozenset(("torch", "tensorflow")): 3151,
        frozenset(("keras", "torch")): 2448,
    }
    (framework,) = [each for each in analysis["sensitivity"] if each["factor"] == "framework" and "part" not in each]
    assert framework["pairs"] == 3
    assert framework["labels"]["largest"] == pytest.approx(3151 / 5500)


def test_published_scores_that_went_through_softmax_twice_are_told(project) -> None:
    project.declare(f"er.Model('published', sources={published_sources('first/', label_offset=1, classes=1000)})")
    project.write("test_it.py", "def test_labels(envrobust):\n    envrobust.assert_labels_agree(min_agreement=0.3)\n")
    project.run().assert_outcomes(passed=3)
    (model,) = project.record()["models"]
    (notice,) = model["analysis"]["notices"]
    assert "softmax" in notice
    assert "keras/recorded/elsewhere, tensorflow/recorded/elsewhere" in notice


def test_labels_that_are_shifted_by_one_are_told(project, labels_test) -> None:
    sources = published_sources(of=("keras", "tensorflow"))
    project.declare(f"er.Model('published', sources={sources})")
    result = project.run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*agreement 0.01; shifted by one 0.51*"])
