"""Models of several inputs: they are declared, fed and compared by name."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

COUNT = 6
SCALES = np.array([[1], [-1], [2], [-2], [1], [-1]], dtype=np.float32)
"""The label is the sign of an image's mean times its scale; the means are 1, 1, -1, -1, 1, 1."""
IMAGES = np.repeat(np.array([1, 1, -1, -1, 1, 1], dtype=np.float32), 3 * 4 * 4).reshape(COUNT, 3, 4, 4)
LABELS = [1, 0, 0, 1, 1, 0]
TEST = """
def test_labels(envrobust, envrobust_inputs):
    assert envrobust.predict(envrobust_inputs).argmax(axis=1).tolist() == %s
    envrobust.assert_labels_agree()
"""
MODEL = "er.Model('scaled', sources={'%s': '%s'}, inputs=er.Arrays(%s, truth=%s))"

NET = """
import torch

class Scaled(torch.nn.Module):
    def forward(self, image, scale, offset=0.0):
        product = image.mean(dim=(1, 2, 3), keepdim=False)[:, None] * scale + offset
        return torch.cat([-product, product], dim=1)

def make():
    return Scaled()
"""


def write_onnx(project: Any, *, batch: str | int = "n") -> None:
    import onnx
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean4"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean4", "one"], ["mean"]),
        helper.make_node("Mul", ["mean", "scale"], ["product"]),
        helper.make_node("Neg", ["product"], ["negative"]),
        helper.make_node("Concat", ["negative", "product"], ["scores"], axis=1),
    ]
    inputs = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, 4, 4]),
        helper.make_tensor_value_info("scale", TensorProto.FLOAT, [batch, 1]),
    ]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 2])]
    one = helper.make_tensor("one", TensorProto.INT64, [1], [1])
    graph = helper.make_graph(nodes, "scaled", inputs, outputs, [one])
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), project.path / "scaled.onnx")


def declare(project: Any, framework: str, target: str, arrays: str) -> None:
    np.savez(project.path / "inputs.npz", image=IMAGES, scale=SCALES)
    project.declare(MODEL % (framework, target, arrays, LABELS), more="import numpy")
    project.write("test_it.py", TEST % LABELS)


def assert_right(cells: dict[str, Any], *environments: str) -> None:
    """Every one of them passed: its labels are those that image and scale make together."""
    found = {cell["environment"]: cell for cell in cells.values()}
    assert {environment: found[environment]["status"] for environment in environments} == dict.fromkeys(
        environments, "passed"
    )


@pytest.mark.parametrize("batch", ["n", 2])
def test_an_onnx_file_of_two_inputs(project, batch: str | int) -> None:
    write_onnx(project, batch=batch)
    declare(project, "onnx", "scaled.onnx", "'inputs.npz'")
    environments = ["onnx/ort-off/cpu", "onnx/ort-all/cpu"]
    if find_spec("openvino") is not None:
        environments.append("onnx/openvino-f32/cpu")
    project.run(f"--envrobust-env={','.join(environments)}")
    assert_right(project.cells(), *environments)


def test_names_that_do_not_fit_are_told_with_the_nearest(project) -> None:
    write_onnx(project)
    declare(project, "onnx", "scaled.onnx", "'inputs.npz'")
    np.savez(project.path / "inputs.npz", image=IMAGES, scales=SCALES)
    result = project.run("--envrobust-env=onnx/ort-off/cpu")
    result.assert_outcomes(failed=1)
    assert "its inputs are image, scale, and image, scales are given" in result.stdout.str()
    assert "did you mean 'scale'?" in result.stdout.str()
    np.save(project.path / "images.npy", IMAGES)
    result = project.run(
        "--envrobust-model=scaled.onnx", "--envrobust-inputs=images.npy", "--envrobust-env=onnx/ort-off/cpu"
    )
    assert "it takes 2 inputs (image, scale) and is given one" in result.stdout.str()


def test_on_the_command_line_and_where_models_of_one_input_only_are_taken(project) -> None:
    write_onnx(project)
    np.savez(project.path / "inputs.npz", image=IMAGES, scale=SCALES)
    environments = "onnx/ort-off/cpu,onnx/ort-all/cpu,onnx-to-torch/*/cpu"
    result = project.run(
        "--envrobust-model=scaled.onnx",
        "--envrobust-inputs=inputs.npz",
        "--envrobust-check=labels",
        f"--envrobust-env={environments}",
    )
    assert_right(project.cells(), "onnx/ort-off/cpu", "onnx/ort-all/cpu")
    others = [cell for cell in project.cells().values() if cell["environment"].startswith("onnx-to-torch")]
    assert {cell["status"] for cell in others} <= {"unsupported", "unavailable"}
    if any(cell["status"] == "unsupported" for cell in others):
        result.stdout.fnmatch_lines(["*torch_from_onnx converts models of one input only*"])


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_a_torch_module_of_two_inputs(project) -> None:
    project.write("scaled.py", NET)
    declare(project, "torch", "scaled:make", "dict(numpy.load('inputs.npz'))")
    environments = "torch/eager/cpu", "torch/script/cpu", "torch/ort-all/cpu"
    project.run(f"--envrobust-env={','.join(environments)}")
    assert_right(project.cells(), *environments)
