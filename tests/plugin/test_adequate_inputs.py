"""Whether a model's inputs can tell: said under each model, in the record, and decisive under --envrobust-strict."""

from __future__ import annotations

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
            "  the inputs would see 2 of 5 seeded faults, not *constant (0 of 8 labels changed), reversed (0 *)",
        ]
    )
    (model,) = project.record()["models"]
    (adequacy,) = model["adequacy"].values()
    assert (adequacy["n"], adequacy["distinct_labels"]) == (8, 1)
    changed = {fault["fault"]: fault["changed"] for fault in adequacy["faults"]}
    assert changed["constant"] == changed["reversed"] == 0
    assert "bgr" not in changed, "gray stays gray"
    assert changed["shifted-labels"] == 8

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
    result.stdout.fnmatch_lines(["  the inputs would see 7 of 7 seeded faults"])
    result.stdout.no_fnmatch_line("*inadequate*")


def test_a_failure_on_inadequate_inputs_is_a_failure(project, labels_test: str, show) -> None:
    project.declare_pair("swapped")
    show(np.array([[1.0, 0.0, 0.0]] * 8))
    project.run(TORCH, "--envrobust-strict").assert_outcomes(failed=1)
    (cell,) = project.record()["cells"]
    assert (cell["labels"]["verdict"], cell["labels"]["agreement"]) == ("failed", 0.0)
