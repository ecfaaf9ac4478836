"""Finding the modules of a package by their file names, without importing them."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Sequence


def module_names(search_path: Sequence[str], *, skip: Sequence[str] = ("base",)) -> Iterator[str]:
    """Names of the modules in a package's ``__path__``, sorted; private ones and those in ``skip`` left out."""
    for info in sorted(pkgutil.iter_modules(search_path), key=lambda info: info.name):
        if not info.name.startswith("_") and info.name not in skip:
            yield info.name
