"""ONNX from PyTorch, by the exporter that traces with TorchScript: other nodes, an older opset."""

from __future__ import annotations

from pytest_envrobust.conversion.base import ConversionJob, Step
from pytest_envrobust.conversion.steps.onnx_from_torch import export
from pytest_envrobust.core.lacking import said_by
from pytest_envrobust.core.requirements import ONNX, TORCH

STEP = Step(
    name="onnx_from_torch_legacy",
    source="torch",
    target="onnx",
    file="model.onnx",
    requires=(TORCH, ONNX),
    rank=1,
    named_inputs=True,
    options={"opset": 17},
)


lacking = said_by(
    r"Exporting the operator '(?P<names>[\w:]+)' to ONNX opset version \d+ is not supported",
    r"operator with unrecognized namespace (?P<names>[\w:]+)\.",
)
"""The operators that the converter says it lacks."""


def convert(job: ConversionJob) -> None:
    """Export with the batch size of ``job.input``; the graph's input is ``input``, its output ``output``."""
    export(job, opset=int(job.options.get("opset", STEP.options["opset"])), dynamo=False)
