"""PyTorch from ONNX, by onnx2torch, saved as an exported program."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from pytest_envrobust.conversion.base import ConversionJob, Step
from pytest_envrobust.core.lacking import said_by
from pytest_envrobust.core.requirements import ONNX, ONNX2TORCH, TORCH
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.frameworks.onnx import read_model, with_one_output

STEP = Step(
    name="torch_from_onnx",
    source="onnx",
    target="torch",
    file="model.pt2",
    requires=(TORCH, ONNX, ONNX2TORCH),
    not_after=("onnx_from_torch",),  # onnx2torch does not know the newer operators that this one writes
)


lacking = said_by(
    r"Converter is not implemented \(OperationDescription\(.*operation_type='(?P<names>\w+)'",
)
"""The operators that the converter says it lacks."""


def convert(job: ConversionJob) -> None:
    """Build the module from the ONNX file, export it for the batch size of ``job.input``, and save it."""
    import torch

    from pytest_envrobust.frameworks._torchvision import with_torchvision
    from pytest_envrobust.frameworks.torch import probe

    with_torchvision(_import_onnx2torch)
    import onnx2torch

    module = onnx2torch.convert(_with_one_output(job.source)).eval()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constants that tracing sees; deprecations
        program = torch.export.export(_traced(module, probe(job.input)), (probe(job.input),))
    torch.export.save(program, str(job.target))


def _with_one_output(source: SourceRef) -> Any:
    """The file or, where there is something to choose in it, the model without the rest."""
    path = Path(source.target)
    single = len(read_model(path).graph.output) == 1
    return str(path) if single else with_one_output(path, source.output)


def _traced(module: Any, example: Any) -> Any:
    """``module`` as a graph of what it does to its input; what does not depend on the input becomes constants.

    onnx2torch's modules read paddings and shapes out of tensors that small operators computed from constants and from
    the input's shape. torch.export cannot look into tensors; here those run on real values, outside the graph.
    """
    import torch
    from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing, make_fx
    from torch.overrides import TorchFunctionMode
    from torch.utils._pytree import tree_leaves

    class ConstantsAside(TorchFunctionMode):  # type: ignore[misc]
        def __init__(self, start: Any) -> None:
            super().__init__()
            self.dependent = {id(start): start}  # held, so that no other tensor gets its id

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if not any(id(leaf) in self.dependent for leaf in tree_leaves((args, kwargs))):
                with disable_proxy_modes_tracing():
                    return func(*args, **kwargs)
            result = func(*args, **kwargs)
            self.dependent.update((id(leaf), leaf) for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor))
            return result

    def forward(input: Any) -> Any:
        with ConstantsAside(input):
            return module(input)

    return make_fx(forward, tracing_mode="real", pre_dispatch=True)(example)


def _import_onnx2torch() -> None:
    """Import it alone: it needs torchvision for two operators, and that import may want help."""
    import onnx2torch  # noqa: F401
