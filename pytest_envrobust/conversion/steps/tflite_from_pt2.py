"""TensorFlow Lite from an exported PyTorch program, by LiteRT Torch, in an interpreter of its own."""

from __future__ import annotations

import warnings

from pytest_envrobust.conversion.base import ConversionJob, Step
from pytest_envrobust.core.lacking import said_by
from pytest_envrobust.core.requirements import LITERT

STEP = Step(
    name="tflite_from_pt2",
    source="pt2",
    target="tflite",
    file="model.tflite",
    requires=(LITERT,),
    interpreter="litert-torch",
    alone=True,
)


lacking = said_by(r"Lowering not found: (?P<names>[\w.:]+)")
"""The operators that the converter says it lacks."""


def convert(job: ConversionJob) -> None:
    """Write ``job.target``, weights and arithmetic float32; batches stay NCHW, as the program takes them."""
    import litert_torch  # type: ignore[import-not-found]
    import torch

    from pytest_envrobust.frameworks.torch import probe

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside either library
        module = torch.export.load(job.source.target).module()
        litert_torch.convert(module, (probe(job.input),)).export(str(job.target))
