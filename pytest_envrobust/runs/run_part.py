"""What the record says of a run: when, on which machine, with which packages and settings."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict

from pytest_envrobust.environments.availability import versions
from pytest_envrobust.environments.machine import this_machine
from pytest_envrobust.record import schema
from pytest_envrobust.runs.context import RunContext


def run_part(context: RunContext, command: Sequence[str], **more: object) -> schema.Run:
    """What is so of the run as it stands; ``more`` are further fields of the record's `Run`."""
    settings, interpreters = context.settings, context.catalogue.interpreters
    own = {"pytest_envrobust": _own_version()}
    fields = {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(context.started)),
        "seconds": round(time.time() - context.started, 3),
        "machine": machine_part(),
        "versions": {**own, **versions(context.catalogue.requirements)},
        "command": list(command),
        "threads": settings.timing.threads,
        "preprocess_from": settings.preprocess_from,
        "interpreters": {
            name: schema.Interpreter(python=given.python, version=given.version, packages=dict(given.packages))
            for name, given in interpreters.items()
        }
        or None,
        "reference_run": None if context.earlier is None else context.earlier.part(),
    }
    return schema.Run(**{**fields, **more})  # type: ignore[arg-type]


def machine_part() -> schema.Machine:
    """This machine."""
    return schema.Machine(**asdict(this_machine()))


def _own_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("pytest-envrobust")
    except PackageNotFoundError:
        return "unknown"
