"""Small networks in ONNX, described by plain values: the repr of one is all that it takes to build it again."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

OPSET = 17
"""The first operator set with every operator used here that all engines read."""

ACTIVATIONS = ("Relu", "Relu6", "LeakyRelu", "Sigmoid", "Tanh", "HardSwish", "Elu")


@dataclass(frozen=True)
class Conv:
    """A convolution, ``channels`` out. ``groups`` is how many; as many as channels go in is depthwise."""

    channels: int
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    depthwise: bool = False
    bias: bool = True


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalization with running statistics."""


@dataclass(frozen=True)
class Activation:
    """One of `ACTIVATIONS`."""

    kind: str = "Relu"


@dataclass(frozen=True)
class Pool:
    """A maximum or an average over windows; ``padded`` zeros count in the average where ``counts_padding`` says so."""

    kind: str = "MaxPool"
    kernel: int = 2
    stride: int = 2
    padded: bool = False
    counts_padding: bool = False
    rounds_up: bool = False


@dataclass(frozen=True)
class Residual:
    """What goes in, added to what a convolution of it makes."""

    kernel: int = 3
    activation: str = "Relu"


Layer = Conv | BatchNorm | Activation | Pool | Residual


@dataclass(frozen=True)
class Network:
    """A convolutional classifier, float32: ``layers``, then the mean over height and width, and a linear layer.

    The input is of shape (batch, channels, side, side) with an open batch, the output (batch, classes). Weights are
    drawn from ``seed``. With ``softmax`` the output is probabilities. `build` raises `ValueError`
    for an activation that is none.
    """

    layers: tuple[Layer, ...] = ()
    channels: int = 3
    side: int = 8
    classes: int = 4
    seed: int = 0
    softmax: bool = False
    mean: str = "GlobalAveragePool"

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return (self.channels, self.side, self.side)

    def build(self) -> bytes:
        """The network as an ONNX file's content, checked, with the shapes of all that lies between."""
        import onnx

        model = _Builder(self).model()
        onnx.checker.check_model(model, full_check=True)
        content: bytes = onnx.shape_inference.infer_shapes(model, strict_mode=True).SerializeToString()
        return content

    def save(self, path: str | Path) -> Path:
        """Write the ONNX file."""
        target = Path(path)
        target.write_bytes(self.build())
        return target

    def inputs(self, count: int) -> NDArray[np.float32]:
        """Inputs to try it on, float32 of shape (count, channels, side, side), of several brightnesses."""
        random = np.random.RandomState(self.seed + 1)
        level = random.uniform(-2.0, 2.0, (count, self.channels, 1, 1))
        return (level + random.standard_normal((count, *self.input_shape))).astype(np.float32)


@dataclass
class _Builder:
    """Appends nodes one after the other, and knows the shape that the last one gives."""

    network: Network
    nodes: list[Any] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)
    last: str = "x"

    def __post_init__(self) -> None:
        self.channels, self.side = self.network.channels, self.network.side
        self.random = np.random.RandomState(self.network.seed)

    def model(self) -> Any:
        from onnx import TensorProto, helper

        network = self.network
        for layer in network.layers:
            getattr(self, f"_{type(layer).__name__.lower()}")(layer)
        self._classify()
        shapes = {"x": ("batch", *network.input_shape), "y": ("batch", network.classes)}
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
        graph = helper.make_graph(self.nodes, "generated", [x], [y], self.weights)
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="pytest-envrobust")

    def _conv(self, layer: Conv) -> None:
        groups = self.channels if layer.depthwise else 1
        channels = self.channels if layer.depthwise else layer.channels
        reach = layer.dilation * (layer.kernel - 1)
        into = self.channels // groups
        shape = (channels, into, layer.kernel, layer.kernel)
        weights = [self._drawn("w", shape, math.sqrt(2.0 / (into * layer.kernel**2)))]
        if layer.bias:
            weights.append(self._drawn("b", (channels,), 0.1))
        self._node(
            "Conv",
            *weights,
            kernel_shape=[layer.kernel] * 2,
            strides=[layer.stride] * 2,
            dilations=[layer.dilation] * 2,
            pads=[reach // 2] * 2 + [reach - reach // 2] * 2,
            group=groups,
        )
        self.channels, self.side = channels, -(-self.side // layer.stride)

    def _batchnorm(self, _: BatchNorm) -> None:
        count = (self.channels,)
        scale, shift = self._drawn("scale", count, 0.2, 1.0), self._drawn("shift", count, 0.2)
        mean = self._drawn("mean", count, 0.2)
        variance = self._stored("variance", self.random.uniform(0.3, 1.5, count))
        self._node("BatchNormalization", scale, shift, mean, variance, epsilon=1e-5)

    def _activation(self, layer: Activation) -> None:
        if layer.kind not in ACTIVATIONS:
            raise ValueError(f"activation {layer.kind!r}: it is one of {', '.join(ACTIVATIONS)}")
        if layer.kind == "Relu6":
            self._node("Clip", self._stored("low", 0.0), self._stored("high", 6.0))
        else:
            self._node(layer.kind)

    def _pool(self, layer: Pool) -> None:
        kernel = min(layer.kernel, self.side)
        pad = kernel // 2 if layer.padded else 0
        more = {"count_include_pad": int(layer.counts_padding)} if layer.kind == "AveragePool" else {}
        window = self.side + 2 * pad - kernel
        steps = -(-window // layer.stride) if layer.rounds_up else window // layer.stride
        if layer.rounds_up and steps * layer.stride >= self.side + pad:
            steps -= 1  # a window that would begin in the padding behind is none
        self._node(
            layer.kind,
            kernel_shape=[kernel] * 2,
            strides=[layer.stride] * 2,
            pads=[pad] * 4,
            ceil_mode=int(layer.rounds_up),
            **more,
        )
        self.side = steps + 1

    def _residual(self, layer: Residual) -> None:
        before = self.last
        self._conv(Conv(self.channels, layer.kernel))
        self._activation(Activation(layer.activation))
        self._node("Add", before)

    def _classify(self) -> None:
        if self.network.mean == "ReduceMean":
            self._node("ReduceMean", axes=[2, 3], keepdims=0)
        else:
            self._node("GlobalAveragePool")
            self._node("Flatten", axis=1)
        shape = (self.network.classes, self.channels)
        self._node("Gemm", self._drawn("w", shape, 1.0), self._drawn("b", shape[:1], 0.1), transB=1)
        if self.network.softmax:
            self._node("Softmax", axis=1)
        self.nodes[-1].output[0] = "y"

    def _node(self, operator: str, *more: str, **attributes: Any) -> None:
        from onnx import helper

        result = f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, [self.last, *more], [result], name=result, **attributes))
        self.last = result

    def _drawn(self, name: str, shape: tuple[int, ...], deviation: float, mean: float = 0.0) -> str:
        return self._stored(name, mean + deviation * self.random.standard_normal(shape))

    def _stored(self, name: str, values: Any) -> str:
        from onnx import numpy_helper

        unique = f"{name}{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype=np.float32), unique))
        return unique
