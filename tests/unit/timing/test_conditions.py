"""What is said of the machine around a timing. Readings are made up unless a test says otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_envrobust.timing.conditions import Reading, notices, own_cpu_seconds, read_conditions, was_quiet

BEFORE = Reading(
    seconds=100.0,
    busy_seconds=500.0,
    steal_seconds=7.0,
    process_seconds={1: 20.0},
    frequencies_mhz=(1200.0, 3000.0),
    throttle_counts=(3, 3),
    quota_seconds=2.0,
    on_battery=False,
    load=0.5,
    governor="performance",
)
AFTER = replace(BEFORE, seconds=110.0, busy_seconds=510.0, process_seconds={1: 30.0}, frequencies_mhz=(3100.0, 800.0))
"""Ten seconds later, in which one thread was busy all the time."""


def said(after: Reading, before: Reading = BEFORE, cores: int = 2, own: float = 10.0) -> tuple[str, ...]:
    return notices(before, after, cores=cores, own_cpu_seconds=own)


def test_nothing_is_said_of_a_quiet_machine() -> None:
    assert said(AFTER) == ()


@pytest.mark.parametrize(
    ("change", "notice"),
    [
        ({"busy_seconds": 516.0}, "other processes used 0.6 of 2 cores meanwhile"),
        ({"quota_seconds": 3.25}, "the container's CPU quota held processes back for 1.2 s within 10.0 s"),
        ({"steal_seconds": 7.5}, "the hypervisor kept 4.8 % of the CPU time meanwhile"),
        ({"frequencies_mhz": (2400.0, 800.0)}, "the processor's frequency went from 3000 to 2400 MHz meanwhile"),
        ({"frequencies_mhz": (800.0, 3400.0)}, "the processor's frequency went from 3000 to 3400 MHz meanwhile"),
        ({"throttle_counts": (3, 4)}, "the processor throttled itself meanwhile, for its heat or power"),
        ({"on_battery": True}, "the machine runs on battery"),
        ({"governor": "schedutil"}, "frequency scaling is on (governor schedutil)"),
        ({"governor": "powersave"}, "frequency scaling is on (governor powersave)"),
    ],
)
def test_each_disturbance_is_named_alone(change: dict[str, Any], notice: str) -> None:
    assert said(replace(AFTER, **change)) == (notice,)


@pytest.mark.parametrize(
    ("change", "quiet"),
    [
        ({}, True),
        ({"busy_seconds": 516.0}, False),
        ({"quota_seconds": 3.25}, False),
        ({"steal_seconds": 7.5}, False),
        ({"throttle_counts": (3, 4)}, True),  # a slower processor is no one else's at it
        ({"busy_seconds": None}, None),
        ({"busy_seconds": None, "load": 9.0}, False),
    ],
)
def test_a_machine_is_quiet_where_nobody_else_had_the_processor(change: dict[str, Any], quiet: bool | None) -> None:
    assert was_quiet(BEFORE, replace(AFTER, **change), cores=2, own_cpu_seconds=10.0) is quiet


def test_several_disturbances_are_all_named_those_by_others_first() -> None:
    after = replace(AFTER, busy_seconds=520.0, steal_seconds=8.0, on_battery=True, governor="ondemand")
    assert [notice.split()[0] for notice in said(after)] == ["other", "the", "the", "frequency"]


@pytest.mark.parametrize(
    "change",
    [
        {"busy_seconds": 511.4},
        {"quota_seconds": 2.19},
        {"steal_seconds": 7.19},
        {"frequencies_mhz": (2750.0,)},
        {"frequencies_mhz": (3290.0,)},
        {"throttle_counts": (2, 3)},
        {"governor": "userspace"},
    ],
)
def test_what_is_within_its_share_is_not_said(change: dict[str, Any]) -> None:
    assert said(replace(AFTER, **change)) == ()


@pytest.mark.parametrize(
    ("cores", "others", "doubtful"), [(1, 0.14, False), (1, 0.16, True), (64, 3.1, False), (64, 3.3, True)]
)
def test_on_many_cores_others_may_use_more(cores: int, others: float, doubtful: bool) -> None:
    after = replace(AFTER, busy_seconds=510.0 + 10 * others)
    assert bool(said(after, cores=cores)) is doubtful


def test_only_one_core_is_one_core() -> None:
    assert said(replace(AFTER, busy_seconds=515.0), cores=1) == ("other processes used 0.5 of 1 core meanwhile",)


def test_own_time_is_not_the_others() -> None:
    after = replace(AFTER, busy_seconds=519.0)
    assert said(after, own=10.0)
    assert not said(after, own=18.5)
    assert not said(after, own=25.0), "counters of processes and of the machine are never quite at one"


@pytest.mark.parametrize("change", [{"busy_seconds": 500.14}, {"steal_seconds": 7.04}, {"quota_seconds": 2.04}])
def test_a_few_ticks_of_a_counter_within_a_short_timing_say_nothing(change: dict[str, Any]) -> None:
    after = replace(AFTER, seconds=100.1, busy_seconds=500.1)
    assert said(replace(after, **change), own=0.1) == ()


def test_steal_is_a_share_of_what_was_wanted_however_many_cores_are_idle() -> None:
    assert said(replace(AFTER, steal_seconds=8.0), cores=64) == ("the hypervisor kept 9.1 % of the CPU time meanwhile",)


@pytest.mark.parametrize("governor", ["schedutil", "powersave"])
def test_a_processor_that_wakes_up_for_the_timing_is_no_doubt_of_its_own(governor: str) -> None:
    before, scaled = replace(BEFORE, frequencies_mhz=(800.0,)), (f"frequency scaling is on (governor {governor})",)
    assert said(replace(AFTER, governor=governor), before=before) == scaled
    slower = said(replace(AFTER, governor=governor, frequencies_mhz=(2000.0,)))
    assert slower == ("the processor's frequency went from 3000 to 2000 MHz meanwhile", *scaled)


def test_a_battery_in_one_of_both_readings_is_enough() -> None:
    assert said(AFTER, before=replace(BEFORE, on_battery=True)) == ("the machine runs on battery",)


def test_a_counter_that_fell_says_nothing() -> None:
    assert said(replace(AFTER, busy_seconds=1.0, steal_seconds=0.0, quota_seconds=0.0), own=0.0) == ()


def test_the_load_stands_in_where_the_cpu_time_is_not_told() -> None:
    after = replace(AFTER, busy_seconds=None, load=5.25)
    assert said(after) == ("the load average was 5.2 on 2 cores",)
    assert said(replace(after, load=2.9)) == ()
    assert said(replace(AFTER, load=5.25)) == (), "it lags behind: what was used in between is known better"


@pytest.mark.parametrize("name", [field.name for field in fields(Reading) if field.name != "seconds"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_a_system_does_not_tell_is_not_said(name: str, moment: str) -> None:
    """Every disturbance at once, one of them told by one reading only: the others stay, nothing is made up."""
    before = replace(BEFORE, governor="", on_battery=None)
    after = replace(
        AFTER,
        busy_seconds=530.0,
        steal_seconds=9.0,
        quota_seconds=4.0,
        frequencies_mhz=(1000.0,),
        throttle_counts=(9, 9),
        on_battery=True,
        governor="schedutil",
    )
    untold: dict[str, Any] = {field.name: field.default for field in fields(Reading)} | {"process_seconds": {}}
    everything = said(after, before=before)
    assert len(everything) == 7
    if moment == "before":
        before = replace(before, **{name: untold[name]})
    else:
        after = replace(after, **{name: untold[name]})
    some = said(after, before=before)
    assert set(some) <= set(everything)
    lost = {"busy_seconds": 2, "steal_seconds": 1, "quota_seconds": 1, "frequencies_mhz": 1, "throttle_counts": 1}
    if moment == "after":
        lost |= {"on_battery": 1, "governor": 1}
    assert len(everything) - len(some) == lost.get(name, 0)


numbers = st.none() | st.floats(0, 1e9)
readings = st.builds(
    Reading,
    seconds=st.floats(0, 1e9),
    busy_seconds=numbers,
    steal_seconds=numbers,
    process_seconds=st.dictionaries(st.integers(1, 3), st.floats(0, 1e9)),
    frequencies_mhz=st.lists(st.floats(0, 1e5), max_size=3).map(tuple),
    throttle_counts=st.lists(st.integers(0), max_size=3).map(tuple),
    quota_seconds=numbers,
    on_battery=st.none() | st.booleans(),
    load=numbers,
    governor=st.sampled_from(["", "performance", "schedutil"]),
)


@given(readings, readings, st.integers(1, 256))
def test_any_two_readings_can_be_held_against_each_other(before: Reading, after: Reading, cores: int) -> None:
    lines = notices(before, after, cores=cores, own_cpu_seconds=own_cpu_seconds(before, after))
    assert len(lines) <= 7
    assert all(line and "\n" not in line for line in lines)


def test_own_seconds_are_of_processes_that_both_readings_know() -> None:
    before = replace(BEFORE, process_seconds={1: 20.0, 2: 5.0, 3: 4.0})
    after = replace(AFTER, process_seconds={1: 21.5, 2: 5.25, 4: 100.0})
    assert own_cpu_seconds(before, after) == 1.75


def test_this_machine_tells_of_work_done_and_by_whom() -> None:
    before = read_conditions()
    until = time.process_time() + 0.1
    while time.process_time() < until:
        sum(range(1000))
    after = read_conditions()
    assert after.seconds > before.seconds
    assert own_cpu_seconds(before, after) > 0
    assert before.busy_seconds is not None
    assert after.busy_seconds is not None
    assert after.busy_seconds > before.busy_seconds


def test_other_processes_are_read_by_their_ids_and_those_that_are_gone_left_out() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert read_conditions([other.pid, gone.pid]).process_seconds.keys() == {os.getpid(), other.pid}
        other.communicate(b"\n")


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system binds no process to some of its CPUs")
def test_only_the_cpus_that_may_be_used_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    times = type(psutil.cpu_times(percpu=True)[0])
    idle = [0.0] * len(times._fields)
    each = [times(*idle)._replace(user=float(10**cpu), idle=1e6, steal=float(cpu)) for cpu in range(4)]
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: each)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 3})
    reading = read_conditions(system=tmp_path)
    assert (reading.busy_seconds, reading.steal_seconds) == (1010.0, 4.0)


@pytest.mark.parametrize("fault", [NotImplementedError("no"), OSError("no"), RuntimeError("no"), psutil.AccessDenied()])
def test_a_system_that_refuses_to_tell_is_no_error(
    fault: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise fault

    for name in ("cpu_times", "cpu_freq", "sensors_battery", "Process"):
        monkeypatch.setattr(psutil, name, refuses, raising=False)
    monkeypatch.setattr(os, "getloadavg", refuses, raising=False)
    reading = read_conditions([1], system=tmp_path)
    assert reading == Reading(seconds=reading.seconds)
    assert notices(reading, reading, cores=2, own_cpu_seconds=0.0) == ()


def test_a_psutil_that_lacks_functions_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("cpu_freq", "sensors_battery"):
        monkeypatch.delattr(psutil, name, raising=False)
    reading = read_conditions(system=tmp_path)
    assert (reading.frequencies_mhz, reading.on_battery) == ((), None)
    assert reading.busy_seconds is not None


@pytest.mark.parametrize("answer", [None, []])
def test_psutil_may_answer_that_there_is_nothing(
    answer: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("cpu_times", "cpu_freq", "sensors_battery"):
        monkeypatch.setattr(psutil, name, lambda *_, **__: answer, raising=False)
    reading = read_conditions(system=tmp_path)
    assert (reading.busy_seconds, reading.frequencies_mhz, reading.on_battery) == (None, (), None)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_what_linux_writes_in_its_files_is_read(tmp_path: Path) -> None:
    cpus = tmp_path / "devices/system/cpu"
    for cpu, core in enumerate((0, 5)):
        write(cpus / f"cpu{cpu}/thermal_throttle/core_throttle_count", f"{core}\n")
        write(cpus / f"cpu{cpu}/thermal_throttle/package_throttle_count", "7\n")
        write(cpus / f"cpu{cpu}/thermal_throttle/core_throttle_total_time_ms", "12345\n")
    write(cpus / "cpu0/cpufreq/scaling_governor", "ondemand\n")
    reading = read_conditions(system=tmp_path)
    assert reading.throttle_counts == (0, 7, 5, 7)
    assert reading.governor == "ondemand"
    write(cpus / "cpu0/thermal_throttle/core_throttle_count", "1\n")
    lines = notices(reading, read_conditions(system=tmp_path), cores=2, own_cpu_seconds=0.0)
    assert lines[-2:] == (
        "the processor throttled itself meanwhile, for its heat or power",
        "frequency scaling is on (governor ondemand)",
    )


@pytest.mark.parametrize(
    ("place", "text", "seconds"),
    [
        ("cpu.stat", "usage_usec 9\nnr_throttled 3\nthrottled_usec 1500000\n", 1.5),
        ("cpu/cpu.stat", "nr_periods 4\nnr_throttled 3\nthrottled_time 2500000000\n", 2.5),
        ("cpu.stat", "usage_usec 9\n", None),
        ("cpu.stat", "throttled_usec \n", None),
        ("cpu.stat", "throttled_usec many\n", None),
    ],
)
def test_a_containers_quota_is_read_of_both_interfaces(
    place: str, text: str, seconds: float | None, tmp_path: Path
) -> None:
    write(tmp_path / "fs/cgroup" / place, text)
    assert read_conditions(system=tmp_path).quota_seconds == pytest.approx(seconds)
