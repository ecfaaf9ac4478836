"""Which kernels did not run where they were asked to, from events as ONNX Runtime's profiler writes them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from pytest_envrobust import DeclarationError
from pytest_envrobust.backends import base
from pytest_envrobust.backends.onnxruntime import CPU_PROVIDER, CUDA_PROVIDER, _check_placement, fallen_back, kernels_of
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.core.tensors import TensorSpec

JOB = base.Job(SourceRef("onnx", "file", "m.onnx"), "ort-all", "cuda:0", TensorSpec((1, 3, 8, 8), "float32", "x"))


def event(operator: str, provider: str, *outputs: tuple[str, list[int]]) -> dict[str, Any]:
    shapes = [{kind: shape} for kind, shape in outputs]
    return {"args": {"op_name": operator, "provider": provider, "output_type_shape": shapes}}


CONV = event("Conv", CUDA_PROVIDER, ("float", [1, 8, 8, 8]))
SHAPES = [
    event("Shape", CPU_PROVIDER, ("int64", [4])),
    event("Gather", CPU_PROVIDER, ("int64", [])),
    event("Equal", CPU_PROVIDER, ("bool", [1])),
]


def test_shapes_are_computed_on_the_cpu_on_purpose() -> None:
    assert fallen_back([CONV, *SHAPES]) == Counter()
    _check_placement(JOB, [CONV, *SHAPES])


@pytest.mark.parametrize(
    "fallen",
    [
        event("Resize", CPU_PROVIDER, ("float", [1, 8, 16, 16])),
        event("ArgMax", CPU_PROVIDER, ("int64", [1, 8])),
        event("TopK", CPU_PROVIDER, ("float", [5]), ("int64", [5])),
        event("Silent", CPU_PROVIDER),
    ],
)
def test_what_falls_back_is_named(fallen: dict[str, Any]) -> None:
    operator = fallen["args"]["op_name"]
    events = [CONV, fallen, fallen, *SHAPES]
    assert fallen_back(events) == {operator: 2}
    with pytest.raises(DeclarationError) as caught:
        _check_placement(JOB, events)
    assert caught.value.thing == "2 of 6 kernels ran on the CPU, not on cuda:0"
    assert caught.value.cause == f"its provider has none for {operator} 2"


def test_kernels_are_counted_by_provider_and_operator() -> None:
    assert kernels_of([CONV, CONV, SHAPES[0]]) == {(CUDA_PROVIDER, "Conv"): 2, (CPU_PROVIDER, "Shape"): 1}
