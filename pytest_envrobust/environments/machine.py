"""What machine this is: for the record, and for artifacts that are compiled for its processor."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """Processor, its features, cores, memory and system of the machine that runs the tests."""

    system: str
    architecture: str
    processor: str
    features: tuple[str, ...]
    cores: int
    memory_bytes: int
    python: str

    @property
    def instruction_set(self) -> str:
        """A short digest of architecture and processor features: code compiled for one may not run on another."""
        return hashlib.sha256(" ".join((self.architecture, *self.features)).encode()).hexdigest()[:12]


@cache
def this_machine() -> Machine:
    """The machine that this process runs on."""
    import psutil

    fields = _cpuinfo()
    features = (fields.get("flags") or fields.get("Features") or "").split()
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        architecture=platform.machine(),
        processor=fields.get("model name") or platform.processor() or platform.machine(),
        features=tuple(sorted(features)),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=int(psutil.virtual_memory().total),
        python=platform.python_version(),
    )


def _cpuinfo() -> dict[str, str]:
    """The first processor's lines of Linux's description; empty on other systems."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.split("\n\n", 1)[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}
