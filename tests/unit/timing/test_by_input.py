"""Inputs that differ in time, in calls made from seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_envrobust.timing.by_input import inputs_that_differ

Array = NDArray[np.float64]


def noise(random: np.random.Generator, calls: int, kind: str) -> Array:
    """Logarithms of times: with spikes, with a slow stretch now and then, or of calls that depend on each other."""
    logs = 0.03 * random.normal(size=calls)
    if kind == "spikes":
        logs += (random.random(calls) < 0.2) * random.exponential(0.7, calls)
    elif kind == "stretches":
        logs += np.repeat(random.random(calls // 5 + 1) < 0.2, 5)[:calls] * random.exponential(0.7, calls)
    elif kind == "autoregressive":
        for call in range(1, calls):
            logs[call] += 0.9 * logs[call - 1]
    return logs


@pytest.mark.parametrize("kind", ["spikes", "stretches", "autoregressive"])
@pytest.mark.parametrize(("inputs", "each"), [(20, 3), (5, 10)])
def test_noise_is_seldom_taken_for_a_difference(inputs: int, each: int, kind: str) -> None:
    random, places = np.random.default_rng(inputs), np.arange(inputs * each) % inputs
    told = [inputs_that_differ(places, np.exp(noise(random, len(places), kind))) for _ in range(150)]
    assert sum(map(bool, told)) <= 4


@pytest.mark.parametrize(("inputs", "each"), [(2, 40), (20, 3), (20, 10), (200, 4)])
@pytest.mark.parametrize("by", [0.5, 1.3, 2.0])
def test_an_input_that_differs_is_told_with_how_much(inputs: int, each: int, by: float) -> None:
    random, places = np.random.default_rng(1), np.arange(inputs * each) % inputs
    slow = inputs - 1
    logs = noise(random, len(places), "") + np.linspace(0, 0.5, len(places)) + np.where(places == slow, np.log(by), 0)
    [found] = inputs_that_differ(places, np.exp(logs))
    if inputs > 2:
        assert (found.place, found.calls) == (slow, each)
    assert max(found.times, 1 / found.times) == pytest.approx(max(by, 1 / by), rel=0.1)


def test_several_are_told_the_furthest_first() -> None:
    random, places = np.random.default_rng(2), np.arange(200) % 20
    factor = np.select([places == 3, places == 7, places == 9], [1.5, 4.0, 0.5], 1.0)
    found = inputs_that_differ(places, factor * np.exp(noise(random, 200, "")))
    assert [each.place for each in found] == [7, 9, 3]


def test_a_small_difference_is_none_however_sure() -> None:
    random, places = np.random.default_rng(3), np.arange(400) % 10
    found = inputs_that_differ(places, np.where(places == 4, 1.05, 1.0) * np.exp(noise(random, 400, "") / 10))
    assert found == ()


@pytest.mark.parametrize("each", [1, 2])
def test_one_or_two_calls_of_an_input_tell_nothing(each: int) -> None:
    places = np.arange(20 * each) % 20
    assert inputs_that_differ(places, np.where(places == 4, 9.0, 1.0)) == ()


def test_nothing_is_told_of_one_input_no_calls_or_times_of_zero() -> None:
    assert inputs_that_differ([0] * 9, [1.0] * 9) == ()
    assert inputs_that_differ([], []) == ()
    assert inputs_that_differ([0, 1] * 9, [0.0, 1.0] * 9) == ()
    assert not math.isnan(sum(each.times for each in inputs_that_differ([0, 1] * 9, [1.0, 1.0] * 9)))
