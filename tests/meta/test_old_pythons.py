"""What a worker runs evaluates no union of types: Python 3.9 has none, and vermin cannot tell annotations."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TYPES = {"str", "int", "float", "bool", "bytes", "dict", "list", "tuple", "Path", "type"}


def in_a_worker() -> list[Path]:
    """The files that ``make check`` holds to Python 3.9."""
    listed = re.search(r"^IN_A_WORKER = (.+?)\n\n", (ROOT / "Makefile").read_text(), re.MULTILINE | re.DOTALL)
    assert listed is not None
    places = [ROOT / name for name in listed[1].replace("\\", " ").split()]
    assert all(place.exists() for place in places)
    return [file for place in places for file in (sorted(place.rglob("*.py")) if place.is_dir() else [place])]


def unions(source: str) -> Iterator[int]:
    """The lines of type unions that are evaluated: those in annotations are not."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            if hasattr(node, name):
                setattr(node, name, None)
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            sides = (node.left, node.right)
            named = any(isinstance(side, ast.Name) and side.id in TYPES for side in sides)
            if named or any(isinstance(side, ast.Constant) and side.value is None for side in sides):
                yield node.lineno


def test_the_list_is_read() -> None:
    names = {path.name for path in in_a_worker()}
    assert {
        "entry.py",
        "request_handler.py",
        "protocol.py",
        "onnxruntime.py",
        "onnx_from_torch.py",
        "sources.py",
    } <= names


@pytest.mark.parametrize("path", in_a_worker(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_union_is_evaluated(path: Path) -> None:
    assert list(unions(path.read_text(encoding="utf-8"))) == []


def test_one_that_is_evaluated_is_found() -> None:
    assert list(unions("def f(x: int | None) -> str | int:\n    y: int | str = 3\n")) == []
    assert list(unions("Option = int | str\nisinstance(1, int | None)\n")) == [1, 2]
