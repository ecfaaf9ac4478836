"""Drifts of series made from seeds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_envrobust.timing.drift import FEWEST_ROUNDS, drift, moved

Array = NDArray[np.float64]


def noise(seed: int, trials: int, n: int, rho: float, spread: float) -> Array:
    """AR(1) logarithms of times, one series a row."""
    steps = np.random.default_rng(seed).normal(size=(trials, n + 60))
    for place in range(1, n + 60):
        steps[:, place] += rho * steps[:, place - 1]
    return spread * (1 - rho**2) ** 0.5 * steps[:, 60:]


def share_told(logs: Array, beside: Array | None = None) -> float:
    found = [
        drift(np.exp(row), () if beside is None else np.exp(beside[place])) is not None
        for place, row in enumerate(logs)
    ]
    return sum(found) / len(found)


@pytest.mark.parametrize(("rho", "most"), [(0.0, 0.007), (0.5, 0.013), (0.8, 0.027)])
@pytest.mark.parametrize("n", [20, 60, 200])
def test_noise_is_seldom_taken_for_a_drift(n: int, rho: float, most: float) -> None:
    assert share_told(noise(n, 300, n, rho, 0.1)) <= most


def test_outliers_are_no_drift() -> None:
    """One-sided ones, as a busy machine makes them, also where all of them are late."""
    logs = noise(1, 200, 60, 0.0, 0.03)
    logs[:, ::7] += np.random.default_rng(2).exponential(1.0, size=logs[:, ::7].shape)
    assert share_told(logs) <= 0.01
    logs = noise(3, 200, 60, 0.0, 0.03)
    logs[:, -4:] += 1.0
    assert share_told(logs) <= 0.01


@pytest.mark.parametrize("by", [0.8, 1.25, 2.0])
def test_a_drift_is_told_with_what_it_comes_to(by: float) -> None:
    logs = noise(4, 100, 60, 0.3, 0.03) + np.linspace(0, np.log(by), 60)
    found = [drift(np.exp(row)) for row in logs]
    told = [each for each in found if each is not None]
    assert len(told) >= 90
    assert np.median(told) == pytest.approx(by, rel=0.03)


def test_a_drift_without_noise_is_one() -> None:
    assert drift(np.exp(np.linspace(0, 0.2, 40))) == pytest.approx(np.exp(0.2))
    assert drift([7.0] * 40) is None


@pytest.mark.parametrize("end", [0.2, 5.0])
def test_a_drift_along_a_curve_is_one(end: float) -> None:
    """As a cache fills: the line leaves a bow, whose values depend on each other."""
    curve = np.log(1 + (end - 1) * (1 - np.exp(-np.arange(40) / 12)))
    assert share_told(noise(7, 50, 40, 0.0, 0.03) + curve) > 0.95


def test_what_both_do_is_no_drift_of_their_quotient() -> None:
    rise = np.linspace(0, 1, 60)
    mine, theirs = noise(5, 200, 60, 0.3, 0.03) + rise, noise(6, 200, 60, 0.3, 0.03) + rise
    assert share_told(mine) > 0.95
    assert share_told(mine, theirs) <= 0.01
    assert share_told(mine, theirs - rise) > 0.95


def test_a_small_drift_is_none_however_sure() -> None:
    assert drift(np.exp(np.linspace(0, 0.029, 200))) is None
    assert drift(np.exp(np.linspace(0, 0.031, 200))) is not None


@pytest.mark.parametrize("times", [lambda n: np.linspace(1, 9, n), lambda n: np.linspace(9, 1, n)])
def test_a_short_series_tells_none(times: Callable[[int], Array]) -> None:
    assert drift(times(FEWEST_ROUNDS - 1)) is None
    assert drift(times(FEWEST_ROUNDS)) is not None
    assert drift(()) is None


def test_times_of_zero_tell_none() -> None:
    rising = np.linspace(0, 9, 40)
    assert drift(rising) is None
    assert drift(rising + 1, rising) is None


def test_a_drift_in_words() -> None:
    assert (moved(1.123), moved(0.9)) == ("rose by 12 %", "fell by 10 %")
