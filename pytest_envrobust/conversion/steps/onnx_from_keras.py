"""ONNX from a Keras model, by Keras's own export."""

from __future__ import annotations

import logging

from pytest_envrobust.conversion.base import ConversionJob, Step
from pytest_envrobust.core.requirements import KERAS, ONNX, TENSORFLOW, TF2ONNX
from pytest_envrobust.frameworks import keras

STEP = Step(
    name="onnx_from_keras",
    source="keras",
    target="onnx",
    file="model.onnx",
    requires=(KERAS, TENSORFLOW, TF2ONNX, ONNX),
    options={"opset": 17},  # the newest whose reductions onnx2torch reads: torch_from_onnx may come next
    alone=True,
)


def convert(job: ConversionJob) -> None:
    """Write ``job.target``: batches stay NHWC, the batch size is that of ``job.input``."""
    import keras as library

    model = keras.Framework().load(job.source)
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    signature = [library.InputSpec(shape=job.input.shape, dtype=job.input.dtype, name=job.input.name)]
    with keras.quiet():
        model.export(
            str(job.target),
            format="onnx",
            input_signature=signature,
            opset_version=int(job.options.get("opset", STEP.options["opset"])),
            verbose=False,
        )
