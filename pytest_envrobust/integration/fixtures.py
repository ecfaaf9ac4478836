"""The fixtures."""

from __future__ import annotations

import pytest

from pytest_envrobust.checks.registry import limit_kinds
from pytest_envrobust.checks.thresholds import Layer, Thresholds
from pytest_envrobust.core.axes import Axes
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError, EnvrobustError
from pytest_envrobust.integration.collected import Collected
from pytest_envrobust.integration.outcomes import SUBJECT, refuse, rerun_command, skip_or_refuse
from pytest_envrobust.integration.parametrization import marker_arguments
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.models.model import Model
from pytest_envrobust.runs.cases import Case, Fault
from pytest_envrobust.runs.cell import Cell
from pytest_envrobust.runs.registry import Registry
from pytest_envrobust.runs.runner import Runner

REGISTRY = pytest.StashKey[Registry]()
"""Under it the configuration has the models and cells of its run."""
COLLECTED = pytest.StashKey[Collected]()
"""Under it the configuration has what the collection found out."""
_NO_CASE = DeclarationError(
    "this test asks for a cell, and there is no item of it for each environment",
    cause="pytest cannot make them of the methods of a unittest.TestCase, nor of a test that asks by getfixturevalue",
    remedy="write a plain function or class that takes the fixture as an argument: def test_labels(envrobust)",
)


@pytest.fixture(scope="session")
def _envrobust_case(request: pytest.FixtureRequest) -> Case | Fault:
    case: Case | Fault | None = getattr(request, "param", None)
    if case is None:
        refuse(_NO_CASE)
    return case


@pytest.fixture(scope="session")
def envrobust_thresholds() -> Thresholds:
    """The limits; override it in any conftest to return your own."""
    return Thresholds()


@pytest.fixture
def envrobust(request: pytest.FixtureRequest, _envrobust_case: Case | Fault, envrobust_thresholds: Thresholds) -> Cell:
    """The cell under test: one model in one environment, to predict with and to assert on."""
    registry = request.config.stash[REGISTRY]
    case = _envrobust_case
    request.node.stash[SUBJECT] = case
    if isinstance(case, Fault):
        refuse(case.error)
    if isinstance(envrobust_thresholds, Thresholds):
        request.config.stash[COLLECTED].effects.note_thresholds(envrobust_thresholds, case.environment)
    if case.fault is not None:
        skip_or_refuse(case.fault, required=case.required)
    try:
        layers: list[Layer] = [
            marker_limits(request.node),
            _checked_thresholds(envrobust_thresholds),
            *registry.context.settings.outer_limits,
        ]
        axes = marker_axes(request.node)
    except EnvrobustError as error:
        refuse(error)
    cell = Cell(case, registry, layers=layers, axes=axes, rerun=rerun_command(request.node))
    request.node.stash[SUBJECT] = cell
    return cell


@pytest.fixture
def envrobust_model(envrobust: Cell) -> Model:
    """The model of the cell under test."""
    return envrobust.model


@pytest.fixture
def envrobust_environment(envrobust: Cell) -> Environment:
    """The environment of the cell under test."""
    return envrobust.environment


@pytest.fixture
def envrobust_reference(envrobust: Cell) -> Runner:
    """The environment that the cell under test is compared with, to predict with."""
    return envrobust.reference


@pytest.fixture
def envrobust_inputs(envrobust: Cell) -> LoadedInputs:
    """The model's inputs; every environment's ``predict`` prepares them for its own source."""
    return envrobust.inputs


def _checked_thresholds(given: object) -> Thresholds:
    """What the fixture gave. Raises `DeclarationError` where a conftest's override returns something else."""
    if isinstance(given, Thresholds):
        return given
    raise DeclarationError(
        f"the fixture envrobust_thresholds returned {given!r}",
        cause="Thresholds are needed",
        remedy="return er.Thresholds(min_label_agreement=0.99)",
    )


def marker_limits(node: pytest.Item) -> Thresholds:
    """The limits that the test's markers set. Raises `DeclarationError` for a malformed one."""
    arguments = marker_arguments(node)
    return Thresholds.of({name: arguments[name] for name in limit_kinds() if name in arguments}, "marker")


def marker_axes(node: pytest.Item) -> Axes:
    """The axes of timing that the test's markers declare. Raises `DeclarationError` for malformed ones."""
    arguments = marker_arguments(node)
    return Axes.of(arguments.get("batch_sizes"), arguments.get("threads"), "marker")
