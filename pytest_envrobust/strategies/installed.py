"""Hypothesis, which need not be installed."""

from __future__ import annotations

from importlib.util import find_spec

from pytest_envrobust.core.errors import Unavailable


def check_hypothesis() -> None:
    """Raise `Unavailable`, with the remedy, where Hypothesis is not installed."""
    if find_spec("hypothesis") is None:
        raise Unavailable("hypothesis is not installed", remedy="pip install 'pytest-envrobust[hypothesis]'")
