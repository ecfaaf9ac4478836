"""ONNX from a TensorFlow Lite file, by tf2onnx."""

from __future__ import annotations

import logging
from typing import Any

from pytest_envrobust.conversion.base import ConversionJob, Step
from pytest_envrobust.core.errors import DeclarationError, Unavailable
from pytest_envrobust.core.requirements import LITERT, ONNX, TENSORFLOW, TF2ONNX
from pytest_envrobust.frameworks import keras, tflite
from pytest_envrobust.frameworks._tflite_signatures import ChosenInterpreter

STEP = Step(
    name="onnx_from_tflite",
    source="tflite",
    target="onnx",
    file="model.onnx",
    requires=(TF2ONNX, TENSORFLOW, ONNX, LITERT),
    options={"opset": 17},  # the newest whose reductions onnx2torch reads: torch_from_onnx may come next
)


# What can stand between the last quantization and the output without changing a number.
_MOVES = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Transpose"})


def convert(job: ConversionJob) -> None:
    """Write ``job.target``, the batch size fixed to that of ``job.input``.

    A quantized file keeps its integer input. Its integer scores are dequantized in the graph, as LiteRT's are when
    they are read, so that scores of both are comparable. Raises `DeclarationError` where the file does not take
    ``job.input``.
    """
    import onnx
    from tf2onnx.convert import from_tflite

    if not _opened(job).is_first:
        raise Unavailable(
            f"signature {job.source.signature!r} of {job.source.target} cannot be converted",
            cause="tf2onnx reads the file's first signature alone",
            remedy="convert a model that has this signature alone",
        )
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with keras.quiet():
        model, _ = from_tflite(
            str(job.source.target), opset=int(job.options.get("opset", STEP.options["opset"])), large_model=False
        )
    _fix_input(model.graph, job)
    _keep_output(model.graph, job)
    _dequantize_output(model.graph)
    onnx.save(model, str(job.target))


def _opened(job: ConversionJob) -> ChosenInterpreter:
    return tflite.open_chosen(tflite.Framework().load(job.source))


def _fix_input(graph: Any, job: ConversionJob) -> None:
    dimensions = graph.input[0].type.tensor_type.shape.dim
    sizes = [dimension.dim_value or None for dimension in dimensions]
    if len(sizes) != len(job.input.shape) or any(a not in (None, b) for a, b in zip(sizes, job.input.shape)):
        raise DeclarationError(
            f"tflite file {job.source.target!r} takes the shape {tuple(sizes)}",
            cause=f"{job.input} was asked for",
            remedy="give the source a preprocessing that makes the size and layout it takes, in its own batch size",
        )
    for dimension, size in zip(dimensions, job.input.shape):
        dimension.dim_value = size


def _keep_output(graph: Any, job: ConversionJob) -> None:
    """Leave the chosen output alone in the graph, whose outputs have the names of the file's tensors."""
    if len(graph.output) == 1:
        return
    name = _opened(job).get_output_details()[0]["name"]
    for value in [value for value in graph.output if value.name != name]:
        graph.output.remove(value)


def _dequantize_output(graph: Any) -> None:
    from onnx import TensorProto, helper

    output = graph.output[0]
    kind = output.type.tensor_type
    if kind.elem_type not in (TensorProto.UINT8, TensorProto.INT8):
        return
    producers = {name: node for node in graph.node for name in node.output}
    node = producers.get(output.name)
    while node is not None and node.op_type in _MOVES:
        node = producers.get(node.input[0])
    if node is None or node.op_type != "QuantizeLinear":
        return  # integers without a scale: they are the scores
    name = f"{output.name}_dequantized"
    graph.node.append(helper.make_node("DequantizeLinear", [output.name, *node.input[1:]], [name]))
    shape = [dimension.dim_value or dimension.dim_param or None for dimension in kind.shape.dim]
    output.CopyFrom(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
