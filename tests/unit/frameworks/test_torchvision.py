"""A torchvision of another build beside torch, and packages that wrap its import error in one of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_envrobust.frameworks import _torchvision as framework

MISSING = "operator torchvision::nms does not exist"


def bare() -> None:
    raise RuntimeError(MISSING)


def caused() -> None:
    try:
        bare()
    except RuntimeError as error:
        raise ModuleNotFoundError("could not import module 'Classifier'") from error


def in_passing() -> None:
    try:
        caused()
    except ModuleNotFoundError:
        raise AttributeError("module has no Classifier")  # noqa: B904 - the context alone tells


def hidden() -> None:
    try:
        caused()
    except ModuleNotFoundError:
        raise ValueError("no such model") from None


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was declared to torch; the declaration itself would hold for the whole process."""
    found: list[str] = []
    monkeypatch.setattr(framework, "_declare_torchvision_operators", lambda: found.append("operators"))
    monkeypatch.setattr(framework, "_kept_libraries", [])
    return found


@pytest.mark.parametrize("fails", [bare, caused, in_passing, hidden])
def test_the_missing_operators_are_found_behind_other_errors(fails: Callable[[], None], declared: list[str]) -> None:
    def action() -> str:
        if not declared:
            fails()
        return "loaded"

    assert framework.with_torchvision(action) == "loaded"
    assert declared == ["operators"]


def test_another_error_passes_through(declared: list[str]) -> None:
    def action() -> None:
        raise ModuleNotFoundError("there is no such package")

    with pytest.raises(ModuleNotFoundError, match="no such package"):
        framework.with_torchvision(action)
    assert not declared
