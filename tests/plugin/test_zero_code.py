"""Checking a model from the command line, without any test code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ORT = "--envrobust-env=onnx/ort-all/cpu"
MODEL = ("--envrobust-model=colors.onnx", "--envrobust-inputs=images")


@pytest.fixture
def colors(project):
    """A folder with the model and the images and nothing else."""
    project.bring("colors.onnx", "images", "inputs.npy", "nets.py")
    return project


def test_items_ids_and_the_guess(colors) -> None:
    result = colors.run(*MODEL, ORT, *colors.conclusive, "-v")
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        [
            "colors.onnx::labels[[]onnx/ort-all/cpu] PASSED*",
            "colors.onnx::latency[[]onnx/ort-all/cpu] PASSED*",
            "colors.onnx: reference onnx/ort-off/cpu, 8 inputs, *",
            "  preprocessing imagenet 16×16 NCHW float32, guessed (from its input float32[[]?, 3, 16, 16]); "
            "--envrobust-preprocess says otherwise",
        ]
    )
    cell = colors.cells()["colors.onnx::latency[onnx/ort-all/cpu]"]
    assert len(cell["latency"]["ratio"]["cpu"]) == 3
    assert cell["latency"]["from"] == "pairs"


def test_selection_by_node_id_and_by_k(colors) -> None:
    chosen = "colors.onnx::labels[onnx/ort-all/cpu]"
    result = colors.run(*MODEL, "--envrobust-env=onnx/ort-*/cpu", chosen)
    result.assert_outcomes(passed=1)
    assert list(colors.statuses()) == [chosen]

    result = colors.collect(*MODEL, "--envrobust-env=onnx/ort-*/cpu", "-k", "labels and basic")
    result.stdout.fnmatch_lines(["colors.onnx::labels[[]onnx/ort-basic/cpu]", "*1/8 tests collected (7 deselected)*"])
    result = colors.collect(*MODEL, ORT, "--deselect", chosen)
    result.stdout.fnmatch_lines(["*1/2 tests collected (1 deselected)*"])
    result = colors.collect(*MODEL, ORT, "colors.onnx::labels[onnx/ort-al/cpu]")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        ["not found: colors.onnx::labels[[]onnx/ort-al/cpu] (there are 2 items of colors.onnx)"]
    )


def test_test_files_run_beside_it_only_where_they_are_named(colors) -> None:
    colors.write("test_it.py", "def test_plain(): pass\n")
    assert not [line for line in colors.collect(*MODEL, ORT).outlines if "test_plain" in line]
    result = colors.collect(*MODEL, ORT, "test_it.py")
    result.stdout.fnmatch_lines(["test_it.py::test_plain", "colors.onnx::labels[[]onnx/ort-all/cpu]"])


def test_preprocessing_size_and_limits_from_the_command_line(colors) -> None:
    result = colors.run(
        *MODEL, ORT, "--envrobust-preprocess=inception", "--envrobust-size=16", "--envrobust-min-label-agreement=0.9"
    )
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*guessed*")
    labels = colors.cells()["colors.onnx::labels[onnx/ort-all/cpu]"]["labels"]
    assert (labels["limit"], labels["limit_from"], labels["distinct_labels"]) == (0.9, "command line", 5)


def test_arrays_are_fed_as_they_are(colors) -> None:
    result = colors.run("--envrobust-model=colors.onnx", "--envrobust-inputs=inputs.npy", ORT)
    result.assert_outcomes(passed=2)
    assert colors.cells()["colors.onnx::labels[onnx/ort-all/cpu]"]["labels"]["distinct_labels"] == 5


def test_a_factory_by_import_path(colors) -> None:
    result = colors.run(
        "--envrobust-model=nets:colors", "--envrobust-inputs=inputs.npy", "--envrobust-env=torch/script/cpu"
    )
    result.assert_outcomes(passed=2)
    assert set(colors.statuses()) == {
        "nets:colors::labels[torch/script/cpu]",
        "nets:colors::latency[torch/script/cpu]",
    }


def test_a_missing_and_a_truncated_file_fail_alone(colors, warehouse: Path) -> None:
    os.symlink(warehouse / "truncated.onnx", colors.path / "truncated.onnx")
    result = colors.run(*MODEL, "--envrobust-model=truncated.onnx", "--envrobust-model=gone.onnx", ORT)
    result.assert_outcomes(passed=2, failed=3)
    cells = colors.cells()
    assert "cut short or corrupt" in cells["truncated.onnx::labels[onnx/ort-all/cpu]"]["reason"]
    assert cells["gone.onnx::labels[declaration]"]["reason"].startswith("model 'gone.onnx': there is no such file")
    assert cells["gone.onnx::labels[declaration]"]["model"] == "gone.onnx"
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--envrobust-model=colors.onnx"], "*--envrobust-model needs inputs (add --envrobust-inputs FOLDER)"),
        (["--envrobust-inputs=images"], "*--envrobust-inputs without a model (add --envrobust-model MODEL)"),
        (["--envrobust-truth=folders"], "*--envrobust-truth without a model (add --envrobust-model MODEL)"),
        ([*MODEL, "--envrobust-preprocess=imagnet"], "*--envrobust-preprocess imagnet: *did you mean 'imagenet'?*"),
        ([*MODEL, "--envrobust-size=big"], "*--envrobust-size big: it is a number of pixels, or HEIGHTxWIDTH"),
    ],
)
def test_malformed_options_are_usage_errors(colors, arguments, message) -> None:
    result = colors.collect(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


@pytest.mark.parametrize(
    ("model", "inputs", "message"),
    [
        ("images", "images", "model 'images': this directory is no SavedModel: saved_model.pb is missing"),
        ("nets.py", "images", "model 'nets.py': no framework is known for '.py'; *"),
        ("colors.onnx", "nowhere", "model 'colors.onnx': image folder *: there is no such folder"),
        ("colors.onnx", "nowhere.npy", "model 'colors.onnx': inputs *: there is no such file"),
    ],
)
def test_what_cannot_be_used_is_one_failing_item(colors, model, inputs, message) -> None:
    result = colors.run(f"--envrobust-model={model}", f"--envrobust-inputs={inputs}", ORT)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([message])
