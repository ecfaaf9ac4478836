"""Interpreters of their own, for steps whose packages cannot be installed beside the others: which the user gave."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.requirements import INTERPRETERS, TORCH, Interpreter, Requirement
from pytest_envrobust.core.suggestions import did_you_mean
from pytest_envrobust.environments.availability import installed_version

_OLDEST = (3, 9)
_ASK_SECONDS = 60
_NOT_TOLD = frozenset({"pip", "setuptools", "wheel"})
"""Packages that make no difference to what a conversion writes."""
_QUESTION = """
import json, sys
from importlib.metadata import distributions
packages = {each.metadata["Name"]: each.version for each in distributions() if each.metadata["Name"]}
print(json.dumps({"version": sys.version_info[:2], "packages": packages}))
"""


@dataclass(frozen=True)
class GivenInterpreter:
    """A Python that the user gave: its path, its version (``3.12``), and its packages' versions by normalized name."""

    name: str
    python: str
    version: str
    packages: Mapping[str, str]


def given_interpreter(line: str, base: Path, origin: str) -> GivenInterpreter:
    """What ``NAME=PYTHON`` names, a relative path taken from ``base``; the interpreter is asked what it has.

    Raises `DeclarationError` where the name is none, the file is no Python, or a package is missing there.
    """
    name, separator, path = (part.strip() for part in line.partition("="))
    if not (separator and name and path):
        raise DeclarationError(f"interpreter {line!r} ({origin})", remedy="write it as NAME=PYTHON")
    if name not in INTERPRETERS:
        raise DeclarationError(
            f"interpreter {name!r} ({origin})",
            cause=f"steps name {' and '.join(INTERPRETERS)}",
            remedy=did_you_mean(name, INTERPRETERS),
        )
    return _checked(INTERPRETERS[name], path, base, f"interpreter {name}={path} ({origin})")


def asked_interpreter(path: str, base: Path, what: str, hint: str = "") -> tuple[str, str, dict[str, str]]:
    """The interpreter's absolute path, its version (``3.12``), and its packages' versions by normalized name.

    A relative path is taken from ``base``. Raises `DeclarationError`, about ``what``, where the file is no Python, or
    one that is too old; ``hint`` is the remedy where there is none.
    """
    # Symbolic links stay as they are: a virtual environment's python is one, and is known by its own path.
    python = os.path.abspath(base / Path(path).expanduser())
    if not os.path.isfile(python):
        kind = "is a directory" if os.path.isdir(python) else "does not exist"
        what_to_do = "name the python in it" if os.path.isdir(python) else hint
        raise DeclarationError(what, cause=f"{python} {kind}", remedy=what_to_do)
    try:
        version, packages = _asked(python)
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        raise DeclarationError(what, cause=f"{python} is no Python: {_reason(error)}") from None
    if version < _OLDEST:
        needed = ".".join(map(str, _OLDEST))
        raise DeclarationError(what, cause=f"it is Python {version[0]}.{version[1]}", remedy=f"use {needed} or later")
    return python, f"{version[0]}.{version[1]}", packages


def remedy(interpreter: Interpreter) -> str:
    """The commands that make such an interpreter, and the option that names it."""
    torch = installed_version(TORCH).partition("+")[0]
    commands = " && ".join(interpreter.commands)
    made = commands.replace("{torch}", torch) if torch else commands.replace("=={torch}", "")
    return f"make one: {made}; then add {interpreter.option}"


def _checked(interpreter: Interpreter, path: str, base: Path, what: str) -> GivenInterpreter:
    hint = remedy(interpreter)
    python, version, packages = asked_interpreter(path, base, what, hint)
    if lacking := [item.candidates[0] for item in interpreter.requires if not has_package(packages, item)]:
        verb = "is" if len(lacking) == 1 else "are"
        raise DeclarationError(what, cause=f"{' and '.join(lacking)} {verb} not installed there", remedy=hint)
    return GivenInterpreter(interpreter.name, python, version, packages)


@cache
def _asked(python: str) -> tuple[tuple[int, int], dict[str, str]]:
    """Version and packages, without importing any of them; -I: nothing of this process's own is in the way."""
    command = [python, "-I", "-c", _QUESTION]
    found = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_SECONDS, check=True)
    answer = json.loads(found.stdout.splitlines()[-1] if found.stdout else "")
    packages = {_normalized(name): version for name, version in sorted(answer["packages"].items())}
    major, minor = answer["version"]
    return (major, minor), {name: version for name, version in packages.items() if name not in _NOT_TOLD}


def has_package(packages: Mapping[str, str], requirement: Requirement) -> bool:
    """Whether one of the distributions that carry what is required is among the packages of an interpreter."""
    return any(_normalized(name) in packages for name in requirement.candidates)


def _normalized(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = str(error.stderr).strip().splitlines()
        return lines[-1] if lines else f"it ended with {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it did not answer within {_ASK_SECONDS} s"
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it does not answer as one"
