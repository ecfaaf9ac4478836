"""Intervals on series made from seeds, whose true middle is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.timing.intervals import (
    Estimate,
    block_length,
    calls_for_quantile,
    check_confidence,
    effective_size,
    fewest_values,
    median_interval,
    quantile_interval,
    series_median_interval,
    widened,
    widened_range,
)

Array = NDArray[np.float64]


def autoregressive(seed: int, trials: int, n: int, rho: float) -> Array:
    """AR(1) series of mean and median 0, one a row, each after 60 values that are thrown away."""
    steps = np.random.default_rng(seed).normal(size=(trials, n + 60))
    for place in range(1, n + 60):
        steps[:, place] += rho * steps[:, place - 1]
    return steps[:, 60:]


def covered(series: Array, true: float) -> float:
    """The share of series whose interval holds the true median; one that says nothing holds everything."""
    found = [series_median_interval(values, 0.95, seed=0) for values in series]
    return sum(interval is None or interval[0] <= true <= interval[1] for interval in found) / len(series)


def told(series: Array) -> float:
    """The share of series that have an interval at all."""
    return sum(series_median_interval(values, 0.95, seed=0) is not None for values in series) / len(series)


# the median of independent samples


@pytest.mark.parametrize(
    ("n", "rank"), [(6, 1), (8, 1), (9, 2), (10, 2), (20, 6), (25, 8), (50, 18), (100, 40)]
)  # the tables of the sign test: the ranks that enclose the median at 95 %
def test_median_interval_against_tables(n: int, rank: int) -> None:
    samples = np.random.default_rng(0).permutation(np.arange(1, n + 1)).tolist()
    assert median_interval(samples) == (rank, n + 1 - rank)


@pytest.mark.parametrize(("n", "confidence"), [(0, 0.95), (5, 0.95), (7, 0.99), (4, 0.9)])
def test_median_interval_of_too_few(n: int, confidence: float) -> None:
    assert median_interval(list(range(n)), confidence) is None


@pytest.mark.parametrize("n", [6, 17, 64, 333, 5000])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_median_interval_is_the_narrowest_that_the_binomial_allows(n: int, confidence: float) -> None:
    tail = (1 - confidence) / 2
    low, high = median_interval(list(range(1, n + 1)), confidence) or (0, 0)
    assert binom.cdf(low - 1, n, 0.5) <= tail < binom.cdf(low, n, 0.5)
    assert low + high == n + 1


def test_median_interval_covers() -> None:
    found = [median_interval(np.random.default_rng(seed).exponential(size=25).tolist()) for seed in range(400)]
    assert sum(low <= math.log(2) <= high for low, high in filter(None, found)) >= 0.93 * 400


# a tail of independent samples


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("n", [1, 2, 5, 29, 36, 100, 367, 368, 1000])
def test_quantile_interval_by_enumeration(n: int, share: float) -> None:
    """Each end is the innermost sample that is on the wrong side of the quantile with 2.5 % chance at most."""
    below = binom.cdf(np.arange(-1, n + 1), n, share)  # at index k: fewer than k samples lie below the quantile
    lows = [rank for rank in range(1, n + 1) if below[rank] <= 0.025]
    highs = [rank for rank in range(1, n + 1) if 1 - below[rank] <= 0.025 + 1e-12]
    samples = np.random.default_rng(n).permutation(np.arange(1, n + 1)).tolist()
    assert quantile_interval(samples, share) == (max(lows, default=0), min(highs, default=math.inf))


def test_quantile_interval_has_no_ends_where_samples_do_not_reach() -> None:
    assert quantile_interval([], 0.9) == (0.0, math.inf)
    assert quantile_interval([5.0], 0.9) == (0.0, math.inf)
    assert quantile_interval(list(range(1, 36)), 0.9) == (28, math.inf)  # one call too few for an upper end
    assert quantile_interval(list(range(1, 37)), 0.9) == (29, 36)
    assert quantile_interval(list(range(1, 36)), 0.1) == (0.0, 8)  # mirrored
    assert quantile_interval(list(range(1, 37)), 0.1) == (1, 8)


def test_the_quantile_at_one_half_is_the_median() -> None:
    for n in (6, 7, 40, 101):
        assert quantile_interval(list(range(1, n + 1)), 0.5) == median_interval(list(range(1, n + 1)))


def test_quantile_interval_covers() -> None:
    true = -math.log(0.1)  # of the standard exponential
    found = [quantile_interval(np.random.default_rng(seed).exponential(size=60).tolist(), 0.9) for seed in range(400)]
    assert sum(low <= true <= high for low, high in found) >= 0.93 * 400
    assert all(math.isfinite(high) for _, high in found)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("confidence", [0.8, 0.9, 0.95, 0.99])
def test_calls_for_quantile_is_the_fewest_that_bound_it(share: float, confidence: float) -> None:
    enough = calls_for_quantile(share, confidence)
    assert math.isfinite(quantile_interval(range(enough), share, confidence)[1])
    assert quantile_interval(range(enough - 1), share, confidence)[1] == math.inf


@settings(max_examples=50)
@given(
    st.lists(st.floats(0.001, 1e9), min_size=1, max_size=80),
    st.sampled_from([0.5, 0.9, 0.99]),
    st.floats(0.01, 100.0),
    st.randoms(use_true_random=False),
)
def test_quantile_interval_holds_the_quantile_scales_and_forgets_the_order(
    samples: list[float], share: float, scale: float, random: object
) -> None:
    low, high = quantile_interval(samples, share)
    assert low <= np.quantile(samples, share, method="inverted_cdf") <= high
    random.shuffle(samples)  # type: ignore[attr-defined]
    scaled = quantile_interval([scale * sample for sample in samples], share)
    assert scaled == pytest.approx((scale * low, scale * high))


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.5, 95.0, math.nan])
def test_a_confidence_lies_between_0_and_1(confidence: float) -> None:
    for refuses in (
        check_confidence,
        lambda given: median_interval([1.0] * 9, given),
        lambda given: quantile_interval([1.0] * 9, 0.9, given),
    ):
        with pytest.raises(DeclarationError, match="between 0 and 1"):
            refuses(confidence)


def test_an_estimate_is_bounded_by_both_ends() -> None:
    assert Estimate(1, 2, 3).is_bounded
    assert not Estimate(0, 2, 3).is_bounded
    assert not Estimate(1, 2, math.inf).is_bounded
    assert not Estimate(math.nan, 2, math.nan).is_bounded


# how long a correlation lasts


def test_blocks_grow_with_correlation() -> None:
    mean = [np.mean([block_length(values) for values in autoregressive(1, 30, 200, rho)]) for rho in (0.0, 0.5, 0.9)]
    assert mean[0] < mean[1] < mean[2]
    assert mean[0] < 5


@pytest.mark.parametrize("n", [1, 2, 3, 7, 50])
def test_blocks_stay_within_the_series(n: int) -> None:
    assert block_length(np.full(n, 0.1)) == 1
    assert 1 <= block_length(np.arange(n, dtype=float)) <= max(1, math.ceil(n / 3))


def test_an_outlier_does_not_hide_the_correlation() -> None:
    values = autoregressive(5, 1, 100, 0.8)[0]
    plain = effective_size(values), block_length(values)
    values[50] = 1e4
    assert effective_size(values) < 60
    assert block_length(values) >= plain[1] / 2


@pytest.mark.parametrize("n", [6, 20, 200])
def test_a_series_is_worth_its_values_where_neighbors_are_alike_by_chance_only(n: int) -> None:
    assert effective_size(np.full(n, 0.1)) == n
    assert effective_size(np.tile([1.0, -1.0], n // 2)) == n  # neighbors on opposite sides
    assert np.median([effective_size(values) for values in autoregressive(2, 50, n, 0.0)]) == n


@pytest.mark.parametrize("rho", [0.3, 0.5, 0.8])
def test_a_correlated_series_is_worth_what_theory_says(rho: float) -> None:
    """The values' own share; the sides of the median are less alike, and the larger of both counts."""
    found = np.median([effective_size(values) for values in autoregressive(3, 100, 1000, rho)])
    assert found == pytest.approx(1000 * (1 - rho) / (1 + rho), rel=0.08)


def test_a_short_series_is_corrected_for_the_correlation_that_it_hides() -> None:
    """Uncorrected, 30 values at rho .5 seem worth a fourth more than they are."""
    series = autoregressive(4, 400, 30, 0.5)
    plain = []
    for values in series:
        centered = values - values.mean()
        r = float(centered[1:] @ centered[:-1] / (centered @ centered))
        plain.append(30 * (1 - r) / (1 + r))
    true = 30 * 0.5 / 1.5
    found = [effective_size(values) for values in series]
    assert np.median(found) == pytest.approx(true, rel=0.1)
    assert np.median(plain) > 1.2 * true


def test_a_series_that_only_rises_is_worth_hardly_anything() -> None:
    assert effective_size(np.arange(50, dtype=float)) < 2
    assert series_median_interval(np.arange(50, dtype=float), 0.95, 0) is None


# the median of a series


@pytest.mark.parametrize(
    ("shape", "n", "trials"),
    [
        ("normal", 20, 300),
        ("normal", 50, 150),
        ("normal", 200, 80),
        ("lognormal", 20, 300),
        ("lognormal", 50, 150),
        ("outliers", 20, 300),
        ("outliers", 50, 150),
        ("outliers", 100, 80),
    ],
)
def test_the_interval_covers_the_median_of_independent_values(shape: str, n: int, trials: int) -> None:
    random = np.random.default_rng(1000 + n)
    series, true = random.normal(size=(trials, n)), 0.0
    if shape == "lognormal":
        series, true = np.exp(series), 1.0
    elif shape == "outliers":  # 5 % are ten times as long, or as short
        far = math.log(10) * random.choice([-1, 1], size=series.shape)
        series = 0.02 * series + np.where(random.random(series.shape) < 0.05, far, 0.0)
    assert covered(series, true) >= 0.93
    assert told(series[:40]) >= 0.9


@pytest.mark.parametrize(
    ("n", "trials"),
    [(20, 300), (50, 150), (200, 50)],
)
@pytest.mark.parametrize("rho", [0.3, 0.5, 0.8])
def test_the_interval_covers_the_median_of_dependent_values(rho: float, n: int, trials: int) -> None:
    assert covered(autoregressive(1000 + n, trials, n, rho), 0.0) >= 0.93


def test_what_is_taken_as_independent_would_not_cover() -> None:
    """The same series under the interval for independent values: why blocks are needed at all."""
    series = autoregressive(50, 200, 50, 0.8)
    plain = [median_interval(values.tolist()) for values in series]
    assert sum(low <= 0 <= high for low, high in filter(None, plain)) < 0.7 * 200


def test_a_strong_correlation_in_few_values_says_nothing() -> None:
    assert told(autoregressive(6, 60, 20, 0.9)) < 0.4


@pytest.mark.parametrize(("n", "rho"), [(8, 0.8), (20, 0.9), (40, 0.95)])
def test_where_it_says_nothing_three_times_the_range_covers(n: int, rho: float) -> None:
    series = [
        values for values in autoregressive(7, 400, n, rho) if series_median_interval(values, 0.95, seed=0) is None
    ]
    found = [widened_range(values, 0.95) or (math.nan, math.nan) for values in series]
    assert len(series) > 100
    assert sum(low <= 0 <= high for low, high in found) >= 0.95 * len(series)


@pytest.mark.parametrize(("n", "rho"), [(11, 0.8), (20, 0.9), (40, 0.95)])
@pytest.mark.parametrize("confidence", [0.99, 1 - 0.05 / 30])
def test_the_range_is_widened_further_for_more_confidence(n: int, rho: float, confidence: float) -> None:
    series = autoregressive(8, 4000, n, rho)
    found = [widened_range(values, confidence) or (math.nan, math.nan) for values in series]
    assert sum(low <= 0 <= high for low, high in found) >= confidence * len(series)


def test_the_widened_range_is_none_of_too_few() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert widened_range(values, 0.95) == (-4.0, 11.0)
    assert widened_range(values[:5], 0.95) is None
    assert widened_range(values, 0.99) is None  # six values have no interval of their median
    low, high = widened_range(np.append(values, [3.0, 3.0]), 0.99) or (0.0, 0.0)
    assert low < -4.0 < 11.0 < high


@pytest.mark.parametrize(("confidence", "fewest"), [(0.5, 6), (0.95, 6), (0.975, 7), (0.99, 8), (1 - 0.05 / 30, 11)])
def test_the_fewest_values_are_those_that_have_a_median_interval(confidence: float, fewest: int) -> None:
    assert fewest_values(confidence) == fewest
    assert median_interval(list(range(fewest)), confidence) is not None
    if confidence >= 0.95:
        assert median_interval(list(range(fewest - 1)), confidence) is None


@pytest.mark.parametrize(("n", "rho"), [(30, 0.0), (60, 0.3), (60, 0.6)])
def test_intervals_for_a_family_hold_as_often_as_they_say(n: int, rho: float) -> None:
    """Of 30 cells: at 95 % in all of them, in 99.83 % each; at 95 % each, some of these series do not hold."""
    series = autoregressive(2000 + n, 150, n, rho)
    each = [series_median_interval(values, 1 - 0.05 / 30, seed=0) for values in series]
    assert all(interval is None or interval[0] <= 0 <= interval[1] for interval in each)
    assert covered(series, 0.0) < 1.0


def test_an_estimate_is_widened_as_a_lognormal_one() -> None:
    found = widened(Estimate(0.5, 1.0, 2.0), 0.99)
    assert (found.low, found.high) == pytest.approx((0.5**1.3142, 2.0**1.3142), rel=1e-4)
    twice, once = widened(found, 0.999, known=0.99), widened(Estimate(0.5, 1.0, 2.0), 0.999)
    assert (twice.low, twice.mid, twice.high) == pytest.approx((once.low, once.mid, once.high))
    assert widened(Estimate(0.5, 1.0, 2.0), 0.95) == Estimate(0.5, 1.0, 2.0)
    assert widened(Estimate(0.0, 1.0, math.inf), 0.99) == Estimate(0.0, 1.0, math.inf)


@pytest.mark.parametrize("n", [20, 60, 283])
def test_the_interval_of_independent_values_is_theirs_or_a_little_wider(n: int) -> None:
    found = []
    for seed in range(12):
        values = np.random.default_rng(seed).permutation(n).astype(float)
        if effective_size(values) == n:
            low, high = series_median_interval(values, 0.95, 0) or (math.nan, math.nan)
            plain = median_interval(values.tolist()) or (math.nan, math.nan)
            assert low <= plain[0] <= plain[1] <= high
            found.append((low, high) == plain)
    assert sum(found) >= 3


def test_a_seed_gives_the_same_interval_again() -> None:
    values = autoregressive(7, 1, 60, 0.3)[0]
    assert series_median_interval(values, 0.95, 1) == series_median_interval(values, 0.95, 1)


def test_a_series_that_stands_still_is_its_own_interval() -> None:
    assert series_median_interval(np.full(12, 0.25), 0.95, 0) == (0.25, 0.25)


@pytest.mark.parametrize("n", [1, 3, 5])
def test_too_short_a_series_has_no_interval(n: int) -> None:
    assert series_median_interval(np.arange(n, dtype=float), 0.95, 0) is None
