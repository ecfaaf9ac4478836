"""What machine this is: for the record, and for artifacts that are compiled for its processor."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pytest_envrobust.core.devices import CEILINGS, DEVICES

MEMORY_SHARE = 0.05
"""Memory of one machine differs by so much at most: kernels keep more or less of it for themselves."""
_X86 = ("x86_64", "amd64", "i386", "i686")
_TITLES = {
    "processor": "processor",
    "architecture": "architecture",
    "cores": "cores",
    "governor": "governor",
    "system": "system",
    "python": "Python",
}
"""Facts that are equal or not, with what they are called."""
_SHOWN_FEATURES = 6
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Machine:
    """Processor, its features, cores, memory and system of the machine that runs the tests.

    ``governor`` is what sets the processor's frequency on Linux; empty where the system does not tell.
    """

    system: str
    architecture: str
    processor: str
    features: tuple[str, ...]
    cores: int
    memory_bytes: int
    python: str
    governor: str

    @property
    def instruction_set(self) -> str:
        """A short digest of architecture and processor features: code compiled for one may not run on another."""
        return hashlib.sha256(" ".join((self.architecture, *self.features)).encode()).hexdigest()[:12]


def facts_of_this_machine() -> dict[str, Any]:
    """`Machine` as plain data."""
    return asdict(this_machine())


@cache
def this_machine() -> Machine:
    """The machine that this process runs on."""
    fields = _cpuinfo()
    features = (fields.get("flags") or fields.get("Features") or "").split()
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        architecture=platform.machine(),
        processor=fields.get("model name") or platform.processor() or platform.machine(),
        features=tuple(sorted(features)),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=_memory(),
        python=platform.python_version(),
        governor=scaling_governor(),
    )


def above_the_processor(device: str, machine: Machine) -> str:
    """Why a ceiling means nothing on a machine; empty where it means something, or where nobody tells."""
    if device not in CEILINGS:
        return ""
    if machine.architecture.lower() not in _X86:
        return f"an x86 instruction-set ceiling means nothing on {machine.architecture}"
    lacking = [each for each in DEVICES[device].features if each not in machine.features] if machine.features else []
    return f"this processor has no {', '.join(lacking)}" if lacking else ""


def scaling_governor(system: Path = Path("/sys")) -> str:
    """What sets the frequency of the first CPU (``performance``, ``schedutil``); empty where the system does not tell.

    ``system`` is where Linux tells of its devices.
    """
    try:
        return (system / "devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text().strip()
    except OSError:
        return ""


def _memory() -> int:
    try:
        import psutil
    except ImportError:  # in another interpreter
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return int(psutil.virtual_memory().total)


def machine_differences(
    now: Mapping[str, Any], then: Mapping[str, Any], when: tuple[str, str] = ("now", "then")
) -> tuple[str, ...]:
    """What makes times of two machines incomparable, in words; none where they are alike.

    Both are machines as in the record, `Machine` as a dictionary. A fact that only one of them has is a difference:
    what is not known to be the same machine is not taken for it. ``when`` is what the two are called.
    """
    facts = [(title, _stated(now.get(name)), _stated(then.get(name))) for name, title in _TITLES.items()]
    changed = [f"{title} {_both(earlier, current, when)}" for title, current, earlier in facts if current != earlier]
    return (*changed, *_feature_differences(now, then, when), *_memory_differences(now, then, when))


def version_differences(now: Mapping[str, str], then: Mapping[str, str], names: Iterable[str]) -> tuple[str, ...]:
    """Which of these packages have another version now, in words. One that neither has is no difference.

    ``now`` and ``then`` are versions by name, as in the record.
    """
    facts = [(name, now.get(name, "absent"), then.get(name, "absent")) for name in dict.fromkeys(names)]
    return tuple(f"{name} {earlier} then, {current} now" for name, current, earlier in facts if current != earlier)


def _stated(fact: Any) -> str:
    return _UNKNOWN if fact is None or fact == "" else str(fact)


def _both(earlier: str, current: str, when: tuple[str, str]) -> str:
    return f"{earlier} {when[1]}, {current} {when[0]}"


def _feature_differences(now: Mapping[str, Any], then: Mapping[str, Any], when: tuple[str, str]) -> Iterator[str]:
    current, earlier = set(now.get("features") or ()), set(then.get("features") or ())
    only = [(earlier - current, when[1]), (current - earlier, when[0])]
    if said := [f"{_shortened(sorted(names))} only {where}" for names, where in only if names]:
        yield f"processor features {', '.join(said)}"


def _memory_differences(now: Mapping[str, Any], then: Mapping[str, Any], when: tuple[str, str]) -> Iterator[str]:
    current, earlier = now.get("memory_bytes") or 0, then.get("memory_bytes") or 0
    if abs(current - earlier) > MEMORY_SHARE * max(current, earlier):
        yield f"memory {_both(_gib(earlier), _gib(current), when)}"


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size else _UNKNOWN


def _shortened(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN_FEATURES} more" if len(names) > _SHOWN_FEATURES else ""
    return ", ".join(names[:_SHOWN_FEATURES]) + more


def _cpuinfo() -> dict[str, str]:
    """The first processor's lines of Linux's description; empty on other systems."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.split("\n\n", 1)[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}
