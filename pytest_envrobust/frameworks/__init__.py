"""The frameworks that define models, one module each, found by file name."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from pytest_envrobust.core.discovery import module_names
from pytest_envrobust.frameworks.base import BaseFramework


@cache
def frameworks() -> dict[str, BaseFramework]:
    """Every framework by name. Costs no import of the framework itself."""
    found = {}
    for name in module_names(__path__, skip=("base", "factories", "onnx_networks", "outputs")):
        framework: BaseFramework = import_module(f"{__name__}.{name}").Framework()
        found[framework.name] = framework
    return found
