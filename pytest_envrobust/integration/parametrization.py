"""One test item for each model and environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pytest_envrobust.checks.registry import checks, limit_kinds
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError, EnvrobustError
from pytest_envrobust.environments.selection import check_patterns
from pytest_envrobust.integration.collected import Collected
from pytest_envrobust.integration.declarations import Declarations
from pytest_envrobust.models.model import Model
from pytest_envrobust.planning.catalogue import Catalogue
from pytest_envrobust.runs.cases import Case, Choice, Fault, cases_of, choice_of, find_models
from pytest_envrobust.runs.context import RunContext

CASE_FIXTURE = "_envrobust_case"
"""The fixture that all fixtures of a cell ask for."""
_MARKER_KEYS = ("models", "environments", "reference", "batch_sizes", "threads")
"""Arguments of the marker beside the limits."""


class Parametrization:
    """Parametrizes tests that use one of the fixtures."""

    def __init__(self, context: RunContext, declarations: Declarations, collected: Collected) -> None:
        self._context, self._declarations, self._collected = context, declarations, collected

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One item a case. What cannot be used becomes one failing item: nobody else's result is lost."""
        if CASE_FIXTURE not in metafunc.fixturenames:
            return
        try:
            cases = self._cases(metafunc)
        except EnvrobustError as error:
            cases = [Fault("", error)]
        # Session scope groups the items of a case, so that its worker is used while it is there.
        metafunc.parametrize(CASE_FIXTURE, cases, ids=[case.id for case in cases], indirect=True, scope="session")

    def _cases(self, metafunc: pytest.Metafunc) -> Sequence[Case | Fault]:
        catalogue = self._context.catalogue
        marker = marker_arguments(metafunc.definition)
        declared = self._declarations.for_test(metafunc.definition)
        if not declared and not marker.get("models"):
            raise DeclarationError(
                "no model is declared for this test", remedy="declare one in a conftest: pytest_envrobust_models"
            )
        base = choice_of(self._context.settings)
        reference = _reference(marker, catalogue) or base.reference
        choice = Choice(base.patterns, _listed(marker, "environments"), base.narrowing, reference)
        found: list[Case | Fault] = []
        for model in find_models(_listed(marker, "models"), declared, self._context.declared):
            if isinstance(model, Fault):
                found.append(model)
            elif (fault := _without_truth(model, marker)) is not None:
                found.append(fault)
            else:
                found += cases_of(model, catalogue, choice, self._collected.left_out, self._context.declared)
        return found


def marker_arguments(node: pytest.Item) -> dict[str, Any]:
    """Arguments of all ``envrobust`` markers of a test, the closest winning. Raises `DeclarationError`."""
    found: dict[str, Any] = {}
    known = {*_MARKER_KEYS, *limit_kinds()}
    for marker in reversed(list(node.iter_markers("envrobust"))):
        if marker.args:
            raise DeclarationError(
                f"the envrobust marker got {marker.args[0]!r}", cause="it takes keyword arguments only"
            )
        for name in marker.kwargs:
            if name not in known:
                raise DeclarationError(
                    f"the envrobust marker has no argument {name!r}", cause=f"it has {', '.join(sorted(known))}"
                )
        found |= marker.kwargs
    return found


def _without_truth(model: Model, marker: Mapping[str, Any]) -> Fault | None:
    """That the marker limits what only true classes can tell, and the model has none; ``None`` where all is well."""
    for check in checks().values():
        if check.needs_truth and any(kind.name in marker for kind in check.limits):
            try:
                model.check_knows_truth()
            except DeclarationError as error:
                return Fault(model.name, error)
    return None


def _listed(marker: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = marker.get(name) or ()
    listed = tuple(value) if isinstance(value, (list, tuple, set, frozenset)) else (value,)
    if not all(isinstance(item, str) for item in listed):
        raise DeclarationError(f"the envrobust marker's {name}={value!r}", cause="it is a list of names")
    return listed


def _reference(marker: Mapping[str, Any], catalogue: Catalogue) -> Environment | None:
    if "reference" not in marker:
        return None
    name = marker["reference"]
    if not isinstance(name, str):
        raise DeclarationError(f"the envrobust marker's reference={name!r}", cause="it is an environment's name")
    check_patterns([name], catalogue.everything, "marker")
    return Environment.parse(name)
