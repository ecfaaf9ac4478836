"""Seeded faults of an ONNX model: of its weights and nodes, in a copy of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import Unavailable
from pytest_envrobust.core.faults import Fault
from pytest_envrobust.frameworks._onnx_external_data import tensors_of
from pytest_envrobust.frameworks._weight_faults import Weight, broken_weights, cannot_be_made, some_of


def write_broken(source: Path, target: Path, fault: Fault) -> None:
    """Write the model in ``source`` with a fault in it to ``target``. Raises `Unavailable` where it cannot be made."""
    import onnx

    model = onnx.load(str(source))
    if model.ByteSize() >= onnx.checker.MAXIMUM_PROTOBUF:
        raise Unavailable(f"{fault} cannot be made of this source", cause="one file cannot hold the model")
    if fault.kind not in ("activation", "padding"):
        with broken_weights(list(_weights(model)), fault):
            onnx.save(model, str(target))
        return
    find = _other_activation if fault.kind == "activation" else _other_padding
    constants = {tensor.name: tensor for tensor in tensors_of(model)}
    for node in model.graph.node:
        if node.op_type == "Constant":
            constants.update((node.output[0], each.t) for each in node.attribute if each.name == "value")
    changes = [change for node in model.graph.node if (change := find(node, model, constants)) is not None]
    if not changes:
        raise cannot_be_made(fault)
    for place in some_of(len(changes), fault):
        changes[place]()
    onnx.save(model, str(target))


def _weights(model: Any) -> Iterator[Weight]:
    """Floating tensors: kernels of convolutions are (out, in, height, width)."""
    from onnx import numpy_helper

    kernels = {node.input[1] for node in model.graph.node if node.op_type == "Conv"}
    variances = {node.input[4] for node in model.graph.node if node.op_type == "BatchNormalization"}
    for tensor in tensors_of(model):
        if numpy_helper.to_array(tensor).dtype.kind != "f":
            continue

        def read(tensor: Any = tensor) -> NDArray[Any]:
            return np.asarray(numpy_helper.to_array(tensor))

        def write(values: NDArray[Any], tensor: Any = tensor) -> None:
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

        is_kernel = tensor.name in kernels and len(tensor.dims) == 4
        axes: tuple[tuple[int, ...], int | None] = ((2, 3), 0) if is_kernel else ((), None)
        yield Weight(read, write, len(tensor.dims), *axes, is_variance=tensor.name in variances)


_MISTAKEN = {
    "Sigmoid": "HardSigmoid",
    "HardSigmoid": "Sigmoid",
    "Elu": "Relu",
    "LeakyRelu": "Relu",
}


def _other_activation(node: Any, model: Any, constants: Any) -> Callable[[], None] | None:
    """What makes of a node another activation; ``None`` where it is none that another is mistaken for."""
    if node.op_type == "Relu":
        return lambda: _become_relu6(node, model)
    if node.op_type == "Clip" and _bounds(node, constants) == (0.0, 6.0):
        return lambda: _become(node, "Relu")
    if node.op_type == "Gelu":
        return lambda: _toggle_gelu(node)
    other = _MISTAKEN.get(node.op_type)
    return None if other is None else lambda: _become(node, other)


def _become(node: Any, operator: str) -> None:
    node.op_type = operator
    del node.input[1:]
    del node.attribute[:]


def _become_relu6(node: Any, model: Any) -> None:
    from onnx import helper, numpy_helper

    opset = next((each.version for each in model.opset_import if not each.domain), 0)
    node.op_type = "Clip"
    if opset < 11:
        node.attribute.extend([helper.make_attribute("min", 0.0), helper.make_attribute("max", 6.0)])
        return
    dtype = helper.tensor_dtype_to_np_dtype(model.graph.input[0].type.tensor_type.elem_type)
    for name, bound in (("envrobust_0", 0), ("envrobust_6", 6)):
        if all(tensor.name != name for tensor in model.graph.initializer):
            model.graph.initializer.append(numpy_helper.from_array(np.array(bound, dtype), name))
        node.input.append(name)


def _toggle_gelu(node: Any) -> None:
    from onnx import helper

    approximate = any(each.name == "approximate" and each.s == b"tanh" for each in node.attribute)
    del node.attribute[:]
    node.attribute.append(helper.make_attribute("approximate", "none" if approximate else "tanh"))


def _bounds(node: Any, constants: Any) -> tuple[float, float] | None:
    """The bounds of a Clip node, where they are constants."""
    from onnx import numpy_helper

    attributes = {each.name: each.f for each in node.attribute}
    if attributes:
        return attributes.get("min", -np.inf), attributes.get("max", np.inf)
    found = [constants.get(name) for name in node.input[1:3]]
    if len(found) < 2 or any(each is None for each in found):
        return None
    low, high = (float(np.asarray(numpy_helper.to_array(each)).reshape(-1)[0]) for each in found)
    return low, high


def _other_padding(node: Any, model: Any, constants: Any) -> Callable[[], None] | None:
    """What pads a node on the other side, or at the end where it pads on both; ``None`` where that changes nothing."""
    if node.op_type != "Conv":
        return None
    attributes = {each.name: each for each in node.attribute}
    auto = attributes["auto_pad"].s.decode() if "auto_pad" in attributes else "NOTSET"
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        other = b"SAME_LOWER" if auto == "SAME_UPPER" else b"SAME_UPPER"
        return lambda: setattr(attributes["auto_pad"], "s", other)
    strides = list(attributes["strides"].ints) if "strides" in attributes else [1]
    pads = list(attributes["pads"].ints) if "pads" in attributes else [0]
    if max(strides) == 1 or not max(pads) or len(pads) != 4:
        return None
    before, after = pads[:2], pads[2:]
    moved = after + before if before != after else [max(side - 1, 0) for side in before] + [s + 1 for s in after]

    def change() -> None:
        del attributes["pads"].ints[:]
        attributes["pads"].ints.extend(moved)

    return change
