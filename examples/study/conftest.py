"""The four models of the study, on twenty photographs; nothing is asked of them, all is measured."""

from __future__ import annotations

import pytest
from demo_models import photographs

import pytest_envrobust as er


def pytest_envrobust_models(config: pytest.Config) -> list[er.Model]:
    """MobileNetV2, ResNet101V2, DenseNet121, InceptionV3 with seeded weights, in keras and in torch."""
    return er.zoo.all(er.ImageFolder(photographs(), pattern="imagenet_*.jpg"))


@pytest.fixture(scope="session")
def envrobust_thresholds() -> er.Thresholds:
    """A study measures: no share of flipped labels fails it."""
    return er.Thresholds(min_label_agreement=0.0)
