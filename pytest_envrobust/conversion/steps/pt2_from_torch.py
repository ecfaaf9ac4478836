"""An exported program from a PyTorch model: a file that loads in a Python which knows nothing of the model's code."""

from __future__ import annotations

import warnings

from pytest_envrobust.conversion.base import ConversionJob, Step
from pytest_envrobust.core.requirements import TORCH

STEP = Step(name="pt2_from_torch", source="torch", target="pt2", file="model.pt2", requires=(TORCH,))


def convert(job: ConversionJob) -> None:
    """Export for the input ``job.input``, batch size fixed; the program takes one tensor and returns one."""
    import torch

    from pytest_envrobust.frameworks.torch import load_for_export

    module, example = load_for_export(job.source, job.input)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constants that tracing sees; deprecations
        torch.export.save(torch.export.export(module, (example,)), str(job.target))
