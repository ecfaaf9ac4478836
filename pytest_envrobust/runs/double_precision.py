"""The reference's network in double precision: what a cell's fidelity is told against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from pytest_envrobust.comparison.fidelity import Fidelity, fidelity
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import EnvrobustError
from pytest_envrobust.runs.cases import Case
from pytest_envrobust.runs.cell_run import CellRun
from pytest_envrobust.runs.registry import Registry

FLOAT64 = "float64"
"""The compiler that runs a source in double precision."""


def fidelity_of(
    registry: Registry, case: Case, actual: NDArray[Any], expected: NDArray[Any]
) -> tuple[Fidelity | None, str]:
    """The fidelity of a case's scores and the environment in double precision; or ``None``, and why there is none."""
    why = f"no source of {case.model_name!r} can run in double precision"
    for run in _exact_runs(registry, case):
        try:
            exact = run.predictions.scores
        except EnvrobustError as error:
            why = error.headline
            continue
        exact = exact[: len(actual)]
        if exact.shape == actual.shape:
            return fidelity(actual, expected, exact), run.environment.id
        why = f"{run.environment.id} gives scores of shape {exact.shape}"
    return None, why


def _exact_runs(registry: Registry, case: Case) -> Iterator[CellRun]:
    """Environments in double precision, of the reference's own source, first without a conversion."""
    source = case.reference.source
    for environment in registry.context.catalogue.environments((source,)):
        if environment.compiler == FLOAT64 and environment.device == "cpu":
            yield registry.cell_run(case.model, Environment.parse(environment.id))
