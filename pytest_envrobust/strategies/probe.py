"""Inputs predicted in both environments, many at a time and counted: how near each is to two different labels."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.labels import UNDEFINED, margins, top1
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.models.inputs import LoadedInputs

_SMALLEST = 1e-30
"""Probabilities are taken as at least this: a float32 holds it, and its logarithm is finite."""


class Predictor(Protocol):
    """A cell, or its reference."""

    @property
    def model_name(self) -> str:
        """The model's name in the run, which tells it from others of its own name."""

    @property
    def environment(self) -> Environment:
        """Where it predicts."""

    def predict(self, inputs: LoadedInputs | NDArray[Any]) -> NDArray[Any]:
        """Scores, (N, classes)."""


@dataclass(frozen=True, eq=False)
class Pair:
    """What both environments say of some inputs: scores of shape (N, classes) each."""

    actual: NDArray[Any]
    expected: NDArray[Any]

    @property
    def labels(self) -> tuple[list[int], list[int]]:
        """The reference's labels and the cell's."""
        return top1(self.expected).tolist(), top1(self.actual).tolist()

    @property
    def margins(self) -> list[float]:
        """The reference's margins."""
        found: list[float] = margins(self.expected).tolist()
        return found

    @property
    def closest(self) -> dict[str, float]:
        """The least margin of any input, in each environment, where it is a number."""
        found = {"reference's margin": margins(self.expected).min(), "cell's margin": margins(self.actual).min()}
        return {name: float(lead) for name, lead in found.items() if math.isfinite(lead)}

    def row(self, place: int) -> Pair:
        """The scores of one input."""
        return Pair(self.actual[place : place + 1], self.expected[place : place + 1])

    def differs(self) -> list[bool]:
        """Which inputs are labeled differently; a NaN agrees with nothing."""
        return [one != other or one == UNDEFINED for one, other in zip(*self.labels)]

    def leads(self, label: int) -> NDArray[np.float64]:
        """How far ``label`` is ahead of all others, (2, N): in the reference and in the cell.

        Below 0 where another one is. Probabilities are compared by their logarithms, which do not saturate.
        """
        return np.stack([_leads(self.expected, label), _leads(self.actual, label)])


class Probe:
    """Predicts inputs in both environments until so many were, or until the time is over."""

    def __init__(self, cell: Predictor, reference: Predictor, most: int, seconds: float | None = None) -> None:
        self.cell, self.reference = cell, reference
        self.predictions = 0
        self._most = most
        self._end = math.inf if seconds is None else time.monotonic() + seconds

    @property
    def left(self) -> int:
        """How many inputs may still be predicted."""
        return max(self._most - self.predictions, 0) if time.monotonic() < self._end else 0

    def predict(self, inputs: LoadedInputs | NDArray[Any]) -> Pair:
        """Both environments' scores: one call of each, however many inputs these are."""
        self.predictions += len(inputs)
        actual, expected = self.cell.predict(inputs), self.reference.predict(inputs)
        if actual.shape != expected.shape:
            raise DeclarationError(
                f"scores of shapes {actual.shape} in {self.cell.environment.id} and {expected.shape} in "
                f"{self.reference.environment.id} cannot be compared",
                remedy="declare the extra leading classes: Source(..., label_offset=1)",
            )
        return Pair(actual, expected)


def _leads(scores: NDArray[Any], label: int) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    if _are_probabilities(values):
        values = np.log(np.maximum(values, _SMALLEST))
    others = np.delete(values, label, axis=1).max(axis=1, initial=-math.inf)
    found: NDArray[np.float64] = values[:, label] - others
    return np.nan_to_num(found, nan=0.0)


def _are_probabilities(values: NDArray[np.float64]) -> bool:
    return bool((values >= 0).all() and np.allclose(values.sum(axis=1), 1.0, atol=0.01))
