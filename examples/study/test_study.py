"""The study: labels and inference time over a choice of environments in which every axis varies alone."""

from __future__ import annotations

import pytest

FRAMEWORKS = [
    "keras/eager/cpu",
    "torch/eager/cpu",
    "keras-to-torch/eager/cpu",
    "keras-to-tensorflow/graph/cpu",
    "torch/ort-all/cpu",
    "torch/openvino-f32/cpu",
]
COMPILERS = [
    "keras/graph/cpu",
    "keras/xla/cpu",
    "keras/litert/cpu",
    "keras/ort-off/cpu",
    "keras/ort-all/cpu",
    "keras/openvino-f32/cpu",
    "keras/tvm-o3/cpu",
    "torch/script/cpu",
]
DEVICES = [
    "keras/graph/cpu+sse*",
    "keras/openvino-f32/cpu+sse*",
    "keras/openvino-f32/cpu+avx2*",
    "torch/eager/cpu+sse*",
    "torch/script/cpu+sse*",
]
"""Ceilings by globs: another machine's processor may have none of them, and then they are skipped."""

SLOW = ["keras/tvm-o4/cpu"]
"""For the smallest model alone: untuned, TVM takes seconds an image on the others."""


class Study:
    """Labels and time of a model in an environment."""

    def test_labels(self, envrobust):
        envrobust.assert_labels_agree()

    def test_time(self, envrobust):
        envrobust.assert_latency()


@pytest.mark.envrobust(environments=[*FRAMEWORKS, *COMPILERS, *DEVICES])
class TestEveryModel(Study):
    """Each model in each environment."""


@pytest.mark.envrobust(models=["mobilenet_v2"], environments=SLOW)
class TestSmallestModel(Study):
    """What takes too long for the others."""
