"""The same file gives the same labels on processors of several years."""

from __future__ import annotations

from typing import Any

import pytest

ENVIRONMENTS = ["onnx/ort-all/cpu", "*/ort-all/haswell", "onnx/ort-extended/cpu"]
"""The last is of this processor too: without qemu it is what there is to compare."""


@pytest.mark.envrobust(environments=ENVIRONMENTS, reference="onnx/ort-all/cpu")
def test_labels(envrobust: Any) -> None:
    envrobust.assert_labels_agree()
