"""What onnx says against a file that engines run: a notice of the model, and each engine's own result."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

ORT = "onnx/ort-off/cpu"
OPENVINO = "onnx/openvino/cpu"


@pytest.fixture
def declared(project, labels_test):
    """A function that writes a small classifier with its nodes, IR version and opset, and declares it."""

    def declare(*, in_order: bool = True, ir_version: int = 8, opset: int = 17) -> None:
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy")
        nodes = [helper.make_node("Neg", ["x"], ["a"]), helper.make_node("Relu", ["a"], ["y"])]
        graph = helper.make_graph(nodes if in_order else nodes[::-1], "net", [x], [y])
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
        (project.path / "net.onnx").write_bytes(made.SerializeToString())
        rows = np.random.default_rng(0).standard_normal((4, 1, 4)).astype(np.float32)
        np.save(project.path / "rows.npy", rows.reshape(4, 4))
        project.declare("er.Model('net', sources={'onnx': 'net.onnx'}, inputs='rows.npy')")

    return declare


def test_the_checkers_complaint_stands_in_the_record(project, declared) -> None:
    declared(in_order=False)
    project.run(f"--envrobust-env={ORT}").assert_outcomes(passed=1)
    assert "onnx's checker refuses net.onnx: Nodes in a graph must be topologically sorted" in str(project.record())


@pytest.mark.parametrize("newer", [{"ir_version": 99}, {"opset": 99}], ids=["ir_version", "opset"])
def test_a_file_newer_than_onnx_is_each_engines_own_result(project, labels_test, declared, newer) -> None:
    declared(**newer)
    project.run(f"--envrobust-env={ORT},{OPENVINO}", f"--envrobust-reference={OPENVINO}")
    cells = project.cells()
    assert cells[f"{labels_test}[net-{OPENVINO}]"]["status"] == "passed"
    refused = cells[f"{labels_test}[net-{ORT}]"]
    assert refused["status"] == "crashed"
    assert "version" in refused["reason"] or "opset" in refused["reason"]
