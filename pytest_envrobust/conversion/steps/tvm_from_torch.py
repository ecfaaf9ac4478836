"""A TVM relax module from PyTorch, by way of torch.export."""

from __future__ import annotations

import warnings

from pytest_envrobust.conversion.base import ConversionJob, Step
from pytest_envrobust.core.lacking import said_by
from pytest_envrobust.core.requirements import TORCH, TVM

STEP = Step(
    name="tvm_from_torch",
    source="torch",
    target="tvm",
    file="module.json",
    requires=(TORCH, TVM),
)


lacking = said_by(
    r"Unsupported function types? \[(?P<names>[^\]]+)\]",
)
"""The operators that the converter says it lacks."""


def convert(job: ConversionJob) -> None:
    """Write the relax module as JSON, its weights as constants.

    Its function ``main`` takes the input alone, with the batch size of ``job.input``, and returns one tensor.
    """
    import torch
    import tvm
    from tvm.relax.frontend.torch import from_exported_program

    from pytest_envrobust.frameworks.torch import load_for_export

    module, example = load_for_export(job.source, job.input)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside either library
        program = torch.export.export(module, (example,))
        relax_module = from_exported_program(program, unwrap_unit_return_tuple=True)
    job.target.write_text(tvm.ir.save_json(relax_module), encoding="utf-8")
