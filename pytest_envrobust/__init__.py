"""Cross-environment consistency tests for image classifiers.

The names below are loaded when first used: importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_envrobust import strategies
    from pytest_envrobust.checks.assertions import (
        EnvironmentMismatch,
        assert_accuracy,
        assert_labels_agree,
        assert_latency,
    )
    from pytest_envrobust.checks.thresholds import Thresholds
    from pytest_envrobust.comparison.invariants import Invariant
    from pytest_envrobust.comparison.labels import LabelComparison
    from pytest_envrobust.core.environment import Environment
    from pytest_envrobust.core.errors import (
        DeclarationError,
        EnvrobustError,
        NoRoute,
        StageFailure,
        Unavailable,
    )
    from pytest_envrobust.core.timing import Timing
    from pytest_envrobust.environments.devices import Device
    from pytest_envrobust.integration.outside_checks import register_check
    from pytest_envrobust.models import zoo
    from pytest_envrobust.models.inputs import Arrays, ImageFolder, LoadedInputs
    from pytest_envrobust.models.model import Model, Source
    from pytest_envrobust.models.preprocess import Preprocess
    from pytest_envrobust.models.recorded import RecordedPredictions
    from pytest_envrobust.notebook import compare
    from pytest_envrobust.record.schema import Record
    from pytest_envrobust.runs.cell import Cell
    from pytest_envrobust.runs.runner import Runner
    from pytest_envrobust.strategies.disagreement import Disagreement
    from pytest_envrobust.strategies.search import find_disagreement
    from pytest_envrobust.timing.evidence import LatencyEvidence
    from pytest_envrobust.verdicts.accuracy import AccuracyEvidence
    from pytest_envrobust.verdicts.scores import ScoreEvidence

__all__ = [
    "AccuracyEvidence",
    "Arrays",
    "Cell",
    "DeclarationError",
    "Device",
    "Disagreement",
    "Environment",
    "EnvironmentMismatch",
    "EnvrobustError",
    "ImageFolder",
    "Invariant",
    "LabelComparison",
    "LatencyEvidence",
    "LoadedInputs",
    "Model",
    "NoRoute",
    "Preprocess",
    "Record",
    "RecordedPredictions",
    "Runner",
    "ScoreEvidence",
    "Source",
    "StageFailure",
    "Thresholds",
    "Timing",
    "Unavailable",
    "assert_accuracy",
    "assert_labels_agree",
    "assert_latency",
    "compare",
    "find_disagreement",
    "register_check",
    "strategies",
    "zoo",
]

_HOMES = {
    "AccuracyEvidence": "verdicts.accuracy",
    "Arrays": "models.inputs",
    "Cell": "runs.cell",
    "DeclarationError": "core.errors",
    "Device": "environments.devices",
    "Disagreement": "strategies.disagreement",
    "Environment": "core.environment",
    "EnvironmentMismatch": "checks.assertions",
    "EnvrobustError": "core.errors",
    "ImageFolder": "models.inputs",
    "Invariant": "comparison.invariants",
    "LabelComparison": "comparison.labels",
    "LatencyEvidence": "timing.evidence",
    "LoadedInputs": "models.inputs",
    "Model": "models.model",
    "NoRoute": "core.errors",
    "Preprocess": "models.preprocess",
    "Record": "record.schema",
    "RecordedPredictions": "models.recorded",
    "Runner": "runs.runner",
    "ScoreEvidence": "verdicts.scores",
    "Source": "models.model",
    "StageFailure": "core.errors",
    "Thresholds": "checks.thresholds",
    "Timing": "core.timing",
    "Unavailable": "core.errors",
    "assert_accuracy": "checks.assertions",
    "assert_labels_agree": "checks.assertions",
    "assert_latency": "checks.assertions",
    "compare": "notebook",
    "find_disagreement": "strategies.search",
    "register_check": "integration.outside_checks",
    "strategies": "strategies",
    "zoo": "models.zoo",
}


if not TYPE_CHECKING:  # a type checker that saw it would let any name pass

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        home = import_module(f"{__name__}.{_HOMES[name]}")
        value = home if home.__name__.endswith(f".{name}") else getattr(home, name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
