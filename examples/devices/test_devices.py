"""The same labels, and the inference time, of one network on every device."""

from __future__ import annotations

from typing import Any

import pytest
from places import HOST, OTHER, left_out

OWN = {OTHER: f"torch/ort-all/{OTHER}", HOST: f"torch/ort-all/{HOST}"}
"""The environments of the devices that `places.py` makes: one that is left out is declared by nobody."""
DEVICES = [
    *("torch/eager/cpu", "torch/eager/cpu+*", "torch/script/cpu", "torch/script/cpu+*"),
    *("torch/openvino-f32/cpu", "torch/openvino-f32/cpu+*", "torch/tvm-o3/cpu", "torch/tvm-o3/cpu+*"),
    *("torch/ort-all/cpu", "torch/ort-all/sandybridge", "torch/ort-all/haswell"),
    *(name for device, name in OWN.items() if device not in left_out()),
]
NAMED = [f"*{name}" if "*" not in name else name for name in DEVICES]
"""By globs, so that a device that is not here is skipped."""


@pytest.mark.envrobust(environments=NAMED, reference="torch/eager/cpu")
def test_labels(envrobust: Any) -> None:
    envrobust.assert_labels_agree()


@pytest.mark.envrobust(environments=NAMED, reference="torch/eager/cpu")
def test_time(envrobust: Any) -> None:
    envrobust.assert_latency()
