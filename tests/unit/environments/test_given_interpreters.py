from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from support.interpreters import empty_python

from pytest_envrobust import DeclarationError
from pytest_envrobust.core.requirements import INTERPRETERS, NUMPY, Interpreter
from pytest_envrobust.environments.interpreters import given_interpreter, remedy


@pytest.fixture(autouse=True)
def _own(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that needs no more than what is here."""
    monkeypatch.setitem(INTERPRETERS, "own", Interpreter("own", (NUMPY,), ("make it", "fill it")))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a virtual environment without any package."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    empty_python(folder)
    return folder


def given(line: str, base: Path = Path()) -> str:
    """The headline of the error that the line is."""
    with pytest.raises(DeclarationError) as caught:
        given_interpreter(line, base, "the test")
    return caught.value.headline


def test_it_is_asked_for_its_version_and_packages() -> None:
    found = given_interpreter(f"own = {sys.executable}", Path(), "the test")
    assert (found.name, found.python) == ("own", sys.executable)
    assert found.version == ".".join(platform.python_version_tuple()[:2])
    assert found.packages["numpy"] == version("numpy")
    assert "pip" not in found.packages


def test_a_relative_path_is_taken_from_its_base_and_links_stay(bare: Path) -> None:
    message = given("own=venv/bin/python", bare.parent)
    assert "numpy is not installed there (make one: make it && fill it" in message
    assert "--envrobust-interpreter own=" in message


@pytest.mark.parametrize("line", ["own", "own=", "=python", ""])
def test_a_line_of_another_form(line: str) -> None:
    assert "write it as NAME=PYTHON" in given(line)


def test_a_name_that_no_step_has_suggests_the_nearest() -> None:
    assert "did you mean 'onnx2tf'?" in given(f"onnxtf={sys.executable}")


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    message = given("own=nowhere/python", tmp_path)
    assert message.startswith("interpreter own=nowhere/python (the test)")
    assert f"{tmp_path / 'nowhere' / 'python'} does not exist" in message


def test_a_folder_is_not_a_python(bare: Path) -> None:
    assert "is a directory (name the python in it)" in given(f"own={bare}")


@pytest.mark.skipif(os.name == "nt", reason="it needs a script that the system runs by its first line")
@pytest.mark.parametrize("script", ["#!/bin/sh\necho hello\n", "#!/bin/sh\nexit 3\n", "no program"])
def test_a_file_that_is_no_python(tmp_path: Path, script: str) -> None:
    path = tmp_path / "python"
    path.write_text(script)
    path.chmod(0o755)
    assert f"{path} is no Python" in given(f"own={path}")


def test_the_remedy_names_the_version_of_torch_that_is_here() -> None:
    from pytest_envrobust.core.requirements import TORCH
    from pytest_envrobust.environments.availability import installed_version

    text = remedy(INTERPRETERS["litert-torch"])
    assert "{" not in text
    torch = installed_version(TORCH).partition("+")[0]
    assert (f"torch=={torch} " in text) == bool(torch)
