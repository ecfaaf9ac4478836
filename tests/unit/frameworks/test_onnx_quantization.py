"""What an integer input of an ONNX model stands for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_envrobust.core.tensors import Quantization
from pytest_envrobust.frameworks.onnx import input_spec

onnx = pytest.importorskip("onnx")


def spec_of(*nodes: tuple[str, list[str], str], **constants: Any) -> Quantization | None:
    from onnx import TensorProto, helper, numpy_helper

    made = [helper.make_node(kind, inputs, [output]) for kind, inputs, output in nodes]
    taken = helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 3, 4, 4])
    given = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    return input_spec(
        Path("m.onnx"), helper.make_model(helper.make_graph(made, "g", [taken], [given], tensors))
    ).quantization


HALF, OTHER, ZERO = np.float32(0.5), np.float32(0.25), np.uint8(7)


def test_it_is_read_through_what_keeps_the_values() -> None:
    read = ("DequantizeLinear", ["t", "s", "z"], "y")
    assert spec_of(("Transpose", ["x"], "t"), read, s=HALF, z=ZERO) == Quantization(0.5, 7)
    assert spec_of(("DequantizeLinear", ["x", "s"], "y"), s=HALF) == Quantization(0.5, 0)


def test_operators_on_integers_say_it_too() -> None:
    convolution = ("QLinearConv", ["x", "s", "z", "w", "s", "z", "s", "z"], "y")
    assert spec_of(convolution, s=HALF, z=ZERO) == Quantization(0.5, 7)


def test_what_is_read_as_integers_or_in_two_ways_has_none() -> None:
    first, second = ("DequantizeLinear", ["x", "s"], "y"), ("DequantizeLinear", ["x", "o"], "z")
    assert spec_of(first, second, s=HALF, o=OTHER) is None
    assert spec_of(first, ("Cast", ["x"], "z"), s=HALF) is None
    assert spec_of(first, s=np.array([0.5, 0.5, 0.5], np.float32)) is None
