"""What is here: packages by their metadata, devices by their drivers, without importing an engine's library."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from pytest_envrobust.core.errors import Unavailable
from pytest_envrobust.core.requirements import Requirement

_SYSTEMS = {
    "mps": ("darwin", "Metal on a Mac"),
    "coreml": ("darwin", "Core ML on a Mac"),
    "directml": ("win32", "DirectML on Windows"),
}
"""Accelerators that one system alone has, with its name in Python and what they are."""


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
def has_cuda_driver() -> bool:
    """Whether the CUDA driver's library loads: without it no framework reaches an NVIDIA GPU."""
    name = "nvcuda.dll" if sys.platform == "win32" else ctypes.util.find_library("cuda") or "libcuda.so.1"
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def accelerator_absence(device: str) -> Unavailable | None:
    """Why an accelerator cannot be here, as far as that is known without an engine; ``None`` where it may be."""
    kind = device.partition(":")[0]
    if kind == "cuda" and not has_cuda_driver():
        return Unavailable(
            "there is no NVIDIA GPU here",
            cause="the CUDA driver is not installed",
            remedy="run it on a machine with one",
        )
    needed = _SYSTEMS.get(kind)
    if needed is None or sys.platform == needed[0]:
        return None
    return Unavailable(f"there is no {kind} here", cause=f"it is {needed[1]}", remedy="run it on such a machine")
