"""A SavedModel from a Keras model, by Keras's own export."""

from __future__ import annotations

from pytest_envrobust.conversion.base import ConversionJob, Step
from pytest_envrobust.core.requirements import KERAS, TENSORFLOW
from pytest_envrobust.frameworks import keras

STEP = Step(
    name="tensorflow_from_keras",
    source="keras",
    target="tensorflow",
    file="saved_model",
    requires=(KERAS, TENSORFLOW),
)


def convert(job: ConversionJob) -> None:
    """Write the directory ``job.target``; a batch size that the model leaves open stays open."""
    model = keras.Framework().load(job.source)
    declared = keras.declared_input(model)
    opened = declared is not None and declared.shape[0] is None
    keras.write_saved_model(model, job.target, job.input.with_batch(None) if opened else job.input)
