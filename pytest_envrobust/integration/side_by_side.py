"""What is said of models that were given side by side and not compared: the line that would compare them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from pytest_envrobust.checks.registry import checks
from pytest_envrobust.core.environment import SourceKey
from pytest_envrobust.core.wording import listed
from pytest_envrobust.integration.collection import ORIGIN
from pytest_envrobust.integration.options import OPTIONS, options_of_checks, rerun_arguments
from pytest_envrobust.models.variants import OPTION, key_of
from pytest_envrobust.record.schema import Model


def side_by_side_notice(models: Sequence[Model], arguments: Sequence[str]) -> str:
    """One line for models with the same inputs and classes; ``arguments`` are those of the run."""
    names = listed([model.name for model in models])
    said = f"{names} have the same inputs and classes and were not compared with each other"
    if all(model.declared_in == ORIGIN for model in models):
        return f"{said}; to compare them: {_command(models, arguments)}"
    return f"{said}; to compare them, declare one model: sources={_sources(models)}"


def _command(models: Sequence[Model], arguments: Sequence[str]) -> str:
    """The run's own line, with all but the first of the models as its variants, and no other model."""
    first, *others = (_given(model) for model in models)
    kept: list[str] = []
    remaining = iter(rerun_arguments(arguments, (*OPTIONS, *options_of_checks(checks().values()))))
    for argument in remaining:
        flag, separator, _ = argument.partition("=")
        if flag not in (ORIGIN, OPTION):
            kept.append(argument)
        elif not separator:
            next(remaining, "")
    return shlex.join(["pytest", *kept, f"{ORIGIN}={first}", *(f"{OPTION}={other}" for other in others)])


def _given(model: Model) -> str:
    """A model as the command line names it."""
    return model.name.removesuffix(f" ({ORIGIN})")


def _sources(models: Sequence[Model]) -> dict[str, str]:
    """The sources of one model in the place of several."""
    found: dict[str, str] = {}
    for model in models:
        for key, source in (model.sources or {}).items():
            target = _shortened(source.target or "")
            found[key_of(SourceKey.parse(key).framework, target, found)] = target
    return found


def _shortened(target: str) -> str:
    """A path below the working directory from there."""
    path = Path(target)
    return os.path.relpath(path) if path.is_absolute() and path.is_relative_to(Path.cwd()) else target
