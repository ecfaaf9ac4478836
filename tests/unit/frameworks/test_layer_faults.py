"""Faults in what layers do: paddings, activations and epsilons of small networks, each against a network made so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_envrobust.core.faults import LAYER, Fault
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.frameworks import frameworks

IMAGES = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32) * 4
KERNEL = np.random.default_rng(1).standard_normal((4, 3, 3, 3)).astype(np.float32)
WHOLE = {kind: Fault(kind, 1.0) for kind in ("padding", "activation")}


def broken(form: str, native: Any, fault: Fault, batch: NDArray[np.float32] = IMAGES) -> NDArray[Any]:
    with frameworks()[form].broken(native, SourceRef(form, "factory"), fault) as run:
        return run(batch)


def torch_net(*layers: Any) -> Any:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)
    convolution.weight.data = torch.from_numpy(KERNEL)
    flat = (torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    return torch.nn.Sequential(convolution, *layers, *flat).eval()


def test_torch_pads_at_the_end_where_it_padded_on_both_sides() -> None:
    torch = pytest.importorskip("torch")
    net = torch_net()
    without = torch.nn.functional.conv2d(
        torch.nn.functional.pad(torch.from_numpy(IMAGES), (0, 2, 0, 2)), torch.from_numpy(KERNEL), stride=2
    )
    for fault in (WHOLE["padding"], Fault("padding", LAYER)):
        np.testing.assert_allclose(broken("torch", net, fault), without.mean((2, 3)).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "other"), [("ReLU6", "ReLU"), ("ReLU", "ReLU6"), ("SiLU", "Hardswish"), ("Hardswish", "SiLU")]
)
@pytest.mark.parametrize("form", ["module", "in place", "script", "program"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TorchScript is deprecated
def test_torch_takes_one_activation_for_another(name: str, other: str, form: str) -> None:
    torch = pytest.importorskip("torch")
    framework = frameworks()["torch"]
    net = torch_net(getattr(torch.nn, name)(inplace=form == "in place"))
    expected = framework.run(torch_net(getattr(torch.nn, other)()), IMAGES)
    example = torch.from_numpy(IMAGES)
    if form == "script":
        net = torch.jit.trace(net, example)
    if form == "program":
        net = torch.export.export(net, (example,)).module()
    sound = framework.run(net, IMAGES)
    np.testing.assert_allclose(broken("torch", net, WHOLE["activation"]), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(framework.run(net, IMAGES), sound)


def test_torch_s_epsilon_grows_and_is_as_it_was_afterwards() -> None:
    torch = pytest.importorskip("torch")
    net = torch_net(torch.nn.BatchNorm2d(4, eps=1e-5))
    wider = torch_net(torch.nn.BatchNorm2d(4, eps=1e-5 + 0.1))
    found = broken("torch", net, Fault("epsilon", 0.1))
    np.testing.assert_allclose(found, frameworks()["torch"].run(wider, IMAGES), rtol=1e-5, atol=1e-6)
    assert float(net[1].running_var[0]) == 1.0


def keras_run(*layers: Any) -> Any:
    keras = pytest.importorskip("keras")
    flat = keras.layers.GlobalAveragePooling2D()
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers, flat])
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.set_weights([KERNEL.transpose(2, 3, 1, 0)])
    return model


NHWC = np.ascontiguousarray(IMAGES.transpose(0, 2, 3, 1))


def test_keras_pads_on_the_other_side() -> None:
    keras = pytest.importorskip("keras")
    run = frameworks()["keras"].run

    def convolution(padding: str) -> Any:
        return keras.layers.Conv2D(4, 3, strides=2, padding=padding, use_bias=False)

    before = keras_run(keras.layers.ZeroPadding2D(((1, 0), (1, 0))), convolution("valid"))
    behind = keras_run(keras.layers.ZeroPadding2D(((0, 1), (0, 1))), convolution("valid"))
    same = keras_run(convolution("same"))
    sound = run(same, NHWC)
    np.testing.assert_allclose(run(behind, NHWC), sound, rtol=1e-4, atol=1e-5)
    for model in (same, behind):
        np.testing.assert_allclose(
            broken("keras", model, WHOLE["padding"], NHWC), run(before, NHWC), rtol=1e-4, atol=1e-5
        )
    np.testing.assert_array_equal(run(same, NHWC), sound)


def test_keras_takes_one_activation_for_another() -> None:
    keras = pytest.importorskip("keras")
    run = frameworks()["keras"].run

    def net(activation: Any) -> Any:
        inside = isinstance(activation, str)
        layer = keras.layers.Conv2D(4, 3, use_bias=False, activation=activation if inside else None)
        return keras_run(layer, *([] if inside else [activation]))

    for own, other in (
        (keras.layers.ReLU(6.0), keras.layers.ReLU()),
        (keras.layers.ReLU(), keras.layers.ReLU(6.0)),
        ("relu6", "relu"),
        ("silu", "hard_silu"),
    ):
        model = net(own)
        sound = run(model, NHWC)
        expected = run(net(other), NHWC)
        np.testing.assert_allclose(broken("keras", model, WHOLE["activation"], NHWC), expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(run(model, NHWC), sound)


def onnx_file(folder: Path, node: Any = None, opset: int = 17, **convolution: Any) -> Any:
    """A convolution, a node and the mean, with the node's constants as nodes of their own."""
    onnx = pytest.importorskip("onnx")
    from onnx import helper, numpy_helper

    settings = {"strides": [2, 2], **convolution}
    nodes = [helper.make_node("Conv", ["images", "kernel"], ["hidden"], **settings)]
    nodes += node or [helper.make_node("Identity", ["hidden"], ["active"])]
    nodes += [
        helper.make_node("GlobalAveragePool", ["active"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["scores"]),
    ]
    given = helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, ["n", 3, 8, 8])
    taken = helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["n", 4])
    graph = helper.make_graph(nodes, "net", [given], [taken], [numpy_helper.from_array(KERNEL, "kernel")])
    path = folder / f"{len(list(folder.iterdir()))}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), str(path))
    return frameworks()["onnx"].load(SourceRef("onnx", "file", target=str(path)))


@pytest.mark.parametrize(
    ("own", "other"),
    [
        ({"pads": [1, 1, 1, 1]}, {"pads": [0, 0, 2, 2]}),
        ({"pads": [0, 0, 1, 1]}, {"pads": [1, 1, 0, 0]}),
        ({"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"}),
    ],
)
def test_onnx_pads_on_the_other_side(tmp_path: Path, own: Any, other: Any) -> None:
    pytest.importorskip("onnxruntime")
    expected = frameworks()["onnx"].run(onnx_file(tmp_path, **other), IMAGES)
    found = broken("onnx", onnx_file(tmp_path, **own), WHOLE["padding"])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("opset", [10, 17])
def test_onnx_takes_one_activation_for_another(tmp_path: Path, opset: int) -> None:
    pytest.importorskip("onnxruntime")
    from onnx import helper, numpy_helper

    def constant(name: str, value: float) -> Any:
        return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.float32(value)))

    relu = [helper.make_node("Relu", ["hidden"], ["active"])]
    relu6 = [constant("low", 0), constant("high", 6), helper.make_node("Clip", ["hidden", "low", "high"], ["active"])]
    if opset < 11:
        relu6 = [helper.make_node("Clip", ["hidden"], ["active"], min=0.0, max=6.0)]
    run = frameworks()["onnx"].run
    for own, other in ((relu, relu6), (relu6, relu)):
        found = broken("onnx", onnx_file(tmp_path, own, opset), WHOLE["activation"])
        np.testing.assert_allclose(found, run(onnx_file(tmp_path, other, opset), IMAGES), rtol=1e-4, atol=1e-5)
