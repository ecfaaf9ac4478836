"""Interpreters of their own for conversion steps: where they are given, and what happens where they are not."""

from __future__ import annotations

import sys

import pytest

NAMED = "onnx/litert/cpu"
OPTION = "--envrobust-interpreter"


def test_without_its_interpreter_an_environment_is_skipped_and_says_how_to_make_one(project, labels_test) -> None:
    project.declare_colors()
    result = project.run("--envrobust-env=onnx/lite*/cpu,onnx/ort-all/cpu")
    assert result.ret == pytest.ExitCode.OK
    cells = {cell["environment"]: cell for cell in project.cells().values()}
    skipped = cells[NAMED]
    assert skipped["status"] == "unavailable"
    assert "onnx2tf/bin/pip install 'onnx2tf[tensorflow]" in skipped["reason"]
    assert f"{OPTION} onnx2tf=onnx2tf/bin/python" in skipped["reason"]
    assert cells["onnx/ort-all/cpu"]["status"] == "passed"


def test_one_that_is_named_is_required(project, labels_test) -> None:
    project.declare_colors()
    result = project.run(f"--envrobust-env={NAMED},onnx/ort-all/cpu")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*tflite_from_onnx needs an interpreter of its own, onnx2tf*"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("onnx2tf=nowhere/python", "nowhere/python does not exist"),
        ("onnxtf=python", "did you mean 'onnx2tf'?"),
        ("onnx2tf", "write it as NAME=PYTHON"),
    ],
)
def test_one_that_cannot_be_used_ends_the_run_before_it_begins(project, labels_test, line: str, said: str) -> None:
    project.declare_colors()
    result = project.run(f"{OPTION}={line}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str()
    assert f"({OPTION})" in result.stderr.str()


def test_a_package_that_is_missing_there_is_named(project, labels_test) -> None:
    project.declare_colors()
    result = project.run(f"{OPTION}=onnx2tf={sys.executable}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "onnx2tf is not installed there" in result.stderr.str()


def test_the_ini_files_paths_are_relative_to_it_and_the_option_wins(project, labels_test) -> None:
    project.ini("envrobust_interpreters =", "    onnx2tf = there/python")
    project.declare_colors()
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"{project.path / 'there' / 'python'} does not exist" in result.stderr.str()
    assert "envrobust_interpreters in the ini file" in result.stderr.str()
    overruled = project.run(f"{OPTION}=onnx2tf=here/python")
    assert "here/python does not exist" in overruled.stderr.str()
    assert "there/python" not in overruled.stderr.str()
