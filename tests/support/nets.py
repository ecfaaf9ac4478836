"""Small classifiers that the tests build: the same function in torch, Keras and ONNX, from seeded numpy weights.

Two convolutions, and beside them a linear path from the mean of the input's channels to the scores, so that a NaN in
the input reaches every score whatever an engine's activation makes of it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 16
CLASSES = 10
NCHW = (3, SIDE, SIDE)
NHWC = (SIDE, SIDE, 3)

Weights = dict[str, NDArray[np.float32]]


def images(count: int, layout: str = "NCHW", seed: int = 3) -> NDArray[np.float32]:
    """Inputs of many colors: the nets give them several distinct labels."""
    random = np.random.RandomState(seed)
    colors = random.uniform(-2.0, 2.0, (count, 3, 1, 1))
    batch = (colors + 0.5 * random.standard_normal((count, *NCHW))).astype(np.float32)
    return np.ascontiguousarray(batch if layout == "NCHW" else batch.transpose(0, 2, 3, 1))


def weights(seed: int = 0) -> Weights:
    """The parameters, in torch's shapes."""
    random = np.random.RandomState(seed)

    def drawn(*shape: int, scale: float) -> NDArray[np.float32]:
        return (scale * random.standard_normal(shape)).astype(np.float32)

    return {
        "first": drawn(8, 3, 3, 3, scale=0.3),
        "first_bias": drawn(8, scale=0.1),
        "second": drawn(16, 8, 3, 3, scale=0.15),
        "second_bias": drawn(16, scale=0.1),
        "last": drawn(CLASSES, 16, scale=0.3),
        "last_bias": drawn(CLASSES, scale=0.1),
        "beside": drawn(CLASSES, 3, scale=1.5),
    }


@cache
def _torch_class() -> Any:
    import torch

    class Net(torch.nn.Module):
        def __init__(self, seed: int) -> None:
            super().__init__()
            self.first = torch.nn.Conv2d(3, 8, 3, stride=2)
            self.second = torch.nn.Conv2d(8, 16, 3)
            self.last = torch.nn.Linear(16, CLASSES)
            self.beside = torch.nn.Linear(3, CLASSES, bias=False)
            drawn = weights(seed)
            for name in ("first", "second", "last", "beside"):
                layer = getattr(self, name)
                layer.weight.data = torch.from_numpy(drawn[name])
                if layer.bias is not None:
                    layer.bias.data = torch.from_numpy(drawn[f"{name}_bias"])

        def forward(self, x: Any) -> Any:
            features = torch.relu(self.second(torch.relu(self.first(x)))).mean((2, 3))
            return self.last(features) + self.beside(x.mean((2, 3)))

    return Net


def torch_net() -> Any:
    return _torch_class()(0).eval()


def torch_other() -> Any:
    """Other weights, other labels."""
    return _torch_class()(1).eval()


def torch_casting() -> Any:
    """A model whose scores are single precision whatever it computes in."""
    import torch

    class Casting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch_net()

        def forward(self, x: Any) -> Any:
            return self.net(x).float()

    return Casting().eval()


def torch_in_place() -> Any:
    """A model that changes its input."""
    import torch

    class InPlace(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch_net()

        def forward(self, x: Any) -> Any:
            return self.net(x.mul_(2.0))

    return InPlace().eval()


def torch_random() -> Any:
    """Weights that differ at every call."""
    import os

    return _torch_class()(int.from_bytes(os.urandom(3), "big")).eval()


def _keras(seed: int) -> Any:
    import keras

    drawn = weights(seed)
    image = keras.Input(NHWC)
    first = keras.layers.Conv2D(8, 3, strides=2, activation="relu", name="first")
    second = keras.layers.Conv2D(16, 3, activation="relu", name="second")
    last = keras.layers.Dense(CLASSES, name="last")
    beside = keras.layers.Dense(CLASSES, use_bias=False, name="beside")
    features = keras.layers.GlobalAveragePooling2D()(second(first(image)))
    scores = keras.layers.Add()([last(features), beside(keras.layers.GlobalAveragePooling2D()(image))])
    for layer in (first, second):
        layer.set_weights([drawn[layer.name].transpose(2, 3, 1, 0), drawn[f"{layer.name}_bias"]])
    last.set_weights([drawn["last"].T, drawn["last_bias"]])
    beside.set_weights([drawn["beside"].T])
    return keras.Model(image, scores)


def keras_net() -> Any:
    return _keras(0)


def keras_other() -> Any:
    """Other weights, other labels."""
    return _keras(1)


def _note_variables() -> None:
    import os

    lines = [f"{name}={value}" for name, value in os.environ.items() if "\n" not in value]
    Path(os.environ["SUPPORT_NOTES"]).write_text("\n".join(lines))


def torch_noting() -> Any:
    """Writes down the process's environment variables."""
    _note_variables()
    return torch_net()


def keras_noting() -> Any:
    """Writes down the process's environment variables."""
    _note_variables()
    return keras_net()


def write_onnx(path: Path, *, seed: int = 0, batch: int | None = None) -> Path:
    """The net as an ``.onnx`` file; a ``batch`` of ``None`` is left open."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    drawn = weights(seed)
    drawn["last"], drawn["beside"] = drawn["last"].T.copy(), drawn["beside"].T.copy()
    size: int | str = "batch" if batch is None else batch
    nodes = [
        helper.make_node("Conv", ["input", "first", "first_bias"], ["c1"], strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "second", "second_bias"], ["c2"]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "last", "last_bias"], ["main"]),
        helper.make_node("GlobalAveragePool", ["input"], ["q"]),
        helper.make_node("Flatten", ["q"], ["g"]),
        helper.make_node("MatMul", ["g", "beside"], ["side"]),
        helper.make_node("Add", ["main", "side"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [size, *NCHW])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [size, CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in drawn.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path
