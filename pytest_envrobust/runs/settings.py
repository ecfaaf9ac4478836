"""A run's settings as data, wherever they were read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_envrobust.artifacts.store import default_root
from pytest_envrobust.backends.base import Option
from pytest_envrobust.core.axes import Axes
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.shard import Shard
from pytest_envrobust.core.status import Stage
from pytest_envrobust.models.choices import Choices
from pytest_envrobust.models.preparation import Preparation
from pytest_envrobust.record.ledger_file import LEDGER
from pytest_envrobust.timing.measuring import PRECISION
from pytest_envrobust.verdicts.ledger import Ledger
from pytest_envrobust.verdicts.limits import Limit

NATIVE, OF_REFERENCE = "native", "reference"
"""Whose preprocessing a source's inputs get: its own, or that of the reference's source."""


@dataclass(frozen=True)
class TimingSettings:
    """How times are measured.

    ``threads`` are those of every engine, and ``axes`` what else a cell is timed with. ``budget`` is in seconds, for a
    cell at a point of the axes; ``precision`` is the share that the interval's half may be; ``baseline`` is the record
    that regressions are told from.
    """

    threads: int = 1
    axes: Axes = field(default_factory=Axes)
    budget: float = 3.0
    precision: float = PRECISION
    baseline: Path | None = None


@dataclass(frozen=True)
class Settings:
    """The run's settings. ``environments`` are patterns, empty where nothing was asked for."""

    environments: tuple[str, ...] = ()
    environments_origin: str = "default"
    models: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    choices: Choices = field(default_factory=Choices)
    inputs: Path | None = None
    preparation: Preparation = field(default_factory=Preparation)
    weights: tuple[str, ...] = ()
    truth: str | None = None
    class_names: Path | None = None
    preprocess_from: str = NATIVE
    reference: Environment | None = None
    strict: bool = False
    stops_early: bool = False
    checks: tuple[str, ...] = ()
    reference_run: Path | None = None
    ledger_path: Path = field(default_factory=lambda: Path(LEDGER))
    ledger: Ledger = field(default_factory=Ledger)
    updates_ledger: bool = False
    shard: Shard | None = None
    json: Path | None = None
    html: Path | None = None
    markdown: Path | None = None
    cache_dir: Path = field(default_factory=default_root)
    cache_clear: bool = False
    limits: Mapping[Stage, float] = field(default_factory=dict)
    isolated: bool = True
    timing: TimingSettings = field(default_factory=TimingSettings)
    options: Mapping[str, Mapping[str, Option]] = field(default_factory=dict)
    command_line_limits: Mapping[str, Limit] = field(default_factory=dict)
    ini_limits: Mapping[str, Limit] = field(default_factory=dict)

    @property
    def is_narrowed(self) -> bool:
        """Whether the command line says which environments this run is about."""
        return self.environments_origin.startswith("--")

    @property
    def outer_limits(self) -> tuple[Mapping[str, Limit], Mapping[str, Limit]]:
        """Limits of the command line and of the ini file, in order of precedence."""
        return self.command_line_limits, self.ini_limits
