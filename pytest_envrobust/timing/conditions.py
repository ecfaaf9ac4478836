"""The state of the machine around a timing: who else was at work, and whether the processor kept its pace.

Two readings, before and after, and what their difference says against the times taken between them. Nothing here is an
error: what a system does not tell is absent, and then nothing is said of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pytest_envrobust.environments.machine import scaling_governor

T = TypeVar("T")

OTHERS_CORE = 0.15
"""Other processes may use so much of one core. Were all of it on the timed one, about every seventh call would have had
to share its core: neither a median nor much of a p90 comes from such calls. An idle desktop stays below it."""
OTHERS_SHARE = 0.05
"""Or so much of all cores, where that is more: what is spread over many cores seldom meets the timed one."""
STEAL_SHARE = 0.02
"""Of the CPU time that was wanted, the hypervisor may keep so much."""
QUOTA_SHARE = 0.02
"""A container's CPU quota may hold its processes back for so much of the time."""
FREQUENCY_SHARE = 0.10
"""The highest frequency may move by so much."""
LEAST_SECONDS = 0.05
"""Less CPU time than this is within the grain of the systems' counters (10 ms a CPU on Linux, 16 ms on Windows)."""
SCALING_GOVERNORS = frozenset({"powersave", "ondemand", "conservative", "schedutil"})
"""Governors of Linux that choose the frequency by the load, or keep it low."""

_BUSY = ("user", "nice", "system", "irq", "softirq")  # guests' time is in user and nice already


@dataclass(frozen=True)
class Reading:
    """The machine at one moment. ``None`` and empty: the system does not tell.

    ``seconds`` is the monotonic clock. ``busy_seconds`` and ``steal_seconds`` are the CPU time, since the machine
    started, that processes had and that the hypervisor kept from them, of the CPUs that this process may use.
    ``process_seconds`` is the CPU time of single processes, by their ids. ``frequencies_mhz`` are the CPUs' current
    ones, ``throttle_counts`` the counters of Linux of throttling by core and package, in a fixed order.
    ``quota_seconds`` is how long a container's CPU quota held its processes back so far, in all. ``load`` is the load
    average of one minute.
    """

    seconds: float
    busy_seconds: float | None = None
    steal_seconds: float | None = None
    process_seconds: Mapping[int, float] = field(default_factory=dict)
    frequencies_mhz: tuple[float, ...] = ()
    throttle_counts: tuple[int, ...] = ()
    quota_seconds: float | None = None
    on_battery: bool | None = None
    load: float | None = None
    governor: str = ""


def read_conditions(pids: Iterable[int] = (), *, system: Path = Path("/sys")) -> Reading:
    """The machine now, and the CPU time of this process and of those with the given ids.

    It costs under 1 ms on two CPUs, some 10 on 128. Take one before the first timed call and one
    right after the last, of the same processes. ``system`` is where Linux tells of its devices.
    """
    import psutil

    busy, steal = _told(lambda: _machine_seconds(psutil.cpu_times(percpu=True))) or (None, None)
    processes = {pid: _told(partial(_process_seconds, psutil, pid)) for pid in {os.getpid(), *pids}}
    return Reading(
        seconds=time.monotonic(),
        busy_seconds=busy,
        steal_seconds=steal,
        process_seconds={pid: seconds for pid, seconds in processes.items() if seconds is not None},
        frequencies_mhz=_told(lambda: tuple(cpu.current for cpu in psutil.cpu_freq(percpu=True))) or (),
        throttle_counts=_told(lambda: tuple(_throttle_counts(system))) or (),
        quota_seconds=_told(lambda: _quota_seconds(system)),
        on_battery=_told(lambda: not psutil.sensors_battery().power_plugged),
        load=_told(lambda: os.getloadavg()[0]),
        governor=scaling_governor(system),
    )


def own_cpu_seconds(before: Reading, after: Reading) -> float:
    """CPU time that the processes of both readings used between them (s); of their children none."""
    both = before.process_seconds.keys() & after.process_seconds.keys()
    return sum(max(0.0, after.process_seconds[pid] - before.process_seconds[pid]) for pid in both)


def notices(before: Reading, after: Reading, *, cores: int, own_cpu_seconds: float) -> tuple[str, ...]:
    """What makes times between the readings doubtful, a plain line each; none where nothing is known to.

    ``cores`` are those that this process may use. ``own_cpu_seconds`` is the CPU time that the timed sessions'
    processes and this one used meanwhile, as the function of that name tells: whatever else was busy
    is other processes.
    """
    return (
        *disturbances(before, after, cores=cores, own_cpu_seconds=own_cpu_seconds),
        *_of_frequency(before, after),
        *_of_throttling(before, after),
        *(["the machine runs on battery"] if before.on_battery or after.on_battery else []),
        *_of_governor(before, after),
    )


def disturbances(before: Reading, after: Reading, *, cores: int, own_cpu_seconds: float) -> tuple[str, ...]:
    """Those of the `notices` that say that somebody else had the processor: where there is one, wall time is not the
    timed sessions' own affair.
    """
    return (
        *_of_others(before, after, cores, own_cpu_seconds),
        *_of_quota(before, after),
        *_of_hypervisor(before, after),
    )


def was_quiet(before: Reading, after: Reading, *, cores: int, own_cpu_seconds: float) -> bool | None:
    """Whether nobody else had the processor between the readings; ``None`` where the system does not tell."""
    told = after.busy_seconds is not None and before.busy_seconds is not None
    if disturbances(before, after, cores=cores, own_cpu_seconds=own_cpu_seconds):
        return False
    return True if told else None


def _of_others(before: Reading, after: Reading, cores: int, own: float) -> Iterator[str]:
    elapsed = after.seconds - before.seconds
    busy = _rise(before.busy_seconds, after.busy_seconds)
    if busy is None:
        # The load average counts the timed processes too and lags by a minute: only a queue says something.
        if after.load is not None and after.load > cores + 1:
            yield f"the load average was {after.load:.1f} on {_cores(cores)}"
    elif elapsed > 0 and busy - own > max(LEAST_SECONDS, elapsed * max(OTHERS_CORE, OTHERS_SHARE * cores)):
        yield f"other processes used {(busy - own) / elapsed:.2g} of {_cores(cores)} meanwhile"


def _of_quota(before: Reading, after: Reading) -> Iterator[str]:
    elapsed = after.seconds - before.seconds
    held = _rise(before.quota_seconds, after.quota_seconds)
    if held is not None and held > max(LEAST_SECONDS, QUOTA_SHARE * elapsed):
        yield f"the container's CPU quota held processes back for {held:.1f} s within {elapsed:.1f} s"


def _of_hypervisor(before: Reading, after: Reading) -> Iterator[str]:
    busy, steal = _rise(before.busy_seconds, after.busy_seconds), _rise(before.steal_seconds, after.steal_seconds)
    if busy is None or steal is None or steal <= LEAST_SECONDS:
        return
    # Of the time that was wanted: an idle CPU has nothing to be taken away.
    if (share := steal / (busy + steal)) > STEAL_SHARE:
        yield f"the hypervisor kept {100 * share:.2g} % of the CPU time meanwhile"


def _of_frequency(before: Reading, after: Reading) -> Iterator[str]:
    """By the fastest CPU: idle ones are clocked down and tell nothing of the one that worked.

    Where the load sets the frequency, it rises as soon as there is any: that the first reading was of an idle machine.
    """
    then, now = max(before.frequencies_mhz, default=0.0), max(after.frequencies_mhz, default=0.0)
    if then <= 0 or now <= 0:
        return
    fell, rose = then / now > 1 + FREQUENCY_SHARE, now / then > 1 + FREQUENCY_SHARE
    if fell or (rose and after.governor not in SCALING_GOVERNORS):
        yield f"the processor's frequency went from {then:.0f} to {now:.0f} MHz meanwhile"


def _of_throttling(before: Reading, after: Reading) -> Iterator[str]:
    same = len(before.throttle_counts) == len(after.throttle_counts)
    if same and any(now > then for then, now in zip(before.throttle_counts, after.throttle_counts)):
        yield "the processor throttled itself meanwhile, for its heat or power"


def _of_governor(before: Reading, after: Reading) -> Iterator[str]:
    if (governor := after.governor or before.governor) in SCALING_GOVERNORS:
        yield f"frequency scaling is on (governor {governor})"


def _rise(before: float | None, after: float | None) -> float | None:
    """By how much a counter rose; ``None`` where it was not read twice. One that fell, as a CPU went, rose by 0."""
    return None if before is None or after is None else max(0.0, after - before)


def _cores(cores: int) -> str:
    return f"{cores} core{'' if cores == 1 else 's'}"


def _told(ask: Callable[[], T]) -> T | None:
    """The answer, or ``None``: psutil lacks functions here, raises there, and by system in many ways."""
    try:
        return ask()
    except Exception:  # a notice less, never a timing lost
        return None


def _machine_seconds(times: list[Any]) -> tuple[float, float | None]:
    """CPU seconds that were used, and that the hypervisor kept, of the CPUs that this process may use."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if 0 < len(allowed) < len(times) and max(allowed) < len(times):
        times = [times[cpu] for cpu in allowed]
    busy = sum(getattr(cpu, kind, 0.0) for cpu in times for kind in _BUSY)
    return busy, sum(cpu.steal for cpu in times) if hasattr(times[0], "steal") else None


def _process_seconds(psutil: Any, pid: int) -> float:
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system)


def _throttle_counts(system: Path) -> Iterator[int]:
    base = f"{system}/devices/system/cpu"
    for cpu in sorted(name for name in os.listdir(base) if name[:3] == "cpu" and name[3:].isdigit()):
        for part in ("core", "package"):
            if text := _text(f"{base}/{cpu}/thermal_throttle/{part}_throttle_count"):
                yield int(text)


def _quota_seconds(system: Path) -> float | None:
    """From the control group that a container sees as its root: version 2 of their interface, or 1."""
    for place, name, unit in (("cpu.stat", "throttled_usec", 1e-6), ("cpu/cpu.stat", "throttled_time", 1e-9)):
        for line in _text(f"{system}/fs/cgroup/{place}").splitlines():
            if line.startswith(f"{name} "):
                return int(line.split()[1]) * unit
    return None


def _text(path: str) -> str:
    """A file of the system's; empty where it is not there."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""
