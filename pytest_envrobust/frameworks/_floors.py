"""Refusing to read a file by a loader that has a known hole."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.requirements import Requirement


def check_loader(requirement: Requirement, path: Path) -> None:
    """Raise `DeclarationError` where the package in this process is older than the first whose loader is sound."""
    floor = requirement.floor
    here = str(import_module(requirement.module).__version__)
    if floor is None or numbers(here) >= numbers(floor.version):
        return
    raise DeclarationError(
        f"{path} is not read by {requirement.module} {here}",
        cause=f"{requirement.module} before {floor.version} {floor.flaw}",
        remedy=f"{sys.executable} -m pip install '{requirement.candidates[0]}>={floor.version}'",
    )


def numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: ``(2, 10)`` of ``2.10.0rc1+cpu`` and of ``2.10``."""
    found = re.match(r"\d+(\.\d+)*", version)
    parts = [int(part) for part in found.group().split(".")] if found else []
    while parts and not parts[-1]:
        parts.pop()
    return tuple(parts)
