"""Reading a ``.pt2`` file without running what it brings.

By itself `torch.export.load` unpickles example inputs, weights and constants of any kind, evaluates the expressions of
sizes as Python, and opens the compiled libraries that lie in the archive.
"""

from __future__ import annotations

import ast
import os
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_envrobust.core.errors import DeclarationError

_ONLY_WEIGHTS = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_ANYTHING = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
_PLAIN = (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)
_ATOMS = frozenset({"Symbol", "Dummy", "Integer", "Float", "Rational"})
_WORD = re.compile(r"[\w.+-]+")
_LOWERCASE = frozenset({"floor", "ceiling", "sqrt", "log", "exp"})
"""Functions that torch writes into sizes, besides those in capitals (``Max``, ``FloorDiv``)."""


def load_program(path: Path) -> Any:
    """The ``ExportedProgram`` in the file; nothing in it is run. Raises `DeclarationError` where it could be."""
    import torch

    if compiled := _libraries(path):
        raise _refused(path, f"it brings compiled code ({compiled[0]}), which would be run")
    with _guarded(path):
        try:
            return torch.export.load(str(path))
        except pickle.UnpicklingError as error:
            raise _refused(path, f"it holds pickled objects besides tensors: {_named(error)}") from None


def _libraries(path: Path) -> list[str]:
    """What `torch.export.load` would hand to the loader of compiled models."""
    import torch

    try:
        names = torch._C.PyTorchFileReader(str(path)).get_all_records()
    except RuntimeError:  # not of this format: nor does torch.export.load get as far
        return []
    return [name for name in names if name.startswith("data/aotinductor/")]


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """While it lasts `torch.load` reads plain data alone, nothing else is unpickled, and no text is evaluated."""
    import sympy  # type: ignore[import-untyped]

    sympify, loads = sympy.sympify, pickle.loads
    before = {name: os.environ.get(name) for name in (_ONLY_WEIGHTS, _ANYTHING)}

    def checked(value: Any, *args: Any, **named: Any) -> Any:
        if isinstance(value, str) and not is_plain_expression(value):
            raise _refused(path, f"a size in it is no arithmetic: {value[:80]!r}")
        return sympify(value, *args, **named)

    def unpickled(*_: Any, **__: Any) -> Any:
        raise _refused(path, "it holds pickled objects besides tensors")

    os.environ[_ONLY_WEIGHTS] = "1"
    os.environ.pop(_ANYTHING, None)
    sympy.sympify, pickle.loads = checked, unpickled
    try:
        yield
    finally:
        sympy.sympify, pickle.loads = sympify, loads
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def is_plain_expression(text: str) -> bool:
    """Whether ``text`` is arithmetic on names and numbers: no attributes, or functions but those of sizes.

    Texts are the name of a symbol or a number, ``Symbol('s0', integer=True)``, as sympy writes them.
    """
    try:
        return _is_plain(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _is_plain(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (bool, int, float))
    if isinstance(node, ast.Name):
        return not node.id.startswith("__")
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in _ATOMS:
            values = [*node.args, *(each.value for each in node.keywords)]
            return all(_is_word(each) or _is_plain(each) for each in values)
        known = name[:1].isupper() or name in _LOWERCASE
        return known and not node.keywords and all(map(_is_plain, node.args))
    return isinstance(node, _PLAIN) and all(map(_is_plain, ast.iter_child_nodes(node)))


def _is_word(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and _WORD.fullmatch(str(node.value)) is not None


def _named(error: Exception) -> str:
    """The class that torch's reader of plain data does not take, in its words."""
    marks = ("Unsupported global: GLOBAL ", "Trying to load unsupported GLOBAL ", "Unsupported class ")
    for mark in marks:
        if mark in str(error):
            return str(error).split(mark, 1)[1].split()[0].rstrip(".,;")
    return str(error).splitlines()[0][:200]


def _refused(path: Path, cause: str) -> DeclarationError:
    return DeclarationError(
        f"{path} is refused",
        cause=cause,
        remedy="if you trust it, export the module again with tensors alone: torch.export.save(torch.export.export("
        f"torch.export.load({path.name!r}).module(), (example,)), 'plain.pt2')",
    )
