"""Whether a worker imports the modules that a declaration means: two folders may have one of the same name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

from pytest_envrobust.core.errors import DeclarationError

_BY_VALUE = ("conftest", "__main__")
"""What these modules define travels by value: no worker imports them."""


def check_imports(target: object, folder: Path | None) -> None:
    """Raise `DeclarationError` where a worker would import another module than the one that is meant.

    ``target`` is a source's: an import path, which means what stands in ``folder``, where it is declared; or a function
    or network, which means what it was imported from here. A worker takes the first on Python's path.
    """
    for name, meant in _meant(target, folder):
        spec = PathFinder.find_spec(name)
        found = None if spec is None or not spec.has_location or spec.origin is None else Path(spec.origin)
        if found is not None and found.is_file() and not found.samefile(meant):
            raise DeclarationError(
                f"{name!r} would be imported from {found}",
                cause=f"its folder stands before that of {meant}, which is meant, in Python's path",
                remedy=f"rename one of both, or put an __init__.py beside each and write {meant.parent.name}.{name}",
            )


def _meant(target: object, folder: Path | None) -> Iterator[tuple[str, Path]]:
    """Names of modules at the top, and the files that are meant."""
    if isinstance(target, str):
        name = target.partition(":")[0].partition(".")[0]
        if folder is not None and str(folder) in sys.path:
            candidates = (folder / f"{name}.py", folder / name / "__init__.py")
            yield from ((name, file) for file in candidates if file.is_file())
        return
    for name in dict.fromkeys(_module_names(target)):
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is not None and Path(file).is_file():
            yield name, Path(file)


def _module_names(target: object) -> Iterator[str]:
    """The modules that unpickling it imports, as far as they can be seen: its own, and those that its code names."""
    own = getattr(target, "__module__", None) or ""
    if own.rpartition(".")[2] not in _BY_VALUE:
        yield own.partition(".")[0]
        return
    names = getattr(getattr(target, "__code__", None), "co_names", ())
    known = getattr(target, "__globals__", {})
    for value in (known[name] for name in names if name in known):
        module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None) or ""
        yield module.partition(".")[0]
