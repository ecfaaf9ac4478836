"""One network on every kind of device that a machine can stand in for.

Ceilings of the instruction set; other versions of an engine in another interpreter; this machine again, behind ssh; and
two emulated processors. What `places.py` has not made is left out.
"""

from __future__ import annotations

import pytest
from demo_models import photographs
from places import HOST, OTHER_PYTHON, SSH_CONFIG, serving

import pytest_envrobust as er

LITE0 = er.Preprocess(resize=256, filter="bicubic", crop=224, mean=(127, 127, 127), std=(128, 128, 128))
PHOTOGRAPHS = 20


def pytest_envrobust_models(config: pytest.Config) -> list[er.Model]:
    """EfficientNet-Lite0 with its real weights."""
    inputs = er.ImageFolder(photographs(), LITE0, pattern="imagenet_*.jpg")
    return [er.Model("lite0", sources={"torch": "demo_models:efficientnet_lite0"}, inputs=inputs)]


def pytest_envrobust_devices(config: pytest.Config) -> list[er.Device]:
    """All photographs on the emulated processors too: their outputs can be held against all others'."""
    devices = [er.Device(model.lower(), emulate=model, inputs=PHOTOGRAPHS) for model in ("SandyBridge", "Haswell")]
    if OTHER_PYTHON.exists():
        devices.append(er.Device("ort-1.20", python=str(OTHER_PYTHON)))
    if SSH_CONFIG.exists():
        devices.append(er.Device("loopback", ssh=HOST, ssh_config=str(SSH_CONFIG), python=str(OTHER_PYTHON)))
    return devices


def pytest_configure(config: pytest.Config) -> None:
    """The ssh server runs as long as pytest does."""
    if SSH_CONFIG.exists() and not hasattr(config, "workerinput"):
        stop = serving()
        config.add_cleanup(stop)
