"""What the command line and the ini file say, read once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pytest_envrobust.artifacts.store import default_root
from pytest_envrobust.backends.base import Option
from pytest_envrobust.checks.base import Check
from pytest_envrobust.checks.registry import checks, limit_kinds
from pytest_envrobust.checks.thresholds import parse_limit
from pytest_envrobust.core.axes import Axes
from pytest_envrobust.core.devices import DEVICES
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError, EnvrobustError
from pytest_envrobust.core.shard import Shard
from pytest_envrobust.core.status import Stage
from pytest_envrobust.core.suggestions import did_you_mean
from pytest_envrobust.environments.interpreters import GivenInterpreter, given_interpreter
from pytest_envrobust.environments.machine import this_machine
from pytest_envrobust.environments.selection import check_patterns
from pytest_envrobust.history.known_flips import ledger_of_run
from pytest_envrobust.integration.device_settings import read_places
from pytest_envrobust.integration.option_values import base_of, either, number, option_value
from pytest_envrobust.integration.xdist import process_count
from pytest_envrobust.models.choices import Choices
from pytest_envrobust.models.preparation import PREPARATION, parsed_preparation
from pytest_envrobust.planning.catalogue import Catalogue
from pytest_envrobust.record.ledger_file import LEDGER
from pytest_envrobust.runs.settings import NATIVE, OF_REFERENCE, Settings, TimingSettings
from pytest_envrobust.timing.measuring import PRECISION
from pytest_envrobust.verdicts.ledger import Ledger
from pytest_envrobust.verdicts.limits import Limit

COMMAND_LINE, INI = "command line", "ini"
EVERY_CHECK = "all"
AUTO = "auto"
"""As many threads as this process's share of the cores."""


def read_catalogue(config: pytest.Config) -> Catalogue:
    """The catalogue with the interpreters and the devices that were declared.

    Raises `pytest.UsageError` for the first that is malformed.
    """
    with _usage_errors():
        places = read_places(config, Catalogue())
        return Catalogue(interpreters=_interpreters(config), places=places)


def read_settings(config: pytest.Config, catalogue: Catalogue) -> Settings:
    """All settings. Raises `pytest.UsageError` for the first that is malformed, naming the option or ini key."""
    with _usage_errors():
        return _read(config, catalogue)


@contextmanager
def _usage_errors() -> Iterator[None]:
    try:
        yield
    except EnvrobustError as error:
        raise pytest.UsageError(str(error)) from None


def _read(config: pytest.Config, catalogue: Catalogue) -> Settings:
    here = Path(config.invocation_params.dir)
    patterns, origin = _environments(config, catalogue)
    reference, reference_origin = either(config, "reference")
    preprocess_from, preprocess_origin = either(config, "preprocess_from")
    cache_dir, cache_origin = either(config, "cache_dir")
    strict = config.getoption("envrobust_strict")
    inputs = config.getoption("envrobust_inputs")
    models = tuple(config.getoption("envrobust_model") or ())
    if models and inputs is None:
        raise DeclarationError("--envrobust-model needs inputs", remedy="add --envrobust-inputs FOLDER")
    variants = tuple(config.getoption("envrobust_variant") or ())
    if len(models) > 1 and variants:
        raise DeclarationError(
            f"--envrobust-variant for {len(models)} models",
            cause="a variant is of one model",
            remedy="name one --envrobust-model, or declare them: sources={'onnx': ..., 'onnx:int8': ...}",
        )
    of_inputs = ("inputs", "truth", "labels", *PREPARATION)
    for option in (*of_inputs, "variant", "check", "output", "signature", "decision"):
        if config.getoption(f"envrobust_{option}") is not None and not models:
            raise DeclarationError(f"--envrobust-{option} without a model", remedy="add --envrobust-model MODEL")
    return Settings(
        environments=patterns,
        environments_origin=origin,
        models=models,
        variants=variants,
        choices=_choices(config),
        inputs=None if inputs is None else here / inputs,
        preparation=parsed_preparation({name: config.getoption(f"envrobust_{name}") for name in PREPARATION}),
        weights=tuple(config.getoption("envrobust_weights") or ()),
        truth=config.getoption("envrobust_truth"),
        class_names=_path(config, "labels"),
        preprocess_from=_whose(preprocess_from, preprocess_origin),
        reference=None if reference is None else _environment(reference, catalogue, reference_origin),
        strict=bool(config.getini("envrobust_strict")) if strict is None else True,
        stops_early=_stops_early(config),
        checks=_checks(config, models),
        reference_run=_path(config, "reference_run"),
        shard=_shard(config.getoption("envrobust_shard")),
        ledger_path=_ledger_path(config),
        ledger=_ledger(config, catalogue),
        updates_ledger=_updates_ledger(config),
        json=_path(config, "json"),
        html=_path(config, "html"),
        markdown=_path(config, "markdown"),
        cache_dir=default_root() if cache_dir is None else base_of(config, cache_origin) / Path(cache_dir).expanduser(),
        cache_clear=bool(config.getoption("envrobust_cache_clear")),
        limits=_stage_limits(config),
        isolated=config.getoption("envrobust_isolation") != "none",
        timing=_timing(config),
        options=_options(config, catalogue),
        command_line_limits=_limits(config, COMMAND_LINE),
        ini_limits=_limits(config, INI),
    )


def _choices(config: pytest.Config) -> Choices:
    names = ("output", "signature", "decision", "weights")
    return Choices(**{name: tuple(config.getoption(f"envrobust_{name}") or ()) for name in names})


def _path(config: pytest.Config, name: str) -> Path | None:
    """The path that an option names, taken from where pytest was started."""
    value = config.getoption(f"envrobust_{name}")
    return None if value is None else Path(config.invocation_params.dir) / value


def _ledger_path(config: pytest.Config) -> Path:
    return _path(config, "flips") or config.rootpath / LEDGER


def _ledger(config: pytest.Config, catalogue: Catalogue) -> Ledger:
    is_named = config.getoption("envrobust_flips") is not None and not config.getoption("envrobust_update_flips")
    return ledger_of_run(_ledger_path(config), is_named=is_named, catalogue=catalogue)


def _updates_ledger(config: pytest.Config) -> bool:
    asked = bool(config.getoption("envrobust_update_flips"))
    if asked and process_count(config) > 1:
        raise DeclarationError(
            "--envrobust-update-flips with several processes",
            cause="the ledger is written by a run that sees its cells one after the other",
            remedy="run it without -n",
        )
    if asked and config.getoption("envrobust_shard") is not None:
        raise DeclarationError(
            "--envrobust-update-flips in a shard",
            cause="the ledger is written by a run that sees all cells",
            remedy="run it without --envrobust-shard",
        )
    return asked


def _stops_early(config: pytest.Config) -> bool:
    text, origin = either(config, "stop")
    if text not in (None, "early", "end"):
        raise DeclarationError(f"stop {text!r} ({origin})", cause="it is early or end")
    return text == "early"


def _checks(config: pytest.Config, models: tuple[str, ...]) -> tuple[str, ...]:
    """The checks that were asked for, in the order in which they are made; empty where nobody asked.

    Of ``all`` those are left out that need true classes where the command line's models have none. Raises
    `DeclarationError` where one of these was asked for by itself, or by a limit of it.
    """
    asked = config.getoption("envrobust_check") or ()
    names = {part.strip() for item in asked for part in item.split(",") if part.strip()}
    known = checks()
    if unknown := sorted(names - {*known, EVERY_CHECK}):
        raise DeclarationError(
            f"--envrobust-check {unknown[0]}",
            cause=f"checks are {', '.join(known)}, or {EVERY_CHECK}",
            remedy=did_you_mean(unknown[0], known),
        )
    without_truth = models and config.getoption("envrobust_truth") is None
    impossible = [check for check in known.values() if check.needs_truth and without_truth]
    for check in impossible:
        by = f"--envrobust-check {check.name}" if check.name in names else _limit_set(config, check)
        if by and (not names or check.name in names):
            raise DeclarationError(
                f"{by} without true classes",
                cause=f"nothing says those of the inputs of {models[0]}",
                remedy="add --envrobust-truth folders, a .csv file or a pattern of the inputs' names",
            )
    every = {*names, *known} - {check.name for check in impossible} if EVERY_CHECK in names else names
    return tuple(check for check in known if check in every)


def _limit_set(config: pytest.Config, check: Check[Any]) -> str:
    """Where a limit of the check was set, as the user wrote it; empty where none was."""
    for kind in check.limits:
        value, origin = either(config, kind.name)
        if value:
            return f"{kind.name} ({origin})" if origin == INI else f"--envrobust-{kind.name.replace('_', '-')}"
    return ""


def _shard(text: str | None) -> Shard | None:
    return None if text is None else Shard.parse(text, "--envrobust-shard")


def _whose(text: str | None, origin: str) -> str:
    if text not in (None, NATIVE, OF_REFERENCE):
        raise DeclarationError(f"preprocess-from {text!r} ({origin})", cause=f"it is {NATIVE} or {OF_REFERENCE}")
    return text or NATIVE


def _environments(config: pytest.Config, catalogue: Catalogue) -> tuple[tuple[str, ...], str]:
    asked, origin = config.getoption("envrobust_env"), "--envrobust-env"
    if asked is None:
        asked, origin = config.getini("envrobust_environments"), "envrobust_environments in the ini file"
    patterns = tuple(part.strip() for item in asked for part in item.split(",") if part.strip())
    check_patterns(patterns, catalogue.everything, origin)
    return patterns, origin if patterns else "default"


def _environment(text: str, catalogue: Catalogue, origin: str) -> Environment:
    check_patterns([text], catalogue.everything, origin)
    return Environment.parse(text)


def _stage_limits(config: pytest.Config) -> dict[Stage, float]:
    found: dict[Stage, float] = {}
    sources = (
        (config.getini("envrobust_timeout"), "envrobust_timeout in the ini file"),
        (config.getoption("envrobust_timeout") or (), "--envrobust-timeout"),
    )
    for lines, origin in sources:
        for line in lines:
            stage, separator, seconds = line.rpartition("=")
            value = number("time limit", seconds, origin, 0)
            names = {member.value: member for member in Stage}
            if separator and stage not in names:
                raise DeclarationError(f"{line!r} ({origin})", cause=f"stages are {', '.join(names)}")
            found |= dict.fromkeys([names[stage]] if separator else list(Stage), value)
    return found


def _options(config: pytest.Config, catalogue: Catalogue) -> dict[str, dict[str, Option]]:
    known = {
        compiler.name: dict(compiler.options)
        for backend in catalogue.backends.values()
        for compiler in backend.compilers
        if compiler.options
    }
    known |= {device: options for device in DEVICES if (options := catalogue.device_options(device))}
    found: dict[str, dict[str, Option]] = {}
    for line in [*config.getini("envrobust_set"), *(config.getoption("envrobust_set") or ())]:
        name, separator, text = line.partition("=")
        compiler, _, option = name.rpartition(".")
        if not separator or option not in known.get(compiler, {}):
            available = ", ".join(f"{each}.{item}" for each, items in known.items() for item in items)
            raise DeclarationError(f"--envrobust-set {line}", cause=f"options are {available}, set by NAME=VALUE")
        value = option_value(known[compiler][option], text, f"--envrobust-set {line}")
        found.setdefault(compiler, {})[option] = value
    return found


def _interpreters(config: pytest.Config) -> dict[str, GivenInterpreter]:
    lines: dict[str, tuple[str, Path, str]] = {}
    sources = (
        (config.getini("envrobust_interpreters"), "envrobust_interpreters in the ini file"),
        (config.getoption("envrobust_interpreter") or (), "--envrobust-interpreter"),
    )
    for given, origin in sources:
        lines |= {line.partition("=")[0].strip(): (line, base_of(config, origin), origin) for line in given}
    return {name: given_interpreter(*each) for name, each in lines.items()}


def _limits(config: pytest.Config, origin: str) -> dict[str, Limit]:
    found = {}
    for name in limit_kinds():
        key = f"envrobust_{name}"
        text = config.getoption(key) if origin == COMMAND_LINE else config.getini(key)
        if text is not None and text != "":
            found[name] = parse_limit(str(text), name, origin)
    return found


def _timing(config: pytest.Config) -> TimingSettings:
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


def _counts(config: pytest.Config, name: str) -> tuple[int, ...]:
    """Whole numbers, separated by commas; for threads also ``auto``: this process's share of the cores."""
    text, origin = either(config, name)
    if text is None:
        return ()
    if name == "threads" and text.strip() == AUTO:
        return (max(1, this_machine().cores // process_count(config)),)
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        kind = "whole numbers above 0, separated by commas" + (f", or {AUTO}" if name == "threads" else "")
        raise DeclarationError(f"{name.replace('_', ' ')} {text!r} ({origin})", cause=f"they are {kind}")
    return tuple(dict.fromkeys(int(part) for part in parts))
