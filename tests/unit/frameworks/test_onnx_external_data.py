"""External data of ONNX files: only plain files in the model's own folder are read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.frameworks.onnx import Framework

SHAPES = {"x": [1, 4], "y": [1, 2]}


def outside(location: str, name: str = "w") -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[4, 2], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def model(tensor: TensorProto) -> Any:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in SHAPES.items())
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [tensor])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def in_attribute(tensor: TensorProto) -> Any:
    made = model(outside("weights.bin"))
    made.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))
    return made


def in_subgraph(tensor: TensorProto) -> Any:
    made = model(outside("weights.bin"))
    inner = helper.make_graph([], "inner", [], [], [tensor])
    made.graph.node.append(helper.make_node("If", ["x"], ["z"], then_branch=inner, else_branch=inner))
    return made


def in_sparse(tensor: TensorProto) -> Any:
    made = model(outside("weights.bin"))
    made.graph.sparse_initializer.add().values.CopyFrom(tensor)
    return made


def in_sparse_attribute(tensor: TensorProto) -> Any:
    made = model(outside("weights.bin"))
    attribute = made.graph.node.add(op_type="Constant", output=["c"]).attribute.add(name="sparse_value")
    attribute.sparse_tensor.values.CopyFrom(tensor)
    return made


def in_function(tensor: TensorProto) -> Any:
    made = model(outside("weights.bin"))
    node = helper.make_node("Constant", [], ["c"], value=tensor)
    made.functions.append(helper.make_function("own", "F", [], ["c"], [node], [helper.make_opsetid("", 17)]))
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder with its weights, and a secret beside it."""
    np.zeros((4, 2), np.float32).tofile(tmp_path / "secret.bin")
    inside = tmp_path / "model"
    inside.mkdir()
    np.ones((4, 2), np.float32).tofile(inside / "weights.bin")
    return inside


def load(folder: Path, made: Any) -> Any:
    path = folder / "model.onnx"
    path.write_bytes(made.SerializeToString())
    return Framework().load(SourceRef("onnx", "file", target=str(path)))


@pytest.mark.parametrize("make", [model, in_attribute, in_subgraph, in_sparse, in_sparse_attribute, in_function])
def test_a_file_outside_the_models_folder_is_refused(folder: Path, make: Any) -> None:
    with pytest.raises(DeclarationError) as refused:
        load(folder, make(outside("../secret.bin", "weights")))
    assert "tensor 'weights' is at '../secret.bin', outside the model's folder" in str(refused.value)


def test_absolute_paths_are_refused(folder: Path) -> None:
    with pytest.raises(DeclarationError, match="an absolute path"):
        load(folder, model(outside(str(folder.parent / "secret.bin"))))
    with pytest.raises(DeclarationError, match="an absolute path"):
        load(folder, model(outside("C:\\secret.bin")))


@pytest.mark.parametrize("link", ["file", "folder", "hard"])
def test_links_are_refused(folder: Path, link: str) -> None:
    location = "link.bin"
    if link == "file":
        os.symlink(folder.parent / "secret.bin", folder / location)
    elif link == "hard":
        os.link(folder.parent / "secret.bin", folder / location)
    else:
        os.symlink(folder.parent, folder / "up")
        location = "up/secret.bin"
    with pytest.raises(DeclarationError, match="a hard link" if link == "hard" else "a symbolic link"):
        load(folder, model(outside(location)))


def test_what_lies_in_the_folder_is_read_also_where_the_folder_is_a_link(folder: Path) -> None:
    linked = folder.parent / "linked"
    os.symlink(folder, linked)
    for at, location in ((folder, "weights.bin"), (linked, "./weights.bin")):
        found = Framework().inspect(load(at, model(outside(location))))
        assert (found.input.shape, found.classes) == ((1, 4), 2)


def test_what_onnx_checker_refuses_is_a_notice(tmp_path: Path) -> None:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy")
    nodes = [helper.make_node("Relu", ["a"], ["y"]), helper.make_node("Neg", ["x"], ["a"])]
    made = helper.make_model(helper.make_graph(nodes, "g", [x], [y]), opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    path = tmp_path / "unsorted.onnx"
    path.write_bytes(made.SerializeToString())
    with pytest.raises(onnx.checker.ValidationError):
        onnx.checker.check_model(str(path))
    framework = Framework()
    native = framework.load(SourceRef("onnx", "file", target=str(path)))
    (notice,) = framework.inspect(native).notices
    assert notice.startswith("onnx's checker refuses unsorted.onnx: Nodes in a graph must be topologically sorted")
    scores = framework.run(native, np.array([[-1, 2, 0, 1]], np.float32))
    assert scores.tolist() == [[1, 0, 0, 0]]
