"""ONNX from PyTorch, by the exporter that stands on torch.export."""

from __future__ import annotations

import warnings

from pytest_envrobust.conversion.base import ConversionJob, Step
from pytest_envrobust.core.lacking import said_by
from pytest_envrobust.core.requirements import ONNX, ONNXSCRIPT, TORCH

STEP = Step(
    name="onnx_from_torch",
    source="torch",
    target="onnx",
    file="model.onnx",
    requires=(TORCH, ONNX, ONNXSCRIPT),
    named_inputs=True,
    options={"opset": 20},
    alone=True,
)


_LARGEST_FILE = 2**31 - 2**24
"""Bytes of weights that fit into one ONNX file beside the graph; protobuf ends at 2 GiB."""


lacking = said_by(
    r"No ONNX function found for <OpOverload\(op='(?P<names>[\w.]+)'",
)
"""The operators that the converter says it lacks."""


def convert(job: ConversionJob) -> None:
    """Export with the batch size of ``job.input``; the graph's input is ``input``, its output ``output``.

    Several inputs keep their names.
    """
    export(job, opset=int(job.options.get("opset", STEP.options["opset"])), dynamo=True)


def export(job: ConversionJob, *, opset: int, dynamo: bool) -> None:
    """Write ``job.source`` as ONNX of the given opset, by the ``dynamo`` exporter or the TorchScript one.

    One file holds all, unless the weights exceed what one ONNX file can hold.
    """
    import torch

    from pytest_envrobust.frameworks.torch import load_for_export

    module, example = load_for_export(job.source, job.input)
    tensors = (*module.parameters(), *module.buffers())
    weights = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations of either exporter, and tracing's hints
        torch.onnx.export(
            module,
            example if job.input.parts else (example,),
            str(job.target),
            input_names=[part.name for part in job.input.parts] or ["input"],
            output_names=["output"],
            opset_version=opset,
            dynamo=dynamo,
            external_data=weights > _LARGEST_FILE,
            verbose=False,
        )
