"""Environments that are far further off than the others are told, and no other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from pytest_envrobust.comparison.outliers import Outputs, outlier_notice

REFERENCE = "torch/eager/cpu"


def outputs(
    off: Mapping[str, float], *, among: float | None = None, alike: Sequence[str] = (), spread: float = 2.0
) -> Outputs:
    """Distances from the reference, and ``among`` the others; by default as far as those from the reference allow."""
    values = np.array([0.0, *off.values()])
    apart = np.maximum(values[:, None], values[None, :]) if among is None else np.full((len(values),) * 2, among)
    apart[0], apart[:, 0] = values, values
    np.fill_diagonal(apart, 0.0)
    return Outputs([[REFERENCE, *alike], *([name] for name in off)], apart, spread)


def said(*arguments: Mapping[str, float], **more: float | Sequence[str]) -> str:
    return outlier_notice(outputs(*arguments, **more)) or ""  # type: ignore[arg-type]


def test_a_broken_engine_behind_equal_labels_is_named() -> None:
    told = said({"torch/ort-all/cpu": 1.5e-6, "torch/openvino/cpu": 7.6e-6, "torch/tvm-o3/cpu": 1.29})
    assert told == (
        "torch/tvm-o3/cpu is an outlier: its scores are off by up to 1.3, 64% of their spread, and those of all others "
        "by 7.6e-06 at most: equal labels or not, look at how it computes this model"
    )


def test_one_that_gave_the_reference_s_own_bits_counts_as_near() -> None:
    assert said({"torch/tvm-o3/cpu": 1.29}, alike=["torch/script/cpu"]).startswith("torch/tvm-o3/cpu is an outlier")


def test_two_broken_engines_are_named_whether_or_not_they_agree() -> None:
    near = {"torch/ort-all/cpu": 1.5e-6, "torch/openvino/cpu": 7.6e-6}
    for tvm in (1.29, 3.0):
        told = said({**near, "torch/tvm-o0/cpu": tvm, "torch/tvm-o3/cpu": 1.29})
        assert told.startswith("torch/tvm-o")
        assert "are outliers: their scores are off by up to" in told
        assert told.endswith("look at how they compute this model")


def test_a_reference_that_is_the_outlier_is_named() -> None:
    told = said({"torch/ort-all/cpu": 1.29, "torch/tvm-o3/cpu": 1.29}, among=1e-6)
    assert told == (
        "torch/eager/cpu stands apart: all 2 others differ by up to 1.3, 64% of their spread, and from each other by "
        "1e-06 at most: equal labels or not, look at how it computes this model"
    )


def test_a_source_of_its_own_may_differ_in_more_than_the_engine() -> None:
    told = said({"torch/ort-all/cpu": 1.5e-6, "onnx:int8/ort-all/cpu": 1.29})
    assert told.endswith("look at how it computes this model, and at weights, preprocessing and precision of onnx:int8")


@pytest.mark.parametrize(
    "off",
    [
        {"torch/b/cpu": 1.29},  # nothing to hold it against
        {"torch/b/cpu": 1.29, "torch/d/cpu": 0.02},  # two of low precision
        {"torch/b/cpu": 1.29, "torch/d/cpu": 1.0},  # all differ
        {"torch/b/cpu": 0.001, "torch/d/cpu": 1e-7},  # no more than rounding
        {"torch/b/cpu": math.nan, "torch/d/cpu": 1e-7},
        {},
    ],
)
def test_what_is_no_outlier(off: dict[str, float]) -> None:
    assert not said(off)
    assert not said({"torch/b/cpu": 1.0, "torch/d/cpu": 0.0}, spread=0.0)


def test_another_source_beside_bits_of_one_is_no_outlier() -> None:
    """Frameworks differ, and eager and script share their kernels."""
    assert not said({"keras/eager/cpu": 1.29}, alike=["torch/script/cpu"])
