"""A converter or an engine that lacks an operator of the model: skipped, unless the environment was named."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

ORT = "onnx/ort-off/cpu"
TVM = ("onnx/tvm-o0/cpu", "onnx/tvm-o1/cpu")
TO_TORCH = "onnx-to-torch/eager/cpu"


@pytest.fixture
def int8(project, labels_test) -> None:
    """A dynamically quantized classifier of 3 by 8 by 8 inputs: TVM's importer and onnx2torch lack its operators."""
    rng = np.random.default_rng(0)
    weights = numpy_helper.from_array(rng.integers(-9, 9, (4, 3, 3, 3), dtype=np.int8), "w")
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
        helper.make_node("ConvInteger", ["q", "w", "zero"], ["c"]),
        helper.make_node("Cast", ["c"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("GlobalAveragePool", ["f"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    shapes = {"x": [1, 3, 8, 8], "y": [1, 4]}
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    graph = helper.make_graph(nodes, "int8", [x], [y], [weights])
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), project.path / "int8.onnx"
    )
    np.save(project.path / "rows.npy", rng.random((4, 3, 8, 8), dtype=np.float32))
    project.declare("er.Model('int8', sources={'onnx': 'int8.onnx'}, inputs='rows.npy')")


def test_it_is_skipped_with_the_operator_named_once(project, labels_test, int8) -> None:
    result = project.run(f"--envrobust-env={ORT},onnx-to-*/eager/cpu,*/tvm-o[01]/cpu")
    result.assert_outcomes(passed=1, skipped=3)
    result.stdout.fnmatch_lines(
        [
            "  skipped 2: *tvm_from_onnx lacks the operator ConvInteger",
            "  skipped 1: *torch_from_onnx lacks the operator DynamicQuantizeLinear",
        ]
    )
    cells = project.cells()
    for environment in (TO_TORCH, *TVM):
        cell = cells[f"{labels_test}[int8-{environment}]"]
        assert (cell["status"], cell["stage"], cell.get("required")) == ("unsupported", "convert", False)


def test_it_fails_where_the_environment_was_named(project, labels_test, int8) -> None:
    result = project.run(f"--envrobust-env={ORT},{TVM[1]}")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["unsupported at stage convert: tvm_from_onnx lacks the operator *ConvInteger*"])


def test_a_reference_that_cannot_run_is_no_skip_of_the_others(project, labels_test, int8) -> None:
    result = project.run(f"--envrobust-env={ORT}", f"--envrobust-reference={TVM[0]}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*the reference {TVM[0]} cannot run: *lacks the operator*"])
