"""Two models, twenty photographs, and the limits on them."""

from __future__ import annotations

import pytest
from demo_models import KERAS_FILE, photographs

import pytest_envrobust as er

LITE0 = er.Preprocess(resize=256, filter="bicubic", crop=224, mean=(127, 127, 127), std=(128, 128, 128))


def pytest_envrobust_models(config: pytest.Config) -> list[er.Model]:
    """EfficientNet-Lite0 with its real weights in torch; MobileNetV2, seeded and calibrated, in keras."""
    images = photographs()
    return [
        er.Model(
            "lite0",
            sources={"torch": "demo_models:efficientnet_lite0"},
            inputs=er.ImageFolder(images, LITE0, pattern="imagenet_*.jpg"),
        ),
        er.Model(
            "mobilenet",
            sources={"keras": KERAS_FILE},
            inputs=er.ImageFolder(images, er.Preprocess.inception(224), pattern="imagenet_*.jpg"),
        ),
    ]


@pytest.fixture(scope="session")
def envrobust_thresholds() -> er.Thresholds:
    """All labels agree, but for bfloat16, which OpenVINO takes by itself too: there one in twenty may flip."""
    limits = er.Thresholds(min_label_agreement=1.0).where("*/openvino/cpu", min_label_agreement=0.95)
    return limits.where("*/openvino-bf16/*", min_label_agreement=0.95)
