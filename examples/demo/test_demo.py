"""The same labels, and the inference time, of two models in every framework, compiler and device that is here."""

from __future__ import annotations

import pytest

# Ceilings by globs: another machine's processor may have none of them, and then they are skipped.
TORCH = ["torch/*/cpu", "torch/eager/cpu+*", "torch/script/cpu+*", "torch/openvino-f32/cpu+*", "torch/tvm-o3/cpu+avx2*"]
KERAS = [
    "keras/eager/cpu",
    "keras/graph/cpu",
    "keras/graph/cpu+sse*",
    "keras/xla/cpu",
    "keras/litert*/cpu",
    "keras/ort-all/cpu",
    "keras/openvino-f32/cpu",
    "keras/tvm-o3/cpu",
    "keras-to-torch/eager/cpu",
    "keras-to-torch/script/cpu",
    "keras-to-tensorflow/graph/cpu",
]


@pytest.mark.envrobust(models=["lite0"], environments=TORCH)
class TestPretrainedTorch:
    """EfficientNet-Lite0."""

    def test_labels(self, envrobust):
        envrobust.assert_labels_agree()

    def test_time(self, envrobust):
        envrobust.assert_latency()


@pytest.mark.envrobust(models=["mobilenet"], environments=KERAS)
class TestKeras:
    """MobileNetV2, for the engines that torch cannot feed."""

    def test_labels(self, envrobust):
        envrobust.assert_labels_agree()

    def test_time(self, envrobust):
        envrobust.assert_latency()
