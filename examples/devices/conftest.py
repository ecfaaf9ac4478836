"""One network on every kind of device that a machine can stand in for.

Ceilings of the instruction set; other versions of an engine in another interpreter; this machine again, behind ssh; and
two emulated processors. What `places.py` could not make is left out, and the end of the run says what would bring it.
"""

from __future__ import annotations

import sys

import pytest
from demo_models import photographs
from places import HOST, OTHER, OTHER_PYTHON, SSH_CONFIG, left_out, serving

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
    absent = left_out()
    other = sys.executable if OTHER in absent else str(OTHER_PYTHON)
    if OTHER not in absent:
        devices.append(er.Device(OTHER, python=other))
    if HOST not in absent:
        devices.append(er.Device(HOST, ssh=HOST, ssh_config=str(SSH_CONFIG), python=other))
    return devices


def pytest_configure(config: pytest.Config) -> None:
    """The ssh server runs as long as pytest does."""
    if HOST not in left_out() and not hasattr(config, "workerinput"):
        stop = serving()
        config.add_cleanup(stop)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A device that is not declared is in no table: here it is."""
    for name, remedy in left_out().items():
        terminalreporter.write_line(f"left out: {name}: {remedy}")
