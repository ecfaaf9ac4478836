"""A SavedModel from ONNX, by onnx2tf, in an interpreter of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pytest_envrobust.conversion.base import ConversionJob, Step
from pytest_envrobust.conversion.steps import _onnx2tf
from pytest_envrobust.core.requirements import TENSORFLOW

STEP = Step(
    name="tensorflow_from_onnx",
    source="onnx",
    target="tensorflow",
    file="saved_model",
    requires=(TENSORFLOW,),
    interpreter="onnx2tf",
    alone=True,
)


def convert(job: ConversionJob) -> None:
    """Write the directory ``job.target``; its serving signature takes ``job.input``, in the ONNX file's layout.

    By onnx2tf's TensorFlow backend: what its other one writes as a SavedModel cannot do depthwise convolutions. The
    function alone is saved; with its layers, as onnx2tf would, saving takes ten times as long as converting.
    """
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        model = _onnx2tf.converted(job, Path(folder), tflite_backend="tf_converter", disable_model_save=True)
    signature = [tf.TensorSpec(job.input.shape, job.input.dtype)]
    module = tf.Module()
    module.weights = list(model.variables)
    module.serve = tf.function(lambda images: model(images), input_signature=signature, autograph=False)
    tf.saved_model.save(module, str(job.target), signatures={"serving_default": module.serve})
