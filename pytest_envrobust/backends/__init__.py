"""The engines, one module each, found by file name."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from pytest_envrobust.backends.base import Backend
from pytest_envrobust.core.discovery import module_names


@cache
def engines() -> dict[str, Backend]:
    """Every engine by name. Costs no import of an engine's library."""
    found = {}
    for name in module_names(__path__):
        backend: Backend = import_module(f"{__name__}.{name}").Backend()
        found[backend.engine] = backend
    return found
