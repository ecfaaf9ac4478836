"""Packages whose loaders have known holes do not read files; the versions are those that the extras ask for."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.requirements import KERAS, ONNX, TORCH, Floor, Requirement
from pytest_envrobust.frameworks._floors import check_loader, numbers


@pytest.mark.parametrize("requirement", [TORCH, ONNX, KERAS], ids=lambda each: each.module)
def test_the_extras_ask_for_the_same(requirement: Requirement) -> None:
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8")
    asked = set(re.findall(rf'"{requirement.module}>=([\d.]+)"', text))
    assert requirement.floor is not None
    assert asked == {requirement.floor.version}


@pytest.mark.parametrize(("version", "sound"), [("2.9.1", False), ("2.10.0+cpu", True), ("2.10", True), ("3.0", True)])
def test_an_older_package_does_not_read(monkeypatch: pytest.MonkeyPatch, version: str, sound: bool) -> None:
    module = ModuleType("reader_of_files")
    module.__version__ = version  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    requirement = Requirement(module.__name__, "", floor=Floor("2.10", "reads too much"))
    if sound:
        check_loader(requirement, Path("net.pt2"))
        return
    with pytest.raises(DeclarationError, match=r"reader_of_files before 2\.10 reads too much") as refused:
        check_loader(requirement, Path("net.pt2"))
    assert refused.value.remedy.endswith("-m pip install 'reader_of_files>=2.10'")


def test_a_file_is_not_read_by_an_older_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    files = import_module("pytest_envrobust.frameworks._torch_files")
    torch.save({"w": torch.ones(1)}, tmp_path / "w.pth")
    (tmp_path / "net.pt2").write_bytes(b"")
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    for action, name in ((files.read_model, "net.pt2"), (files.read_model, "w.pth")):
        with pytest.raises(DeclarationError, match=rf"{name} is not read by torch 2\.9\.1"):
            action(tmp_path / name)
    with pytest.raises(DeclarationError, match=r"w\.pth is not read by torch 2\.9\.1"):
        files.load_weights(torch.nn.Linear(1, 1), tmp_path / "w.pth")


def test_the_numbers_of_a_version() -> None:
    assert numbers("2.10.0rc1+cpu") == numbers("2.10") == (2, 10)
    assert numbers("") == ()
