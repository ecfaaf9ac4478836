"""ONNX to OpenVINO's own form: ``model.xml`` with ``model.bin`` beside it."""

from __future__ import annotations

from pathlib import Path

from pytest_envrobust.backends.openvino import save_ir
from pytest_envrobust.conversion.base import ConversionJob, Step
from pytest_envrobust.core.lacking import said_by
from pytest_envrobust.core.requirements import OPENVINO

STEP = Step(
    "openvino_from_onnx",
    source="onnx",
    target="openvino",
    file="model.xml",
    requires=(OPENVINO,),
    named_inputs=True,
)


lacking = said_by(
    r"No conversion rule found for operations: (?P<names>.+)",
)
"""The operators that the converter says it lacks."""


def convert(job: ConversionJob) -> None:
    """Write the IR of the ONNX file for the job's input; weights keep their precision."""
    save_ir(Path(job.source.target), job.target, job.input, job.source.output)
