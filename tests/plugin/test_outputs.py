"""Models that answer otherwise than with one array of class scores, and outputs and signatures that are chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

ORT = "--envrobust-env=onnx/ort-off/cpu,onnx/ort-all/cpu"
ENV = "onnx/ort-all/cpu"


def answering(project: Any, name: str, outputs: dict[str, tuple[int, list[Any]]], *nodes: Any) -> tuple[str, ...]:
    """Write the colors' network with further nodes behind its scores and these outputs; options that check it."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(project.warehouse / "colors.onnx")
    model.graph.node.extend(nodes)
    model.graph.initializer.append(numpy_helper.from_array(np.array([[1], [-1], [0], [0], [0]], "float32"), "red"))
    del model.graph.output[:]
    for output, (kind, shape) in outputs.items():
        model.graph.output.append(helper.make_tensor_value_info(output, kind, shape))
    onnx.save(model, str(project.path / name))
    project.bring("inputs.npy")
    return f"--envrobust-model={name}", "--envrobust-inputs=inputs.npy", "--envrobust-check=labels", ORT


def node(kind: str, *inputs: str, out: str, **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(kind, list(inputs), [out], **attributes)


def test_labels_inside_the_model(project) -> None:
    options = answering(
        project, "label.onnx", {"label": (7, ["n"])}, node("ArgMax", "scores", out="label", keepdims=0, axis=1)
    )
    result = project.run(*options)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*one label for each input: there are no scores*"])
    assert project.cells()[f"label.onnx::labels[{ENV}]"]["labels"]["distinct_labels"] == 5


def test_one_probability_is_a_decision(project) -> None:
    made = node("MatMul", "scores", "red", out="lead"), node("Sigmoid", "lead", out="is_red")
    options = answering(project, "red.onnx", {"is_red": (1, ["n", 1])}, *made)
    project.run(*options).assert_outcomes(passed=2)
    assert "probability of class 1, decided at 0.5" in str(project.record()["models"][0]["guesses"])
    assert project.cells()[f"red.onnx::labels[{ENV}]"]["labels"]["distinct_labels"] == 2
    project.run(*options, "--envrobust-decision=2").assert_outcomes(passed=2)
    assert project.cells()[f"red.onnx::labels[{ENV}]"]["labels"]["distinct_labels"] == 1
    assert project.record()["models"][0]["sources"]["onnx"]["decision"] == 2


def test_an_output_is_chosen_on_the_command_line_and_in_a_declaration(project) -> None:
    outputs = {"flat": (1, ["n", 3]), "scores": (1, ["n", 5])}
    options = answering(project, "two.onnx", outputs)
    result = project.run(*options)
    result.assert_outcomes(failed=2)
    reason = project.cells()[f"two.onnx::labels[{ENV}]"]["reason"]
    assert "flat float32[?, 3], scores float32[?, 5]" in reason
    assert "--envrobust-output flat, or er.Source(..., output='flat')" in reason
    project.run(*options, "--envrobust-output=scores").assert_outcomes(passed=2)
    cell = project.cells()[f"two.onnx::labels[{ENV}]"]
    assert cell["labels"]["distinct_labels"] == 5
    assert cell["engine_evidence"]["output"] == "scores"
    assert project.record()["models"][0]["sources"]["onnx"]["output"] == "scores"

    project.declare("er.Model('two', sources={'onnx': er.Source('two.onnx', output=1)}, inputs='inputs.npy')")
    project.write("test_it.py", "def test_labels(envrobust):\n    envrobust.assert_labels_agree()\n")
    project.run("--envrobust-env=onnx/ort-off/cpu,onnx/openvino/cpu").assert_outcomes(passed=2)
    cells = project.cells().values()
    assert {cell["labels"]["distinct_labels"] for cell in cells} == {5}


def test_openvino_files_are_sources(project) -> None:
    openvino = pytest.importorskip("openvino")

    options = answering(project, "colors.onnx", {"scores": (1, ["n", 5])})
    model = openvino.Core().read_model(str(project.path / "colors.onnx"))
    openvino.save_model(model, str(project.path / "ir.xml"))
    options = ("--envrobust-model=ir.xml", *options[1:-1], "--envrobust-env=openvino/openvino-f32/cpu")
    project.run(*options).assert_outcomes(passed=1)
    assert project.cells()["ir.xml::labels[openvino/openvino-f32/cpu]"]["labels"]["distinct_labels"] == 5
    (project.path / "ir.bin").unlink()
    project.run(*options).assert_outcomes(failed=1)
    assert "ir.bin, are not beside it" in project.cells()["ir.xml::labels[openvino/openvino-f32/cpu]"]["reason"]


TORCH_FILES = """
import dataclasses
import torch
import nets

torch.save(nets.colors().state_dict(), "weights.pth")
torch.save({"epoch": 3, "state_dict": {"module." + k: v for k, v in nets.colors().state_dict().items()}}, "run.ckpt")
torch.save(nets.colors(), "whole.pt")
torch.jit.trace(nets.colors(), torch.zeros(1, 3, 16, 16)).save("script.pt")
"""
MORE_NETS = """
import dataclasses
import torch
import nets

@dataclasses.dataclass
class Answer:
    loss: object
    logits: object


class Library(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nets.colors()

    def forward(self, head_mask=None, pixel_values=None):
        assert head_mask is None
        return Answer(None, self.net(pixel_values))


def library():
    return Library().eval()


def untrained():
    net = nets.colors()
    with torch.no_grad():
        net.linear.weight.zero_()
    return net
"""
EAGER, SCRIPT = "torch/eager/cpu", "torch/script/cpu"


def test_what_torch_files_hold(project) -> None:
    project.bring("nets.py", "inputs.npy")
    project.write("more.py", MORE_NETS)
    project.pytester.runpython(project.write("make.py", TORCH_FILES))
    common = "--envrobust-inputs=inputs.npy", "--envrobust-check=labels", f"--envrobust-env={EAGER},{SCRIPT}"
    models = ("script.pt", "weights.pth", "whole.pt", "more:library")
    result = project.run(*(f"--envrobust-model={name}" for name in models), *common)
    result.assert_outcomes(passed=4, failed=4)
    cells = project.cells()
    for name in ("script.pt", "more:library"):
        assert cells[f"{name}::labels[{SCRIPT}]"]["labels"]["distinct_labels"] == 5
    assert "--envrobust-model package.module:factory --envrobust-weights weights.pth" in str(cells)
    assert "reading it would run whatever code is in the file" in str(cells)

    for weights in ("weights.pth", "run.ckpt"):
        project.run("--envrobust-model=more:untrained", f"--envrobust-weights={weights}", *common).assert_outcomes(
            passed=2
        )
        assert project.cells()[f"more:untrained::labels[{EAGER}]"]["labels"]["distinct_labels"] == 5
    assert project.record()["models"][0]["sources"]["torch"]["weights"] == "file run.ckpt"
