"""Cross-environment consistency tests for image classifiers.

The names below are loaded when first used: importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_envrobust import strategies
    from pytest_envrobust.checks.assertions import EnvironmentMismatch, assert_labels_agree, assert_latency
    from pytest_envrobust.core.environment import Environment
    from pytest_envrobust.core.errors import (
        DeclarationError,
        EnvrobustError,
        NoRoute,
        StageFailure,
        Unavailable,
    )
    from pytest_envrobust.environments.devices import Device
    from pytest_envrobust.models import zoo
    from pytest_envrobust.models.inputs import Arrays, ImageFolder
    from pytest_envrobust.models.model import Model, Source
    from pytest_envrobust.models.preprocess import Preprocess
    from pytest_envrobust.models.recorded import RecordedPredictions
    from pytest_envrobust.strategies.disagreement import Disagreement, find_disagreement
    from pytest_envrobust.verdicts.limits import Thresholds

__all__ = [
    "Arrays",
    "DeclarationError",
    "Device",
    "Disagreement",
    "Environment",
    "EnvironmentMismatch",
    "EnvrobustError",
    "ImageFolder",
    "Model",
    "NoRoute",
    "Preprocess",
    "RecordedPredictions",
    "Source",
    "StageFailure",
    "Thresholds",
    "Unavailable",
    "assert_labels_agree",
    "assert_latency",
    "find_disagreement",
    "strategies",
    "zoo",
]

_HOMES = {
    "Arrays": "models.inputs",
    "DeclarationError": "core.errors",
    "Device": "environments.devices",
    "Disagreement": "strategies.disagreement",
    "Environment": "core.environment",
    "EnvironmentMismatch": "checks.assertions",
    "EnvrobustError": "core.errors",
    "ImageFolder": "models.inputs",
    "Model": "models.model",
    "NoRoute": "core.errors",
    "Preprocess": "models.preprocess",
    "RecordedPredictions": "models.recorded",
    "Source": "models.model",
    "StageFailure": "core.errors",
    "Thresholds": "verdicts.limits",
    "Unavailable": "core.errors",
    "assert_labels_agree": "checks.assertions",
    "assert_latency": "checks.assertions",
    "find_disagreement": "strategies.disagreement",
    "strategies": "strategies",
    "zoo": "models.zoo",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    home = import_module(f"{__name__}.{_HOMES[name]}")
    value = home if home.__name__.endswith(f".{name}") else getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
