"""A class whose scores are off while every label agrees: told by default, a failure for those who ask."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

SWAPPED = "onnx:odd/ort-all/cpu"
SAID = "classes 8 (eight) and 9 (nine) look swapped"


def write_classifier(path: Path, order: list[int]) -> None:
    """Ten classes of the mean color, the last two of which no input is near; rows of the last layer in that order."""
    random = np.random.default_rng(3)
    weights, bias = random.standard_normal((10, 3)), random.standard_normal(10) - 9 * (np.arange(10) > 7)
    tensors = {"weights": weights[order].astype(np.float32), "bias": bias[order].astype(np.float32)}
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["scores"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 4, 4])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))


@pytest.fixture
def swapped(project):
    """A model beside one whose last two classes are swapped."""
    write_classifier(project.path / "plain.onnx", list(range(10)))
    write_classifier(project.path / "odd.onnx", [*range(8), 9, 8])
    colors = np.random.default_rng(4).uniform(-2, 2, (24, 3, 1, 1)).astype(np.float32)
    np.save(project.path / "inputs.npy", np.broadcast_to(colors, (24, 3, 4, 4)).copy())
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    sources = "{'onnx': 'plain.onnx', 'onnx:odd': 'odd.onnx'}"
    project.declare(f"er.Model('net', sources={sources}, inputs='inputs.npy', labels={names})")
    return project


def reported(project, *limits: str) -> int:
    """The exit code of ``envrobust report`` with other limits."""
    return int(project.pytester.run(sys.executable, "-m", "pytest_envrobust.cli", "report", "run.json", *limits).ret)


def test_two_swapped_classes_are_told_and_fail_nothing(swapped) -> None:
    swapped.write("test_it.py", "def test_labels(envrobust):\n    envrobust.assert_labels_agree()\n")
    result = swapped.run(f"--envrobust-env=onnx/ort-*/cpu,{SWAPPED}", "--envrobust-markdown=run.md")
    assert set(swapped.statuses().values()) == {"passed"}
    [notice] = swapped.record()["models"][0]["analysis"]["notices"]
    assert notice.startswith(f"{SWAPPED}: {SAID}: ")
    for told in (result.stdout.str(), (swapped.path / "run.md").read_text(encoding="utf-8")):
        assert f"{SWAPPED}: {SAID}: " in told
    assert reported(swapped) == 0
    assert reported(swapped, "--max-classes-off=2") == 0
    assert reported(swapped, "--max-classes-off=1") == 1


def test_who_asks_for_the_check_has_it_fail(swapped) -> None:
    swapped.write(
        "test_it.py",
        """
        import pytest

        def test_none(envrobust):
            envrobust.assert_calibrated()

        @pytest.mark.envrobust(max_classes_off=2)
        def test_two(envrobust):
            envrobust.assert_calibrated()
        """,
    )
    result = swapped.run(f"--envrobust-env=onnx/ort-all/cpu,onnx/ort-off/cpu,{SWAPPED}")
    failed = {nodeid for nodeid, status in swapped.statuses().items() if status == "failed"}
    assert failed == {f"test_it.py::test_none[net-{SWAPPED}]"}
    result.stdout.fnmatch_lines([f"*net in {SWAPPED}: 2 of 10 classes off from onnx/ort-off/cpu: {SAID}: *"])
    cell = swapped.cells()[f"test_it.py::test_none[net-{SWAPPED}]"]
    assert cell["checks"]["calibration"]["figures"]["classes"] == "2 of 10 off"
    assert cell["checks"]["calibration"]["limit_name"] == "max_classes_off"


def test_a_limit_on_the_command_line_asks_for_it_without_test_code(swapped) -> None:
    (swapped.path / "conftest.py").unlink()
    model = ("--envrobust-model=plain.onnx", "--envrobust-variant=odd=odd.onnx", "--envrobust-inputs=inputs.npy")
    swapped.run(*model, f"--envrobust-env=onnx/ort-all/cpu,{SWAPPED}", "--envrobust-max-classes-off=0")
    told = {nodeid.partition("::")[2]: status for nodeid, status in swapped.statuses().items()}
    assert told[f"calibration[{SWAPPED}]"] == "failed"
    assert told[f"labels[{SWAPPED}]"] == "passed"
    assert told["calibration[onnx/ort-all/cpu]"] == "passed"
