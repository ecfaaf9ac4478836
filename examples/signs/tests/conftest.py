"""The model under test, its images, and the limits on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import pytest_envrobust as er

HERE = Path(__file__).parent
PIXELS = er.Preprocess(resize=48, crop=48, scale=1 / 127.5, mean=(1, 1, 1))


def pytest_envrobust_models(config: pytest.Config) -> list[er.Model]:
    """One model with two definitions, each with the layout that its framework takes."""
    return [
        er.Model(
            "signs",
            sources={
                "torch": er.Source("signs.nets:torch_net", replace(PIXELS, layout="NCHW")),
                "keras": er.Source("signs.nets:keras_net", replace(PIXELS, layout="NHWC")),
            },
            inputs=er.ImageFolder(HERE / "images"),
            labels=HERE / "labels.txt",
        )
    ]


@pytest.fixture(scope="session")
def envrobust_thresholds() -> er.Thresholds:
    """Every label agrees, but where OpenVINO may take bfloat16; what ships must not be slower than torch."""
    return (
        er.Thresholds(min_label_agreement=1.0)
        .where("*/openvino/*", min_label_agreement=0.95)
        .where("torch/ort-all/cpu", max_latency_ratio=2.0)
    )
