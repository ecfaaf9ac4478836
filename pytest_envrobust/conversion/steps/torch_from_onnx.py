"""PyTorch from ONNX, by onnx2torch, saved as an exported program."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.conversion.base import ConversionJob, Step
from pytest_envrobust.core.requirements import ONNX, ONNX2TORCH, TORCH
from pytest_envrobust.core.tensors import TensorSpec

STEP = Step(
    name="torch_from_onnx",
    source="onnx",
    target="torch",
    file="model.pt2",
    requires=(TORCH, ONNX, ONNX2TORCH),
    not_after=("onnx_from_torch",),  # onnx2torch does not know the newer operators that this one writes
)

_SMALL = 4096
"""Elements up to which a constant counts as arithmetic on shapes; weights are left alone."""


def convert(job: ConversionJob) -> None:
    """Build the module from the ONNX file, export it for the batch size of ``job.input``, and save it."""
    import onnx
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    from pytest_envrobust.frameworks.torch import probe, with_torchvision

    with_torchvision(_import_onnx2torch)
    import onnx2torch

    model = fold_shapes(onnx.load(job.source.target), job.input)
    module = onnx2torch.convert(model).eval()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constants that tracing sees; deprecations
        # onnx2torch's modules read paddings and shapes out of tensors. torch.export cannot: trace real values first.
        traced = make_fx(module, tracing_mode="real")(probe(job.input))
        program = torch.export.export(traced, (probe(job.input),))
    torch.export.save(program, str(job.target))


def fold_shapes(model: Any, spec: TensorSpec) -> Any:
    """``model`` with its input fixed to the concrete ``spec`` and the arithmetic on shapes done.

    Exporters write paddings and new shapes as chains of small operators on constants. Tracing cannot look into the
    tensors that these yield; into initializers it can.
    """
    import onnx

    _fix_input(model, spec)
    model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    shapes = _static_shapes(model.graph)
    known = {
        each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer if _elements(each) <= _SMALL
    }
    kept: list[Any] = []
    folded: dict[str, NDArray[Any]] = {}
    for node in model.graph.node:
        values = _value(node, known, shapes, model)
        if values is None:
            kept.append(node)
            continue
        known.update(zip(node.output, values))
        folded.update(zip(node.output, values))
    used = {name for node in kept for name in node.input} | {each.name for each in model.graph.output}
    del model.graph.node[:]
    model.graph.node.extend(kept)
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)
        for name, value in folded.items()
        if name in used
    )
    return model


def _fix_input(model: Any, spec: TensorSpec) -> None:
    initialized = {each.name for each in model.graph.initializer}
    given = next(each for each in model.graph.input if each.name not in initialized)
    for dimension, size in zip(given.type.tensor_type.shape.dim, spec.shape):
        dimension.dim_value = size or 1


def _static_shapes(graph: Any) -> dict[str, NDArray[np.int64]]:
    """Shapes of all tensors that have no open dimension, by name."""
    found = {}
    for each in (*graph.input, *graph.value_info, *graph.output):
        tensor = each.type.tensor_type
        if tensor.HasField("shape") and all(dimension.HasField("dim_value") for dimension in tensor.shape.dim):
            found[each.name] = np.array([dimension.dim_value for dimension in tensor.shape.dim], dtype=np.int64)
    return found


def _value(
    node: Any, known: dict[str, NDArray[Any]], shapes: dict[str, NDArray[np.int64]], model: Any
) -> list[NDArray[Any]] | None:
    """What ``node`` yields if that is a small constant, else ``None``."""
    if node.op_type == "Shape" and not node.attribute and node.input[0] in shapes:
        return [shapes[node.input[0]]]
    inputs = [name for name in node.input if name]
    nests = any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)
    if nests or node.domain or node.op_type.startswith("Random") or not all(name in known for name in inputs):
        return None
    if not inputs and node.op_type != "Constant":
        return None
    return _evaluated(node, {name: known[name] for name in inputs}, model)


def _evaluated(node: Any, feeds: dict[str, NDArray[Any]], model: Any) -> list[NDArray[Any]] | None:
    """The outputs of one node, by ONNX's own reference implementation; ``None`` where it has none or is not small."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    def info(name: str, array: NDArray[Any] | None) -> Any:
        if array is None:
            return onnx.helper.make_empty_tensor_value_info(name)
        kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        return onnx.helper.make_tensor_value_info(name, kind, array.shape)

    graph = onnx.helper.make_graph(
        [node], "node", [info(*each) for each in feeds.items()], [info(name, None) for name in node.output if name]
    )
    single = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    try:
        values = [np.asarray(value) for value in ReferenceEvaluator(single).run(None, feeds)]
    except (NotImplementedError, RuntimeError, TypeError, ValueError):
        return None  # left as it is: onnx2torch judges it
    small = all(value.size <= _SMALL for value in values)
    return values if small and len(values) == len(node.output) else None


def _elements(initializer: Any) -> int:
    return int(np.prod(initializer.dims))


def _import_onnx2torch() -> None:
    """Import it alone: it needs torchvision for two operators, and that import may want help."""
    import onnx2torch  # noqa: F401
