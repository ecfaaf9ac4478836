"""Tests with Hypothesis's ``@given`` that use a cell: settings that fit one."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from pytest_envrobust.integration.parametrization import CASE_FIXTURE

_SETTINGS = "_hypothesis_internal_use_settings"
"""Where Hypothesis and its own pytest plugin look for a test's settings."""


class PropertyTests:
    """Fits the settings of such tests before Hypothesis's plugin looks at them."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """A cell is made for a test item and kept for all its examples, on purpose, and its first call is slow."""
        if "hypothesis" not in sys.modules:
            return
        from hypothesis import is_hypothesis_test

        from pytest_envrobust.strategies.profile import fitted

        for item in items:
            test: Any = getattr(item, "obj", None)
            if CASE_FIXTURE in getattr(item, "fixturenames", ()) and is_hypothesis_test(test):
                function = getattr(test, "__func__", test)
                setattr(function, _SETTINGS, fitted(getattr(function, _SETTINGS)))
