"""What is here: packages by their metadata, devices by their drivers, without importing an engine's library."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from pytest_envrobust.core.devices import DEVICES, Driver
from pytest_envrobust.core.errors import Unavailable
from pytest_envrobust.core.requirements import Requirement


@cache
def is_installed(module: str) -> bool:
    """Whether the top-level module can be found. That it can be imported is another fact, known to a worker only."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def missing(requirements: Iterable[Requirement]) -> tuple[Requirement, ...]:
    """Those that are not installed, each once, in order."""
    return tuple(dict.fromkeys(item for item in requirements if not is_installed(item.module)))


@cache
def installed_version(requirement: Requirement) -> str:
    """Version of the first of the distributions that is here; empty where none is."""
    for name in requirement.candidates:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""


def versions(requirements: Iterable[Requirement]) -> dict[str, str]:
    """Versions by module name, of those that are installed."""
    found = {item.module: installed_version(item) for item in requirements}
    return {name: number for name, number in sorted(found.items()) if number}


@cache
def is_driver_here(driver: Driver) -> bool:
    """Whether a driver's library loads: without it no engine reaches the device."""
    found = driver.windows_library if sys.platform == "win32" else ctypes.util.find_library(driver.link_name)
    try:
        ctypes.CDLL(found or driver.library)
    except OSError:
        return False
    return True


def accelerator_absence(device: str) -> Unavailable | None:
    """Why an accelerator cannot be here, as far as that is known without an engine; ``None`` where it may be."""
    known = DEVICES.get(device)
    if known is None:
        return None
    if known.driver is not None and not is_driver_here(known.driver):
        return Unavailable(
            f"there is no {known.description} here",
            cause=f"{known.driver.name} is not installed",
            remedy="run it on a machine with one",
        )
    if known.system not in ("", sys.platform):
        what = f"it is {known.description}"
        return Unavailable(f"there is no {device} here", cause=what, remedy="run it on such a machine")
    return None
