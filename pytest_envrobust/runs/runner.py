"""A model in an environment, ready to predict: a cell's reference, and the base of the cell under test."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar, runtime_checkable

from numpy.typing import NDArray

from pytest_envrobust.checks.assertions import EnvironmentMismatch
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import EnvrobustError
from pytest_envrobust.core.timing import Timing
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.models.model import Model
from pytest_envrobust.runs.cell_run import CellRun

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def hide_traceback(method: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Let errors that were raised on purpose show the user's line and the message, none of this package's frames."""

    @wraps(method)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        __tracebackhide__ = True
        try:
            return method(*args, **kwargs)
        except (EnvrobustError, EnvironmentMismatch) as error:
            raise error.with_traceback(None) from None

    return call


@runtime_checkable
class HasInputs(Protocol):
    """What carries inputs to predict from, as a picture that a strategy changed does."""

    @property
    def inputs(self) -> LoadedInputs:
        """The inputs themselves."""


class Runner:
    """A model in an environment, ready to predict: a cell's reference, and the base of the cell itself."""

    def __init__(self, run: CellRun) -> None:
        self._run = run

    @property
    def model(self) -> Model:
        return self._run.model_run.model

    @property
    def model_name(self) -> str:
        """The model's name in this run, which tells it from others that were declared under the same one."""
        return self._run.model_run.name

    @property
    def environment(self) -> Environment:
        return self._run.environment

    @property
    @hide_traceback
    def inputs(self) -> LoadedInputs:
        """The model's inputs: names, and decoded images or an array."""
        return self._run.model_run.inputs

    @hide_traceback
    def predict(self, inputs: LoadedInputs | HasInputs | NDArray[Any] | None = None) -> NDArray[Any]:
        """Scores, shape (N, classes), in the model's class order, as plain numpy.

        ``inputs`` are the model's own where none are given; an array is fed as it is, shape (N, ...) in the layout and
        dtype that the source takes; pictures are prepared for it. Raises `StageFailure` where a stage fails.
        """
        if isinstance(inputs, HasInputs):
            inputs = inputs.inputs
        return self._run.predict(self.inputs if inputs is None else inputs)

    @hide_traceback
    def call(self) -> Timing:
        """Run one input once and return the time it took in the worker."""
        return self._run.sample(0, 1)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._run.model_run.name} in {self.environment.id}>"
