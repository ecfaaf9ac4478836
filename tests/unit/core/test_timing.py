"""Times of single calls, clock by clock."""

from __future__ import annotations

import pytest

from pytest_envrobust.core.timing import Timing

TIMING = Timing.of([3_000_000, 1_000_000, 8_000_000, 2_000_000], [2_500_000, 500_000, 500_000, 500_000], [4, 3, 2, 1])


def test_each_clock_by_its_name() -> None:
    assert TIMING.on("wall") == (3_000_000, 1_000_000, 8_000_000, 2_000_000)
    assert TIMING.on("cpu") == (2_500_000, 500_000, 500_000, 500_000)
    assert TIMING.on("device") == (4, 3, 2, 1)
    assert Timing.of([1], [2]).on("device") == ()


def test_medians_are_in_milliseconds() -> None:
    assert (TIMING.calls, TIMING.median_wall_ms, TIMING.median_cpu_ms) == (4, 2.5, 0.5)


def test_some_of_the_calls_on_every_clock() -> None:
    assert TIMING[1:3] == Timing((1_000_000, 8_000_000), (500_000, 500_000), (3, 2))
    assert Timing.of([1, 2], [3, 4])[1:] == Timing((2,), (4,))


@pytest.mark.parametrize("cut", [0, 1, 2, 4])
def test_joining_undoes_cutting(cut: int) -> None:
    assert Timing.joined([TIMING[:cut], TIMING[cut:]]) == TIMING


def test_joining_nothing() -> None:
    assert Timing.joined(iter(())) == Timing((), ())


def test_own_time_is_wall_time_less_what_others_took() -> None:
    """Never below CPU time: a bit more may have been lost around the call than within it."""
    timing = Timing.of([10, 10, 10, 10], [9, 4, 4, 12], held_up_ns=[0, 5, 9, 3])
    assert timing.on("own") == (10, 5, 4, 10)
    assert timing[1:3].on("own") == (5, 4)
    assert Timing.joined([timing[:1], timing[1:]]) == timing


def test_there_is_no_own_time_where_the_system_does_not_tell_what_others_took() -> None:
    assert Timing.of([10, 10], [9, 4]).on("own") == ()
