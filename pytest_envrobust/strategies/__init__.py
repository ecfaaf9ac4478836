"""Hypothesis strategies for images, batches, perturbations and small networks.

The names below are loaded when first used: importing the package imports neither Hypothesis nor a framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_envrobust.frameworks.onnx_networks import Network
    from pytest_envrobust.strategies.inputs import batches, images, perturbed
    from pytest_envrobust.strategies.networks import models
    from pytest_envrobust.strategies.perturbation import Perturbation, PerturbedImage

__all__ = ["Network", "Perturbation", "PerturbedImage", "batches", "images", "models", "perturbed"]

_HOMES = {
    "Network": "pytest_envrobust.frameworks.onnx_networks",
    "Perturbation": "pytest_envrobust.strategies.perturbation",
    "PerturbedImage": "pytest_envrobust.strategies.perturbation",
    "batches": "pytest_envrobust.strategies.inputs",
    "images": "pytest_envrobust.strategies.inputs",
    "models": "pytest_envrobust.strategies.networks",
    "perturbed": "pytest_envrobust.strategies.inputs",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
