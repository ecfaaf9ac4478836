"""The same file gives the same labels on processors of several years."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.envrobust(environments=["onnx/ort-all/cpu", "*/ort-all/haswell"], reference="onnx/ort-all/cpu")
def test_labels(envrobust: Any) -> None:
    envrobust.assert_labels_agree()
