"""A float32 TensorFlow Lite file from a SavedModel."""

from __future__ import annotations

from pytest_envrobust.conversion.base import ConversionJob, Step
from pytest_envrobust.core.lacking import said_by
from pytest_envrobust.core.requirements import TENSORFLOW
from pytest_envrobust.frameworks import keras, tensorflow

STEP = Step(
    name="tflite_from_tensorflow",
    source="tensorflow",
    target="tflite",
    file="model.tflite",
    requires=(TENSORFLOW,),
)


lacking = said_by(
    r"(?:Custom|TF Select) ops: (?P<names>.+)",
    r"'tf\.(?P<names>\w+)' op is neither a custom op nor a flex op",
)
"""The operators that the converter says it lacks."""


def convert(job: ConversionJob) -> None:
    """Write ``job.target`` from the serving signature, batch size fixed to that of ``job.input``, all in float32."""
    import tensorflow as tf

    model = tensorflow.Framework().load(job.source)
    serve = tf.function(lambda images: model(images), autograph=False)
    concrete = serve.get_concrete_function(tf.TensorSpec(job.input.shape, job.input.dtype, name=job.input.name))
    with keras.quiet():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], model.restored)
        job.target.write_bytes(converter.convert())
