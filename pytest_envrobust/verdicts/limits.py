"""Limits: what is asked of a cell, from where, and which of several that were set applies."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.globs import matches
from pytest_envrobust.core.suggestions import did_you_mean

if TYPE_CHECKING:
    from pytest_envrobust.comparison.tally import Ties

MIN_LABEL_AGREEMENT = "min_label_agreement"
TIES = "ties"
BOUND = "bound"
MAX_ABS_ERROR = "max_abs_error"
MAX_RELATIVE_ERROR = "max_relative_error"
MAX_FIDELITY_RATIO = "max_fidelity_ratio"
MAX_LATENCY_MS = "max_latency_ms"
MAX_LATENCY_P90_MS = "max_latency_p90_ms"
MAX_LATENCY_P99_MS = "max_latency_p99_ms"
MAX_LATENCY_RATIO = "max_latency_ratio"
MAX_LATENCY_REGRESSION = "max_latency_regression"

TAIL_LIMITS: Mapping[str, str] = {MAX_LATENCY_P90_MS: "p90", MAX_LATENCY_P99_MS: "p99"}
"""Limits on a tail, and the tail's name."""
TO_REFERENCE = frozenset({MAX_LATENCY_RATIO})
"""Limits on time that mean nothing for the reference itself."""

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


@dataclass(frozen=True)
class Limit:
    """One limit, and where it was set: ``conftest.py:12``, ``command line``, ``marker``, ``ini``, ``default`` ..."""

    name: str
    value: float
    origin: str


@dataclass(frozen=True)
class LabelLimit(Limit):
    """``min_label_agreement`` with the terms that it is asked on.

    ``ties`` says whether ties count as flips or are left out of the share. With ``bound`` not the share itself but its
    one-sided 95 % lower bound must reach the limit.
    """

    ties: Ties = "count"
    bound: bool = False

    @property
    def layer(self) -> dict[str, Limit]:
        """The limit and its terms as limits by name, each from where the limit came from."""
        return {
            MIN_LABEL_AGREEMENT: Limit(MIN_LABEL_AGREEMENT, self.value, self.origin),
            TIES: Limit(TIES, _TIES[self.ties], self.origin),
            BOUND: Limit(BOUND, float(self.bound), self.origin),
        }


@dataclass(frozen=True)
class _Kind:
    """What a limit's value may be, in words and as a test; words that stand for a number."""

    valid: str
    accepts: Callable[[float], bool]
    words: Mapping[Any, float] = field(default_factory=dict)

    def shown(self, value: float) -> str:
        return next((repr(word) for word, number in self.words.items() if number == value), f"{value:g}")


_TIES: Mapping[Any, float] = {"count": 0.0, "ignore": 1.0}
_YES_OR_NO: Mapping[Any, float] = {True: 1.0, False: 0.0, "true": 1.0, "false": 0.0}
_POSITIVE = "a finite number above 0"
_NOT_NEGATIVE = "a finite number of at least 0"
_KINDS: Mapping[str, _Kind] = {
    MIN_LABEL_AGREEMENT: _Kind("a share from 0 to 1; write 98 % as 0.98", lambda value: 0 <= value <= 1),
    TIES: _Kind("'count' or 'ignore'", lambda value: False, _TIES),
    BOUND: _Kind("true or false", lambda value: False, _YES_OR_NO),
    MAX_ABS_ERROR: _Kind(f"{_NOT_NEGATIVE}, in the scores' unit", lambda value: value >= 0),
    MAX_RELATIVE_ERROR: _Kind(f"{_NOT_NEGATIVE}; 0.01 is a hundredth", lambda value: value >= 0),
    MAX_FIDELITY_RATIO: _Kind(f"{_POSITIVE}; 2 is twice the reference's own error", lambda value: value > 0),
    MAX_LATENCY_MS: _Kind(f"{_POSITIVE}, in milliseconds", lambda value: value > 0),
    MAX_LATENCY_P90_MS: _Kind(f"{_POSITIVE}, in milliseconds", lambda value: value > 0),
    MAX_LATENCY_P99_MS: _Kind(f"{_POSITIVE}, in milliseconds", lambda value: value > 0),
    MAX_LATENCY_RATIO: _Kind(f"{_POSITIVE}; 1.5 is half as long again as the reference", lambda value: value > 0),
    MAX_LATENCY_REGRESSION: _Kind(f"{_POSITIVE}; 1.1 is a tenth longer than before", lambda value: value > 0),
}

LIMIT_NAMES = tuple(_KINDS)
LABEL_LIMITS = (MIN_LABEL_AGREEMENT, TIES, BOUND)
"""The limit on labels, and its terms."""
SCORE_LIMITS = (MAX_ABS_ERROR, MAX_RELATIVE_ERROR, MAX_FIDELITY_RATIO)
"""Limits on how far scores lie from the reference's; there are none unless somebody sets one."""
LATENCY_LIMITS = (MAX_LATENCY_MS, *TAIL_LIMITS, MAX_LATENCY_RATIO, MAX_LATENCY_REGRESSION)


@dataclass(frozen=True)
class _Rule:
    """Limits for the environments whose id matches a glob."""

    glob: str
    limits: tuple[Limit, ...]


@dataclass(frozen=True, init=False)
class Thresholds:
    """Limits as users write them; immutable, and each limit remembers the file and line that set it.

    ``Thresholds(min_label_agreement=0.99).where("*/tvm-*/*", min_label_agreement=0.98)``

    Limits: ``min_label_agreement`` (share of equal top-1 labels, 0 to 1), ``max_latency_ms`` (milliseconds of wall
    time, median), ``max_latency_p90_ms`` and ``max_latency_p99_ms`` (what 90 and 99 % of the calls do not exceed),
    ``max_latency_ratio`` (times the reference's time), ``max_latency_regression`` (times its own time in an earlier
    run), ``max_abs_error``, ``max_relative_error`` and ``max_fidelity_ratio`` (of scores). How the labels' limit is
    meant: ``ties`` (``"count"`` or ``"ignore"``) and ``bound`` (``True``: the bound must reach it, not the share).
    Raises `DeclarationError` for an unknown name or a value that cannot be a limit.
    """

    rules: tuple[_Rule, ...]

    def __init__(self, **limits: Any) -> None:
        object.__setattr__(self, "rules", _rules("*", limits, _caller))

    @classmethod
    def of(cls, limits: Mapping[str, Any], origin: str) -> Thresholds:
        """Limits that were set elsewhere than in a user's file: ``origin`` is ``marker``, ``call argument`` ..."""
        return cls._with(_rules("*", limits, lambda: origin))

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

    @classmethod
    def _with(cls, rules: tuple[_Rule, ...]) -> Thresholds:
        made = cls()
        object.__setattr__(made, "rules", rules)
        return made

    def __repr__(self) -> str:
        text = "Thresholds()"
        for rule in self.rules:
            said = ", ".join(f"{limit.name}={_KINDS[limit.name].shown(limit.value)}" for limit in rule.limits)
            text = f"Thresholds({said})" if rule.glob == "*" else f"{text}.where({rule.glob!r}, {said})"
        return text


Layer = Thresholds | Mapping[str, Limit] | None

DEFAULTS: Mapping[str, Limit] = {MIN_LABEL_AGREEMENT: Limit(MIN_LABEL_AGREEMENT, 1.0, "default")}
"""What holds where nobody says otherwise: every label agrees, and time is not limited."""


def parse_limit(text: str, name: str, origin: str) -> Limit:
    """Read a limit from an ini file or the command line. Raises `DeclarationError` as `Thresholds` does."""
    _check_name(name, origin)
    if _KINDS[name].words:
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
    return DEFAULTS.get(name)


def label_limit(environment_id: str, layers: Sequence[Layer]) -> LabelLimit:
    """What the labels of an environment are held against: the limit and its terms, each from where it was set.

    Raises `DeclarationError` where a bound of 1 is asked for, which no number of inputs can show.
    """
    share = resolve(MIN_LABEL_AGREEMENT, environment_id, layers)
    ties, bound = resolve(TIES, environment_id, layers), resolve(BOUND, environment_id, layers)
    assert share is not None
    if bound is not None and bound.value and share.value == 1:
        raise DeclarationError(
            f"{BOUND} (from {bound.origin}) with {MIN_LABEL_AGREEMENT}=1 (from {share.origin})",
            cause="no number of inputs shows that all labels agree",
            remedy="ask for less: 0.99 is shown by 299 agreeing inputs",
        )
    ignores = ties is not None and ties.value == _TIES["ignore"]
    return LabelLimit(
        share.name,
        share.value,
        share.origin,
        ties="ignore" if ignores else "count",
        bound=bound is not None and bool(bound.value),
    )


def _rules(glob: str, limits: Mapping[str, Any], origin: Callable[[], str]) -> tuple[_Rule, ...]:
    if not limits:
        return ()
    where = origin()
    for name in limits:
        _check_name(name, where)
    return (_Rule(glob, tuple(_checked(name, value, where) for name, value in limits.items())),)


def _check_name(name: str, origin: str) -> None:
    if name in _KINDS:
        return
    remedy = did_you_mean(name, LIMIT_NAMES, cutoff=0.4, written=str)
    raise DeclarationError(f"unknown limit {name!r} (from {origin})", cause=_known(), remedy=remedy)


def _known() -> str:
    return f"the limits are {', '.join(LIMIT_NAMES)}"


def _checked(name: str, value: Any, origin: str) -> Limit:
    words = _KINDS[name].words
    if words:
        if isinstance(value, (bool, str)) and value in words:
            return Limit(name, words[value], origin)
        raise _malformed(name, value, origin)
    # a bool is a number to Python, but as a limit it is a mistake
    if isinstance(value, bool) or not isinstance(value, Real):
        raise _malformed(name, value, origin)
    number = float(value)
    if not math.isfinite(number) or not _KINDS[name].accepts(number):
        raise _malformed(name, value, origin)
    return Limit(name, number, origin)


def _malformed(name: str, value: object, origin: str) -> DeclarationError:
    return DeclarationError(f"{name}={value!r} (from {origin}) is not a limit", cause=f"it is {_KINDS[name].valid}")


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
