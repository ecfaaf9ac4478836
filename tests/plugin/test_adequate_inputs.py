"""Whether a model's inputs can tell: said under each model, in the record, and decisive under --envrobust-strict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

ORT_ALL = "--envrobust-env=onnx/ort-all/cpu"
TORCH = "--envrobust-env=torch/eager/cpu"
GRAY = np.repeat(np.linspace(0.45, 0.55, 8)[:, None], 3, axis=1)
COLORFUL = np.random.default_rng(3).uniform(0, 1, (40, 3))
"""Some of these lie near the border of two classes, so that a biased class is seen too."""


@pytest.fixture
def show(project):
    """Replace the project's inputs by images of one color each, (N, 3) in 0 to 1."""

    def replace(colors: NDArray[np.float64]) -> None:
        planes = np.broadcast_to(colors[:, :, None, None], (len(colors), 3, 16, 16))
        np.save(project.path / "colors.npy", np.ascontiguousarray(planes, dtype=np.float32))
        conftest = (project.path / "conftest.py").read_text(encoding="utf-8")
        project.write("conftest.py", conftest.replace("inputs.npy", "colors.npy"))

    return replace


def test_a_pass_on_inputs_of_one_label_says_so_and_is_none_under_strict(project, labels_test: str, show) -> None:
    project.declare_colors()
    show(GRAY)
    result = project.run(ORT_ALL)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "  the inputs are inadequate: the reference gives them all one label, so a broken model can agree too",
            "  the inputs would see *% (*% to *%) of faults, as * seeded ones of * kinds predict",
            "  they would miss colors mixed by a third (0 of 8 labels changed), scale *",
        ]
    )
    (model,) = project.record()["models"]
    (adequacy,) = model["adequacy"].values()
    assert (adequacy["n"], adequacy["distinct_labels"]) == (8, 1)
    changed = {(fault["fault"], fault["strength"]): fault["changed"] for fault in adequacy["faults"]}
    assert changed["stuck", 1.0] == changed["order", 1.0] == 0
    assert ("colors", 1.0) not in changed, "gray stays gray"
    assert changed["classes", 1.0] == 8
    assert ("coarse-weights", 4.0) in changed, "of the source, which an ONNX file is"

    result = project.run(ORT_ALL, "--envrobust-strict")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*colors in onnx/ort-all/cpu: *inconclusive: inputs that cannot tell*"])
    (cell,) = project.record()["cells"]
    assert cell["labels"]["verdict"] == "inconclusive"


def test_inputs_that_see_most_faults_pass_under_strict(project, labels_test: str, show) -> None:
    project.declare_colors()
    show(COLORFUL)
    result = project.run(ORT_ALL, "--envrobust-strict")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "  the inputs would see *% (*% to *%) of faults, as * seeded ones of 10 kinds predict",
            "  they would see no weaker fault than scale off by 40 % *",
        ]
    )
    result.stdout.no_fnmatch_line("*inadequate*")

    def kept() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in Path(project.cache).rglob("effects.json")}

    told, before = project.record()["models"][0]["adequacy"], kept()
    project.run(ORT_ALL).assert_outcomes(passed=1)
    assert project.record()["models"][0]["adequacy"] == told
    assert before
    assert kept() == before, "nothing was seeded again"


def test_a_failure_on_inadequate_inputs_is_a_failure(project, labels_test: str, show) -> None:
    project.declare_pair("swapped")
    show(np.array([[1.0, 0.0, 0.0]] * 8))
    project.run(TORCH, "--envrobust-strict").assert_outcomes(failed=1)
    (cell,) = project.record()["cells"]
    assert (cell["labels"]["verdict"], cell["labels"]["agreement"]) == ("failed", 0.0)
