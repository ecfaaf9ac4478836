"""A float32 TensorFlow Lite file from ONNX, by onnx2tf, in an interpreter of its own."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from pytest_envrobust.conversion.base import ConversionJob, Step
from pytest_envrobust.conversion.steps import _onnx2tf
from pytest_envrobust.core.requirements import LITERT

STEP = Step(
    name="tflite_from_onnx",
    source="onnx",
    target="tflite",
    file="model.tflite",
    requires=(LITERT,),
    rank=1,  # from torch, the converter that reads torch's own program stands before it
    interpreter="onnx2tf",
    alone=True,
)


def convert(job: ConversionJob) -> None:
    """Write ``job.target``, made operator by operator without TensorFlow's converter; it takes ``job.input``."""
    with tempfile.TemporaryDirectory() as folder:
        _onnx2tf.converted(job, Path(folder), tflite_backend="flatbuffer_direct")
        (written,) = Path(folder).glob("*_float32.tflite")
        shutil.move(written, job.target)
