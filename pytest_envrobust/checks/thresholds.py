"""Limits as users write them, and which of several that were set applies."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from pytest_envrobust.checks.base import Check
from pytest_envrobust.checks.registry import limit_kinds
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.globs import matches
from pytest_envrobust.core.suggestions import did_you_mean
from pytest_envrobust.verdicts.limits import Limit

CALL_ARGUMENT = "call argument"
"""Where a limit comes from that was given to an assertion."""
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


@dataclass(frozen=True)
class _Rule:
    """Limits for the environments whose id matches a glob."""

    glob: str
    limits: tuple[Limit, ...]

    def __str__(self) -> str:
        said = ", ".join(f"{limit.name}={limit_kinds()[limit.name].shown(limit.value)}" for limit in self.limits)
        return f"Thresholds({said})" if self.glob == "*" else f"where({self.glob!r}, {said})"


@dataclass(frozen=True, init=False)
class Thresholds:
    """Limits as users write them; immutable, and each limit remembers the file and line that set it.

    ``Thresholds(min_label_agreement=0.99).where("*/tvm-*/*", min_label_agreement=0.98)``

    Limits, those that the checks have: ``min_label_agreement`` (share of equal top-1 labels, 0 to 1),
    ``max_latency_ms`` (milliseconds of wall time, median), ``max_latency_p90_ms`` and ``max_latency_p99_ms`` (what 90
    and 99 % of the calls do not exceed), ``max_latency_ratio`` (times the reference's time),
    ``max_latency_regression`` (times its own time in an earlier run), ``max_abs_error``, ``max_relative_error`` and
    ``max_fidelity_ratio`` (of scores), ``max_classes_off`` (classes whose scores are off while others agree),
    ``min_accuracy`` and ``max_accuracy_drop`` (of inputs labeled right, shares).
    How the labels' limit is meant: ``ties`` (``"count"`` or ``"ignore"``) and ``bound`` (``True``: the bound must reach
    it, not the share); ``accuracy_bound`` is that of accuracy. Raises `DeclarationError` for an unknown name or a
    value that cannot be a limit.
    """

    rules: tuple[_Rule, ...]

    def __init__(self, **limits: Any) -> None:
        object.__setattr__(self, "rules", _rules("*", limits, _caller))

    @classmethod
    def of(cls, limits: Mapping[str, Any], origin: str) -> Thresholds:
        """Limits that were set elsewhere than in a user's file: ``origin`` is ``marker``, ``call argument`` ..."""
        return cls._with(_rules("*", limits, lambda: origin))

    @classmethod
    def of_call(cls, limits: Mapping[str, Any]) -> Thresholds:
        """Limits that the user's call gave to an assertion: they remember its file and line."""
        return cls._with(_rules("*", limits, lambda: f"{CALL_ARGUMENT}, {_caller()}"))

    def where(self, glob: str, **limits: Any) -> Thresholds:
        """These limits, and others for environments whose id matches ``glob`` (``*/tvm-*/*``), as new thresholds.

        A later ``where`` wins over an earlier one, and any over the plain limits. ``*`` matches across slashes.
        Raises `DeclarationError` as the class does, and where ``glob`` is not text or no limit is given.
        """
        if not isinstance(glob, str) or not glob:
            raise DeclarationError(
                f"{glob!r} matches no environment (from {_caller()})",
                cause="a glob on the environment's id is needed",
                remedy='write it like "*/tvm-*/*"',
            )
        if not limits:
            raise DeclarationError(f"where({glob!r}) (from {_caller()}) sets no limit", cause=_known())
        return self._with((*self.rules, *_rules(glob, limits, _caller)))

    def limit(self, name: str, environment_id: str) -> Limit | None:
        """The limit of that name for an environment, ``None`` where these thresholds do not say."""
        for rule in reversed(self.rules):
            if matches(environment_id, rule.glob):
                for limit in rule.limits:
                    if limit.name == name:
                        return limit
        return None

    def narrowed(self) -> list[tuple[str, str]]:
        """The globs of `where`, each with how it was written and where, for messages."""
        return [(rule.glob, f"{rule} ({rule.limits[0].origin})") for rule in self.rules if rule.glob != "*"]

    @classmethod
    def _with(cls, rules: tuple[_Rule, ...]) -> Thresholds:
        made = cls()
        object.__setattr__(made, "rules", rules)
        return made

    def __repr__(self) -> str:
        text = "Thresholds()"
        for rule in self.rules:
            text = str(rule) if rule.glob == "*" else f"{text}.{rule}"
        return text


Layer = Thresholds | Mapping[str, Limit] | None


def parse_limit(text: str, name: str, origin: str) -> Limit:
    """Read a limit from an ini file or the command line. Raises `DeclarationError` as `Thresholds` does."""
    _check_name(name, origin)
    if limit_kinds()[name].words:
        return _checked(name, text.strip().lower(), origin)
    try:
        value = float(text)
    except ValueError:
        raise _malformed(name, text, origin) from None
    return _checked(name, value, origin)


def resolve(name: str, environment_id: str, layers: Sequence[Layer]) -> Limit | None:
    """The limit that holds for an environment, ``None`` where there is none.

    ``layers`` come in order of precedence: call argument, marker, conftest, command line, ini. The first that says
    something about this limit for this environment wins, and `DEFAULTS` stand behind them all. A layer is
    `Thresholds`, limits by name, or ``None``. Raises `DeclarationError` for an unknown name.
    """
    _check_name(name, "a lookup")
    for layer in layers:
        if layer is not None:
            found = layer.limit(name, environment_id) if isinstance(layer, Thresholds) else layer.get(name)
            if found is not None:
                return found
    default = limit_kinds()[name].default
    return None if default is None else Limit(name, default, "default")


def limits_of(check: Check[Any], environment_id: str, layers: Sequence[Layer]) -> dict[str, Limit]:
    """The limits of a check that hold for an environment, by name; layers as in `resolve`."""
    found = {kind.name: resolve(kind.name, environment_id, layers) for kind in check.limits}
    return {name: limit for name, limit in found.items() if limit is not None}


def _rules(glob: str, limits: Mapping[str, Any], origin: Callable[[], str]) -> tuple[_Rule, ...]:
    if not limits:
        return ()
    where = origin()
    for name in limits:
        _check_name(name, where)
    return (_Rule(glob, tuple(_checked(name, value, where) for name, value in limits.items())),)


def _check_name(name: str, origin: str) -> None:
    known = limit_kinds()
    if name not in known:
        remedy = did_you_mean(name, known, cutoff=0.4, written=str)
        raise DeclarationError(f"unknown limit {name!r} (from {origin})", cause=_known(), remedy=remedy)


def _known() -> str:
    return f"the limits are {', '.join(limit_kinds())}"


def _checked(name: str, value: Any, origin: str) -> Limit:
    words = limit_kinds()[name].words
    if words:
        if isinstance(value, (bool, str)) and value in words:
            return Limit(name, words[value], origin)
        raise _malformed(name, value, origin)
    # a bool is a number to Python, but as a limit it is a mistake
    if isinstance(value, bool) or not isinstance(value, Real):
        raise _malformed(name, value, origin)
    number = float(value)
    if not math.isfinite(number) or not limit_kinds()[name].accepts(number):
        raise _malformed(name, value, origin)
    return Limit(name, number, origin)


def _malformed(name: str, value: object, origin: str) -> DeclarationError:
    return DeclarationError(
        f"{name}={value!r} (from {origin}) is not a limit", cause=f"it is {limit_kinds()[name].valid}"
    )


def _caller() -> str:
    """``file:line`` of the nearest frame outside this package; the path relative where it lies below the cwd."""
    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.abspath(frame.f_code.co_filename).startswith(_PACKAGE):
        frame = frame.f_back
    name = frame.f_code.co_filename
    if not name.startswith("<"):  # <stdin>, <string>: no file
        path = Path(os.path.abspath(name))
        here = Path.cwd()
        name = (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()
    return f"{name}:{frame.f_lineno}"
