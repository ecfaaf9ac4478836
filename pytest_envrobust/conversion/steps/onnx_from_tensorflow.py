"""ONNX from a SavedModel, by tf2onnx."""

from __future__ import annotations

import logging

from pytest_envrobust.conversion.base import ConversionJob, Step
from pytest_envrobust.core.requirements import ONNX, TENSORFLOW, TF2ONNX
from pytest_envrobust.frameworks import keras, tensorflow

STEP = Step(
    name="onnx_from_tensorflow",
    source="tensorflow",
    target="onnx",
    file="model.onnx",
    requires=(TENSORFLOW, TF2ONNX, ONNX),
    options={"opset": 17},  # the newest whose reductions onnx2torch reads: torch_from_onnx may come next
    alone=True,
)


def convert(job: ConversionJob) -> None:
    """Write ``job.target`` from the serving signature, the batch size fixed to that of ``job.input``."""
    import tensorflow as tf
    from tf2onnx.convert import from_function

    model = tensorflow.Framework().load(job.source)
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    serve = tf.function(lambda images: model(images), autograph=False)
    with keras.quiet():
        from_function(
            serve,
            input_signature=[tf.TensorSpec(job.input.shape, job.input.dtype, name=job.input.name)],
            opset=int(job.options.get("opset", STEP.options["opset"])),
            output_path=str(job.target),
        )
