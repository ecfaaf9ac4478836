"""Hypothesis strategies for images, batches, perturbations and small networks.

The names below are loaded when first used: importing the package imports neither Hypothesis nor a framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_envrobust.frameworks.onnx_networks import Activation, BatchNorm, Conv, Network, Pool, Residual
    from pytest_envrobust.strategies.inputs import batches, images, perturbed
    from pytest_envrobust.strategies.networks import models
    from pytest_envrobust.strategies.perturbation import Perturbation, PerturbedImage

__all__ = [
    "Activation",
    "BatchNorm",
    "Conv",
    "Network",
    "Perturbation",
    "PerturbedImage",
    "Pool",
    "Residual",
    "batches",
    "images",
    "models",
    "perturbed",
]

_NAMES = {
    "pytest_envrobust.frameworks.onnx_networks": ("Activation", "BatchNorm", "Conv", "Network", "Pool", "Residual"),
    "pytest_envrobust.strategies.inputs": ("batches", "images", "perturbed"),
    "pytest_envrobust.strategies.networks": ("models",),
    "pytest_envrobust.strategies.perturbation": ("Perturbation", "PerturbedImage"),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}


if not TYPE_CHECKING:  # a type checker that saw it would let any name pass

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
