"""Preprocessing as part of the environment: each source's own, or the reference's for all of them."""

from __future__ import annotations

import pytest

TORCH = "--envrobust-env=torch/eager/cpu"
PAIR = """er.Model(
    "pair",
    sources={
        "onnx": er.Source("colors.onnx", er.Preprocess(resize=(16, 16), scale=1 / 255)),
        "torch": er.Source("nets:colors", er.Preprocess(resize=(16, 16), scale=1 / 255, channels="BGR")),
    },
    inputs="images",
)"""


@pytest.fixture
def labels(project, labels_test) -> str:
    """A model whose torch source takes its channels in the other order; node id of its cell there."""
    project.bring("colors.onnx", "nets.py", "images")
    project.declare(PAIR)
    return f"{labels_test}[pair-torch/eager/cpu]"


def test_each_source_has_its_own_unless_it_is_held_fixed(project, labels) -> None:
    project.run(TORCH).assert_outcomes(failed=1)
    native = project.record()
    assert native["run"]["preprocess_from"] == "native"
    preprocess = {name: source["preprocess"] for name, source in native["models"][0]["sources"].items()}
    assert "BGR" in preprocess["torch"]
    assert "RGB" in preprocess["onnx"]
    assert project.cells()[labels]["labels"]["agreement"] < 1

    project.run(TORCH, "--envrobust-preprocess-from=reference").assert_outcomes(passed=1)
    fixed = project.record()
    assert fixed["run"]["preprocess_from"] == "reference"
    preprocess = {name: source["preprocess"] for name, source in fixed["models"][0]["sources"].items()}
    assert preprocess["torch"] == preprocess["onnx"]
    assert "RGB" in preprocess["torch"]


def test_the_ini_file_and_the_option_that_wins_over_it(project, labels) -> None:
    project.ini("envrobust_preprocess_from = reference")
    project.run(TORCH).assert_outcomes(passed=1)
    project.run(TORCH, "--envrobust-preprocess-from=native").assert_outcomes(failed=1)
    project.ini("envrobust_preprocess_from = sometimes")
    result = project.run(TORCH)
    result.stderr.fnmatch_lines(["*'sometimes' (envrobust_preprocess_from in the ini file)*native or reference*"])
