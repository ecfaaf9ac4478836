"""Values of options and ini keys. The command line wins, by `is None`, never by truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_envrobust.backends.base import Option
from pytest_envrobust.core.errors import DeclarationError

_SWITCHES = {"1": True, "true": True, "0": False, "false": False}


def either(config: pytest.Config, name: str) -> tuple[str | None, str]:
    """The option's value or, where it was not given, the ini key's; and where it came from."""
    value = config.getoption(f"envrobust_{name}")
    if value is not None:
        return value, f"--envrobust-{name.replace('_', '-')}"
    value = config.getini(f"envrobust_{name}")
    return (str(value), f"envrobust_{name} in the ini file") if value else (None, "default")


def base_of(config: pytest.Config, origin: str) -> Path:
    """Where a relative path begins: an ini file's at that file, the command line's where pytest was started."""
    return config.rootpath if origin.endswith("ini file") else Path(config.invocation_params.dir)


def option_value(default: Option, value: Any, what: str) -> Option:
    """An engine's option as the type of its default, from text or TOML. Raises `DeclarationError` for another type."""
    if isinstance(default, bool):
        switch = _SWITCHES.get(str(value).strip().lower())
        if switch is None:
            raise DeclarationError(what, cause="it is 1 or 0")
        return switch
    if isinstance(default, str):
        return str(value)
    try:
        return type(default)(float(value))
    except (TypeError, ValueError, OverflowError):
        raise DeclarationError(what, cause="it is a number") from None


def number(what: str, text: str | None, origin: str, default: float) -> float:
    """A finite number above 0. Raises `DeclarationError` for anything else."""
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise DeclarationError(f"{what} {text!r} ({origin})", cause="it is a number above 0")
    return value
