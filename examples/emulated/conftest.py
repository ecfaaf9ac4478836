"""One network, quantized in two ways, on this processor and on an emulated one that is older."""

from __future__ import annotations

import pytest
from int8_models import BUILD, MODELS, photographs

import pytest_envrobust as er


def pytest_envrobust_models(config: pytest.Config) -> list[er.Model]:
    """Both files."""
    return [er.Model(name, sources={"onnx": BUILD / f"{name}.onnx"}, inputs=photographs()) for name in MODELS]


def pytest_envrobust_devices(config: pytest.Config) -> list[er.Device]:
    """An Intel processor of 2013: AVX2, and no dot products of bytes. All photographs, not the first few."""
    return [er.Device("haswell", emulate="Haswell", inputs=20)]
