"""An environment that is far further off than the others is told, and no other."""

from __future__ import annotations

import math

import pytest

from pytest_envrobust.comparison.outliers import outlier_notice


def test_a_broken_engine_behind_equal_labels_is_named() -> None:
    off = {"onnx/ort-all/cpu": 1.5e-6, "onnx/openvino/cpu": 7.6e-6, "onnx/tvm-o3/cpu": 1.29}
    said = outlier_notice(off, spread=2.0)
    assert said is not None
    assert said.startswith(
        "onnx/tvm-o3/cpu is an outlier: its scores are off by up to 1.3, 64% of their spread, and those of all others "
        "by 7.6e-06 at most"
    )


@pytest.mark.parametrize(
    "off",
    [
        {"a/b/cpu": 1.29},  # nothing to hold it against
        {"a/b/cpu": 1.29, "c/d/cpu": 0.02},  # two of low precision
        {"a/b/cpu": 0.001, "c/d/cpu": 1e-7},  # no more than rounding
        {"a/b/cpu": math.nan, "c/d/cpu": 1e-7},
        {},
    ],
)
def test_what_is_no_outlier(off: dict[str, float]) -> None:
    assert outlier_notice(off, spread=2.0) is None
    assert outlier_notice({"a/b/cpu": 1.0, "c/d/cpu": 0.0}, spread=0.0) is None
