"""The study: labels and inference time over a choice of environments in which every axis varies alone."""

from __future__ import annotations

import pytest

FRAMEWORKS = [
    "keras/eager/cpu",
    "torch/eager/cpu",
    "keras-to-torch/eager/cpu",
    "keras-to-tensorflow/graph/cpu",
    "torch/ort-all/cpu",
    "torch/openvino/cpu",
]
COMPILERS = [
    "keras/graph/cpu",
    "keras/xla/cpu",
    "keras/litert/cpu",
    "keras/ort-off/cpu",
    "keras/ort-all/cpu",
    "keras/openvino/cpu",
    "keras/tvm-o3/cpu",
    "keras/tvm-o4/cpu",
    "torch/script/cpu",
]
DEVICES = [
    "keras/graph/cpu+sse41",
    "keras/openvino/cpu+sse41",
    "keras/openvino/cpu+avx2",
    "torch/eager/cpu+sse41",
    "torch/script/cpu+sse41",
]


@pytest.mark.envrobust(environments=[*FRAMEWORKS, *COMPILERS, *DEVICES])
class TestStudy:
    """Each model in each environment."""

    def test_labels(self, envrobust):
        envrobust.assert_labels_agree()

    def test_time(self, envrobust):
        envrobust.assert_latency()
