"""A float32 TensorFlow Lite file from a Keras model."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pytest_envrobust.conversion.base import ConversionJob, Step
from pytest_envrobust.core.lacking import said_by
from pytest_envrobust.core.requirements import KERAS, TENSORFLOW
from pytest_envrobust.frameworks import keras

STEP = Step(
    name="tflite_from_keras",
    source="keras",
    target="tflite",
    file="model.tflite",
    requires=(KERAS, TENSORFLOW),
)


lacking = said_by(
    r"(?:Custom|TF Select) ops: (?P<names>.+)",
    r"'tf\.(?P<names>\w+)' op is neither a custom op nor a flex op",
)
"""The operators that the converter says it lacks."""


def convert(job: ConversionJob) -> None:
    """Write ``job.target``, batch size fixed to that of ``job.input``, weights and arithmetic float32.

    It goes through a SavedModel: the converter reads a Keras model only with its batch size left open.
    """
    import tensorflow as tf

    model = keras.Framework().load(job.source)
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder, "saved_model")
        keras.write_saved_model(model, saved, job.input)
        with keras.quiet():
            converter = tf.lite.TFLiteConverter.from_saved_model(str(saved), signature_keys=["serving_default"])
            job.target.write_bytes(converter.convert())
