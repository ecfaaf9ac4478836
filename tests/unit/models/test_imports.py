"""A module of a name that two folders have: what is meant is imported, or the declaration is refused."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from pytest_envrobust import DeclarationError
from pytest_envrobust.models.imports import check_imports

NAME = "envrobust_nets_of_a_test"


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two folders with a module of one name; the second stands first on Python's path."""
    found = tmp_path / "one", tmp_path / "two"
    for folder in found:
        folder.mkdir()
        (folder / f"{NAME}.py").write_text("def load():\n    return 1\n")
        monkeypatch.syspath_prepend(str(folder))
    return found


def conftest_function(module: Any) -> Any:
    """What a conftest defines: a function whose code uses the module."""
    conftest = types.ModuleType("conftest")
    conftest.nets = module  # type: ignore[attr-defined]
    exec("def load():\n    return nets.load()", conftest.__dict__)
    return conftest.load


def test_an_import_path_means_the_folder_of_its_conftest(folders: tuple[Path, Path]) -> None:
    one, two = folders
    check_imports(f"{NAME}:load", two)
    with pytest.raises(DeclarationError, match=f"'{NAME}' would be imported from .*two.*one.* is meant"):
        check_imports(f"{NAME}:load", one)


def test_a_folder_that_is_not_on_the_path_means_nothing(folders: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "three"
    other.mkdir()
    (other / f"{NAME}.py").touch()
    for folder in (other, None):
        check_imports(f"{NAME}:load", folder)
    check_imports("no_module_of_this_name:load", folders[0])


@pytest.mark.parametrize("of_conftest", [False, True])
def test_a_function_means_what_it_was_imported_from(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, of_conftest: bool
) -> None:
    one, two = folders
    for folder, is_meant in ((two, True), (one, False)):
        monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
        monkeypatch.delitem(sys.modules, NAME, raising=False)
        module = importlib.import_module(NAME)
        monkeypatch.setattr(sys, "path", [str(two), *sys.path])
        target = conftest_function(module) if of_conftest else module.load
        if is_meant:
            check_imports(target, folder)
        else:
            with pytest.raises(DeclarationError, match=r"would be imported from .*two"):
                check_imports(target, folder)
