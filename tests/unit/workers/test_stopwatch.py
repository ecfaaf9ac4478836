"""The stopwatch on clocks that only move when they are told to."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterable
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pytest_envrobust.backends.base import DeviceTimer, Session
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.workers import stopwatch
from pytest_envrobust.workers.stopwatch import clock_step, garbage_held, timed

BATCH = np.zeros((1, 4), np.float32)


class Machine:
    """Stands in for the module `time`: a wall clock and a CPU clock, and a log of what was done."""

    def __init__(self) -> None:
        self.wall, self.cpu, self.log = 0, 0, list[str]()

    def perf_counter_ns(self) -> int:
        self.log.append("wall")
        return self.wall

    def process_time_ns(self) -> int:
        self.log.append("cpu")
        self.wall += 300  # a system call
        return self.cpu

    def spend(self, wall: int, cpu: int, what: str) -> None:
        self.wall, self.cpu = self.wall + wall, self.cpu + cpu
        self.log.append(what)


class Events(DeviceTimer):
    """Events of an accelerator that took 700 ns, however long the host took."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def start(self) -> None:
        self.machine.spend(10, 5, "start")

    def stop(self) -> int:
        self.machine.spend(400, 20, "stop")
        return 700


class Doubling(Session):
    """Scores are the inputs doubled; a call takes 1,000 ns of wall and 600 ns of CPU time."""

    input = TensorSpec((1, 4), "float32")

    def __init__(self, machine: Machine, timer: DeviceTimer | None = None) -> None:
        self.machine, self.timer = machine, timer

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        self.machine.spend(1000, 600, "run")
        return 2 * batch

    def device_timer(self) -> DeviceTimer | None:
        return self.timer

    def evidence(self) -> dict[str, str]:
        return {}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(stopwatch, "time", made)
    return made


def test_a_call_on_the_cpu(machine: Machine) -> None:
    call = timed(Doubling(machine), BATCH + 3)
    np.testing.assert_array_equal(call.scores, BATCH + 6)
    assert (call.wall_ns, call.cpu_ns, call.device_ns) == (1000, 600, None)
    assert machine.log == ["cpu", "wall", "run", "wall", "cpu"]  # what reading CPU time takes is nobody's wall time


def test_a_call_on_an_accelerator(machine: Machine) -> None:
    """Wall time ends when the device has: both events are within it."""
    call = timed(Doubling(machine, Events(machine)), BATCH)
    assert (call.wall_ns, call.cpu_ns, call.device_ns) == (1410, 625, 700)
    assert machine.log == ["cpu", "wall", "start", "run", "stop", "wall", "cpu"]


def test_what_held_a_call_up_is_read_outside_of_all_else(machine: Machine) -> None:
    readings = iter([7_000, 7_450])

    def held_up() -> int:
        machine.log.append("held up")
        return next(readings)

    assert timed(Doubling(machine), BATCH, held_up).held_up_ns == 450
    assert machine.log == ["held up", "cpu", "wall", "run", "wall", "cpu", "held up"]


def test_a_call_that_nobody_asked_about_says_nothing_of_being_held_up(machine: Machine) -> None:
    assert timed(Doubling(machine), BATCH).held_up_ns is None


def threads(folder: Path, **told: str) -> None:
    for name, text in told.items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "schedstat").write_text(text)


def test_how_long_threads_were_held_up_is_what_the_system_tells_of_them(tmp_path: Path) -> None:
    """An engine's own thread counts; one that does nothing is read no more."""
    threads(tmp_path, caller="1054827 2013333 3\n", engine="100 7 1\n", idle="5 5 5\n")
    with stopwatch.scheduling(str(tmp_path)) as held_up:
        assert held_up is not None
        assert held_up() == 2_013_345
        threads(tmp_path, caller="1054900 2013999 4\n", engine="300 1007 2\n")
        assert held_up() == 2_015_011
        held_up.keep_active()
        assert held_up() == 2_015_006
        threads(tmp_path, engine="300 1107 2\n", idle="9 9999 9\n")
        assert held_up() == 2_015_106


@pytest.mark.parametrize("text", [None, "", "0\n", "a b c\n"])
def test_a_system_that_does_not_tell_what_held_a_thread_up(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        threads(tmp_path, caller=text)
    with stopwatch.scheduling(str(tmp_path)) as held_up:
        assert held_up is None
    with stopwatch.scheduling(str(tmp_path / "gone")) as held_up:
        assert held_up is None


def test_a_session_has_no_device_timer_unless_it_says_so(machine: Machine) -> None:
    assert Session.device_timer(Doubling(machine)) is None


# how fine a clock is


def readings(values: Iterable[int]) -> Callable[[], int]:
    return iter(values).__next__


def test_a_clock_that_goes_in_steps() -> None:
    """It stands still for 50 readings, then goes on by 15,625,000 ns."""
    assert clock_step(readings(15_625_000 * (reading // 50) for reading in range(10_000))) == 15_625_000


def test_a_clock_that_moves_with_each_reading() -> None:
    assert clock_step(readings(range(0, 10_000, 40))) == 40


def test_the_smallest_of_several_steps_counts() -> None:
    """A process that is put aside between two readings sees a long one."""
    steps = chain([5_000_000, 300, 300, 200, 900_000], repeat(300, 30))
    values = [0]
    for step in steps:
        values.append(values[-1] + step)
    assert clock_step(readings(values)) == 200


def test_a_clock_that_jumps_back_has_no_negative_step() -> None:
    assert clock_step(readings(chain([1000, 1100, 500, 600, 1050], range(1200, 9000, 100)))) == 100


def test_a_clock_that_stands_still_is_given_up() -> None:
    read = 0

    def still() -> int:
        nonlocal read
        read += 1
        return 42

    assert clock_step(still) == 1_000_000_000
    assert read <= 1_000_001


def test_no_more_is_read_than_needed() -> None:
    values = iter(range(10_000))
    clock_step(values.__next__)
    assert next(values) < 100


@given(st.integers(1, 10**8), st.integers(1, 200), st.integers(0, 10**18))
def test_the_step_of_any_even_clock_is_found(step: int, readings_a_step: int, start: int) -> None:
    values = (start + step * (reading // readings_a_step) for reading in range(100 * readings_a_step))
    assert clock_step(readings(values)) == step


def test_each_clock_has_a_step_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = SimpleNamespace(
        perf_counter_ns=readings(range(0, 10_000, 40)), process_time_ns=readings(range(0, 10**9, 1_000_000))
    )
    monkeypatch.setattr(stopwatch, "time", clocks)
    assert stopwatch.clock_steps() == {"wall": 40, "cpu": 1_000_000}


# garbage


class Cycle:
    """Garbage that only the collector takes away."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture
def collecting() -> Iterable[None]:
    """The collector as this test wants it, and afterwards as it was."""
    was = gc.isenabled()
    yield
    (gc.enable if was else gc.disable)()


@pytest.mark.usefixtures("collecting")
@pytest.mark.parametrize("before", [True, False])
def test_no_garbage_is_collected_inside(before: bool) -> None:
    (gc.enable if before else gc.disable)()
    with garbage_held():
        assert not gc.isenabled()
        kept = weakref.ref(Cycle())
        for _ in range(10 * gc.get_threshold()[0]):
            Cycle()
        assert kept() is not None
    assert gc.isenabled() is before


@pytest.mark.usefixtures("collecting")
def test_an_error_inside_lets_go_too() -> None:
    gc.enable()
    with pytest.raises(RuntimeError), garbage_held():
        raise RuntimeError
    assert gc.isenabled()
