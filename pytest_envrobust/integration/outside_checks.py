"""Checks from outside: their limits become options and ini keys, as those of this package's own are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_envrobust.checks import registry
from pytest_envrobust.checks.base import Check

if TYPE_CHECKING:
    import pytest


def register_check(check: Check[Any], parser: pytest.Parser | None = None) -> None:
    """Add a check from outside of this package; with pytest's ``parser`` the options of its limits too.

    Raises `DeclarationError` where another check has its name, or one of its limits.
    """
    registry.register_check(check)
    if parser is not None:
        from pytest_envrobust.integration.options import add_options, limit_options

        add_options(parser, limit_options(check.limits))
