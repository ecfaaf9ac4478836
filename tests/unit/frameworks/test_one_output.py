"""An ONNX model cut down to one of its outputs."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from pytest_envrobust.frameworks.onnx import with_one_output


def test_only_what_leads_to_the_output_is_left_in_whatever_order_it_stands(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["negated"], ["scores"]),
        helper.make_node("Neg", ["x"], ["negated"]),
        helper.make_node("Exp", ["negated"], ["features"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "features", "scores")]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:])
    path = tmp_path / "two.onnx"
    onnx.save(helper.make_model(graph), str(path))
    model = with_one_output(path, "scores")
    assert [node.op_type for node in model.graph.node] == ["Relu", "Neg"]
    assert [value.name for value in model.graph.output] == ["scores"]
