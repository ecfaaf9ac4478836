"""What the command line and the ini file say of timing."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_envrobust.core.axes import Axes
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.environments.machine import this_machine
from pytest_envrobust.integration.option_values import base_of, either, number
from pytest_envrobust.runs.settings import TimingSettings
from pytest_envrobust.timing.measuring import PRECISION

AUTO = "auto"


def read_timing_settings(config: pytest.Config) -> TimingSettings:
    """Read them. Raises `DeclarationError` for the first that is malformed, naming the option or ini key."""
    budget, budget_origin = either(config, "time_budget")
    precision, precision_origin = either(config, "precision")
    baseline, baseline_origin = either(config, "baseline")
    threads = _counts(config, "threads")
    return TimingSettings(
        threads=threads[0] if threads else 1,
        axes=Axes(_counts(config, "batch_sizes"), threads[1:] and threads),
        budget=number("time budget", budget, budget_origin, TimingSettings.budget),
        precision=number("precision", precision, precision_origin, PRECISION),
        baseline=None if baseline is None else base_of(config, baseline_origin) / Path(baseline).expanduser(),
    )


def xdist_workers(config: pytest.Config) -> int:
    """How many processes of this run may time or predict at once."""
    count = getattr(config, "workerinput", {}).get("workercount") or getattr(config.option, "numprocesses", None)
    return count if isinstance(count, int) and count > 0 else 1


def _counts(config: pytest.Config, name: str) -> tuple[int, ...]:
    """Whole numbers, separated by commas; for threads also ``auto``: this process's share of the cores."""
    text, origin = either(config, name)
    if text is None:
        return ()
    if name == "threads" and text.strip() == AUTO:
        return (max(1, this_machine().cores // xdist_workers(config)),)
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        kind = "whole numbers above 0, separated by commas" + (f", or {AUTO}" if name == "threads" else "")
        raise DeclarationError(f"{name.replace('_', ' ')} {text!r} ({origin})", cause=f"they are {kind}")
    return tuple(dict.fromkeys(int(part) for part in parts))
