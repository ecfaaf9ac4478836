"""Which checks there are: one module each in this folder, found by file name, and those that come from outside."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import pytest_envrobust.checks
from pytest_envrobust.checks.base import Check
from pytest_envrobust.core.discovery import module_names
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.verdicts.limits import LimitKind

_NO_CHECKS = ("assertions", "base", "cells", "registry", "thresholds")
_FROM_OUTSIDE: dict[str, Check[Any]] = {}


def checks() -> dict[str, Check[Any]]:
    """Every check by name, in the order in which a model without test code is given them."""
    every = [*_own(), *_FROM_OUTSIDE.values()]
    return {check.name: check for check in sorted(every, key=lambda check: check.rank)}


def check_named(name: str) -> Check[Any]:
    """The check of that name. Raises `DeclarationError` where there is none."""
    known = checks()
    if name not in known:
        from pytest_envrobust.core.suggestions import did_you_mean

        raise DeclarationError(
            f"there is no check {name!r}", cause=f"checks are {', '.join(known)}", remedy=did_you_mean(name, known)
        )
    return known[name]


def limit_kinds() -> dict[str, LimitKind]:
    """Every limit of every check by name, in the checks' order."""
    return {kind.name: kind for check in checks().values() for kind in check.limits}


def register_check(check: Check[Any]) -> None:
    """Add a check from outside of this package; one of the same name that was added before is replaced.

    Raises `DeclarationError` where a check of this package has its name, or another check one of its limits.
    """
    others = {**{each.name: each for each in _own()}, **_FROM_OUTSIDE}
    others.pop(check.name if check.name in _FROM_OUTSIDE else "", None)
    if check.name in others:
        raise DeclarationError(f"there is a check {check.name!r} already", remedy="call yours by another name")
    taken = {kind.name: other for other in others.values() for kind in other.limits}
    for kind in check.limits:
        if kind.name in taken:
            raise DeclarationError(
                f"check {check.name!r} has a limit {kind.name!r}",
                cause=f"the check {taken[kind.name].name!r} has one of that name",
                remedy="call yours by another name",
            )
    _FROM_OUTSIDE[check.name] = check


@cache
def _own() -> tuple[Check[Any], ...]:
    package = pytest_envrobust.checks
    names = module_names(package.__path__, skip=_NO_CHECKS)
    return tuple(import_module(f"{package.__name__}.{name}").CHECK for name in names)
