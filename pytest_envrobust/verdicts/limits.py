"""Limits: what is asked of a cell, and from where. Which there are, the checks say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_envrobust.verdicts.family import ALONE, Family

if TYPE_CHECKING:
    from pytest_envrobust.comparison.tally import Ties

MIN_LABEL_AGREEMENT = "min_label_agreement"
TIES = "ties"
BOUND = "bound"
MIN_ACCURACY = "min_accuracy"
MAX_ACCURACY_DROP = "max_accuracy_drop"
ACCURACY_BOUND = "accuracy_bound"
MAX_ABS_ERROR = "max_abs_error"
MAX_RELATIVE_ERROR = "max_relative_error"
MAX_FIDELITY_RATIO = "max_fidelity_ratio"
MAX_CLASSES_OFF = "max_classes_off"
MAX_LATENCY_MS = "max_latency_ms"
MAX_LATENCY_P90_MS = "max_latency_p90_ms"
MAX_LATENCY_P99_MS = "max_latency_p99_ms"
MAX_LATENCY_RATIO = "max_latency_ratio"
MAX_LATENCY_REGRESSION = "max_latency_regression"

TAIL_LIMITS: Mapping[str, str] = {MAX_LATENCY_P90_MS: "p90", MAX_LATENCY_P99_MS: "p99"}
"""Limits on a tail, and the tail's name."""
IGNORED_TIES: Mapping[Any, float] = {"count": 0.0, "ignore": 1.0}
"""The words that `TIES` takes, as numbers."""
YES_OR_NO: Mapping[Any, float] = {True: 1.0, False: 0.0, "true": 1.0, "false": 0.0}


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
    one-sided lower bound must reach the limit, at 95 % confidence over the whole ``family``.
    """

    ties: Ties = "count"
    bound: bool = False
    family: Family = ALONE

    @property
    def layer(self) -> dict[str, Limit]:
        """The limit and its terms as limits by name, each from where the limit came from."""
        return {
            MIN_LABEL_AGREEMENT: Limit(MIN_LABEL_AGREEMENT, self.value, self.origin),
            TIES: Limit(TIES, IGNORED_TIES[self.ties], self.origin),
            BOUND: Limit(BOUND, float(self.bound), self.origin),
        }


@dataclass(frozen=True)
class AccuracyLimit(Limit):
    """A limit on accuracy or on its drop. With ``bound`` what the inputs show at 95 % confidence, over the whole
    ``family``, must keep it, not the share of these inputs alone.
    """

    bound: bool = False
    family: Family = ALONE


@dataclass(frozen=True)
class LimitKind:
    """A limit that a user may set on a check: its name, what it means, what its value may be.

    ``meaning`` is one line for help and docs. ``valid`` says in words what ``accepts`` tests; ``words`` stand for
    numbers in their place. ``default`` holds where nobody says otherwise. ``is_switch``: the command line takes it
    without a value. ``of_reference``: it means something for the reference itself.
    """

    name: str
    meaning: str
    valid: str
    accepts: Callable[[float], bool] = lambda value: False
    words: Mapping[Any, float] = field(default_factory=dict)
    default: float | None = None
    is_switch: bool = False
    of_reference: bool = True

    @property
    def choices(self) -> tuple[str, ...]:
        """The texts that its words are written as; empty for a number."""
        return tuple(word for word in self.words if isinstance(word, str))

    def shown(self, value: float) -> str:
        """A value as a user writes it."""
        return next((repr(word) for word, number in self.words.items() if number == value), f"{value:g}")

    @classmethod
    def share(cls, name: str, meaning: str, **more: Any) -> LimitKind:
        """A limit that is a share, from 0 to 1."""
        return cls(name, meaning, "a share from 0 to 1; write 98 % as 0.98", lambda value: 0 <= value <= 1, **more)

    @classmethod
    def positive(cls, name: str, meaning: str, note: str = "", **more: Any) -> LimitKind:
        """A limit above 0; ``note`` says what a value means."""
        return cls(name, meaning, f"a finite number above 0{note}", lambda value: value > 0, **more)

    @classmethod
    def at_least_zero(cls, name: str, meaning: str, note: str = "", **more: Any) -> LimitKind:
        """A limit of 0 or more; ``note`` says what a value means."""
        return cls(name, meaning, f"a finite number of at least 0{note}", lambda value: value >= 0, **more)
