"""The conversion steps, one module each, named ``target_from_source`` and found by that name."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from pytest_envrobust.conversion.base import ConversionJob, Step
from pytest_envrobust.core.discovery import module_names
from pytest_envrobust.core.errors import LacksOperator


@cache
def steps() -> dict[str, Step]:
    """Every step by name. Costs no import of a framework."""
    return {name: import_module(module_of(name)).STEP for name in module_names(__path__)}


def module_of(name: str) -> str:
    """Full name of the module that holds the step."""
    return f"{__name__}.{name}"


def convert(name: str, job: ConversionJob) -> None:
    """Run the step of that name, in this process.

    Raises `LacksOperator` where the step's ``lacking`` reads that in what its converter raised.
    """
    module = import_module(module_of(name))
    try:
        module.convert(job)
    except Exception as error:
        operators = module.lacking(error) if hasattr(module, "lacking") else ()
        if operators:
            raise LacksOperator(name, operators) from error
        raise
