"""What the integers of an ONNX model's input stand for: read from the nodes that take it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pytest_envrobust.core.tensors import Quantization

_SAME_VALUES = frozenset({"Flatten", "Identity", "MaxPool", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"})
"""Operators that hand integers on as they are."""
_SCALE_AND_ZERO_POINT = {"DequantizeLinear": (0, 1, 2), "QLinearConv": (0, 1, 2), "QLinearMatMul": (0, 1, 2)}
"""By operator, the places of its integer input, that input's scale and its zero point."""


def input_quantization(graph: Any, name: str) -> Quantization | None:
    """What the integers of the graph's input ``name`` stand for.

    ``None`` where the nodes that take it do not all say the same, or one of them reads the integers as such.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            values = [attribute.t for attribute in node.attribute if attribute.name == "value"]
            constants |= dict(zip(node.output, values))
    found = set(_read(graph, name, constants))
    return found.pop() if len(found) == 1 else None


def _read(graph: Any, name: str, constants: Mapping[str, Any]) -> Iterator[Quantization | None]:
    """What each node makes of the integers of that name; ``None`` for one that takes them as integers."""
    for node in graph.node:
        if name not in node.input:
            continue
        if node.op_type in _SAME_VALUES and node.input[0] == name:
            yield from _read(graph, node.output[0], constants)
            continue
        taken, scale, zero_point = _SCALE_AND_ZERO_POINT.get(node.op_type, (0, 0, 0))
        if not scale or node.input[taken] != name:
            yield None
            continue
        given = len(node.input) > zero_point and node.input[zero_point]
        factor = _number(constants.get(node.input[scale]))
        offset = _number(constants.get(node.input[zero_point])) if given else 0.0
        yield None if not factor or offset is None else Quantization(factor, int(offset))


def _number(tensor: Any) -> float | None:
    """The one number of a constant; ``None`` where it has several, or lies in another file."""
    from onnx import numpy_helper
    from onnx.external_data_helper import uses_external_data

    if tensor is None or uses_external_data(tensor):
        return None
    values = np.asarray(numpy_helper.to_array(tensor))
    return float(values.reshape(-1)[0]) if values.size == 1 else None
