"""ONNX to TVM's own form: a relax module as JSON, parameters inside it as constants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_envrobust.conversion.base import ConversionJob, Step
from pytest_envrobust.core.lacking import said_by
from pytest_envrobust.core.requirements import ONNX, TVM
from pytest_envrobust.frameworks.onnx import input_spec, with_one_output

STEP = Step("tvm_from_onnx", source="onnx", target="tvm", file="module.json", requires=(TVM, ONNX))


lacking = said_by(
    r"operators are not supported for frontend ONNX: (?P<names>.+)",
)
"""The operators that the converter says it lacks."""


def convert(job: ConversionJob) -> None:
    """Write the relax module: function ``main``, the input its only parameter, one tensor its result.

    Raises `DeclarationError` where the model has several inputs, or outputs that cannot be told from each other.
    """
    import tvm

    model = with_one_output(Path(job.source.target), job.source.output)
    job.target.write_text(tvm.ir.save_json(_imported(model, job)), encoding="utf-8")


def _imported(model: Any, job: ConversionJob) -> Any:
    from tvm.relax.frontend.onnx import from_onnx

    name = input_spec(Path(job.source.target), model).name
    return from_onnx(
        model,
        shape_dict={name: list(job.input.shape)},
        dtype_dict={name: job.input.dtype},
        keep_params_in_input=False,
    )
