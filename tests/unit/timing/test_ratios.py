"""Ratios and intervals on series made from seeds; no real time is taken."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.timing import Timing
from pytest_envrobust.timing.ratios import (
    Ratio,
    block_length,
    median_interval,
    paired_ratio,
    samples,
    smallest_visible,
    summary,
)

times = st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)), min_size=1, max_size=30)


def series(seed: int, n: int, correlation: float, heavy: bool = False) -> np.ndarray:
    """An AR(1) series with median 0, its start left out."""
    random = np.random.default_rng(seed)
    steps = random.standard_t(2, n + 50) if heavy else random.normal(size=n + 50)
    for i in range(1, len(steps)):
        steps[i] += correlation * steps[i - 1]
    return steps[50:]


def paired(seed: int, n: int, correlation: float, true: float, heavy: bool = False) -> tuple[list[int], list[int]]:
    drift = np.random.default_rng(seed + 10_000).uniform(1e6, 1.5e6, n)
    cell = drift * true * np.exp(0.02 * series(seed, n, correlation, heavy))
    return cell.round().astype(int).tolist(), drift.round().astype(int).tolist()


@pytest.mark.parametrize(
    ("n", "correlation", "heavy", "least"),
    [
        (6, 0.0, False, 0.92),
        (30, 0.0, False, 0.92),
        (60, 0.0, True, 0.92),
        (60, 0.3, True, 0.86),
        (60, 0.5, False, 0.84),
    ],
)
def test_the_interval_holds_the_true_ratio(n: int, correlation: float, heavy: bool, least: float) -> None:
    runs = 150
    found = [paired_ratio(*paired(seed, n, correlation, 1.3, heavy), seed=seed) for seed in range(runs)]
    assert sum(ratio.low <= 1.3 <= ratio.high for ratio in found) >= least * runs


def test_a_drift_of_the_machine_cancels() -> None:
    reference = [1_000_000 * (1 + i) for i in range(40)]
    found = paired_ratio([round(1.5 * time) for time in reference], reference)
    assert (found.low, found.mid, found.high) == pytest.approx((1.5, 1.5, 1.5))


def test_one_outlier_moves_nothing() -> None:
    cell, reference = paired(1, 40, 0.0, 1.2)
    plain = paired_ratio(cell, reference)
    cell[7] *= 100
    assert paired_ratio(cell, reference).mid == pytest.approx(plain.mid, rel=0.01)


@settings(max_examples=25, deadline=None)
@given(times)
def test_low_mid_high_are_in_order_and_repeatable(pairs: list[tuple[int, int]]) -> None:
    cell, reference = zip(*pairs)
    found = paired_ratio(cell, reference, seed=3)
    assert 0 <= found.low <= found.mid <= found.high
    assert paired_ratio(cell, reference, seed=3) == found


@settings(max_examples=25, deadline=None)
@given(times)
def test_swapping_sides_inverts_the_median(pairs: list[tuple[int, int]]) -> None:
    cell, reference = zip(*pairs)
    there, back = paired_ratio(cell, reference), paired_ratio(reference, cell)
    assert there.mid * back.mid == pytest.approx(1)


@pytest.mark.parametrize("n", [1, 5])
def test_too_few_pairs_say_nothing(n: int) -> None:
    assert paired_ratio([2] * n, [1] * n) == Ratio(0.0, 2.0, math.inf)


def test_a_clock_too_coarse_says_nothing() -> None:
    found = paired_ratio([0, 10, 10, 10, 10, 10, 10, 10], [10] * 8)
    assert (found.low, found.mid, found.high) == (0.0, 0.875, math.inf)
    assert math.isnan(paired_ratio([1] * 8, [0] * 8).mid)


def test_a_confidence_beyond_the_pairs_says_nothing() -> None:
    assert paired_ratio([2] * 6, [1] * 6, confidence=0.999).high == math.inf


@pytest.mark.parametrize(
    ("cell", "reference", "confidence"),
    [([], [], 0.95), ([1, 2], [1], 0.95), ([-1] * 9, [1] * 9, 0.95), ([1] * 9, [1] * 9, 1.5)],
)
def test_what_cannot_be_paired(cell: list[int], reference: list[int], confidence: float) -> None:
    with pytest.raises(DeclarationError):
        paired_ratio(cell, reference, confidence=confidence)


def test_blocks_grow_with_correlation() -> None:
    mean = [np.mean([block_length(series(seed, 200, rho)) for seed in range(30)]) for rho in (0.0, 0.5, 0.9)]
    assert mean[0] < mean[1] < mean[2]
    assert mean[0] < 5


@pytest.mark.parametrize("n", [1, 2, 3, 7, 50])
def test_blocks_stay_within_the_series(n: int) -> None:
    assert block_length(np.full(n, 0.1)) == 1
    assert 1 <= block_length(np.arange(n, dtype=float)) <= max(1, math.ceil(n / 3))


@pytest.mark.parametrize(
    ("n", "rank"), [(6, 1), (8, 1), (9, 2), (10, 2), (20, 6), (25, 8), (50, 18), (100, 40)]
)  # the tables of the sign test: the ranks that enclose the median at 95 %
def test_median_interval_against_tables(n: int, rank: int) -> None:
    samples = np.random.default_rng(0).permutation(np.arange(1, n + 1)).tolist()
    assert median_interval(samples) == (rank, n + 1 - rank)


@pytest.mark.parametrize(("n", "confidence"), [(0, 0.95), (5, 0.95), (7, 0.99), (4, 0.9)])
def test_median_interval_of_too_few(n: int, confidence: float) -> None:
    assert median_interval(list(range(n)), confidence) is None


def test_median_interval_equals_the_binomial() -> None:
    stats = pytest.importorskip("scipy.stats")
    for n in (6, 17, 64, 333, 5000):
        low, high = median_interval(list(range(1, n + 1))) or (0, 0)
        assert stats.binom.cdf(low - 1, n, 0.5) <= 0.025 < stats.binom.cdf(low, n, 0.5)
        assert low + high == n + 1


def test_median_interval_covers() -> None:
    hits = 0
    for seed in range(400):
        low, high = median_interval(np.random.default_rng(seed).exponential(size=25).tolist()) or (0, 0)
        hits += low <= math.log(2) <= high
    assert hits >= 0.93 * 400


@pytest.mark.parametrize(
    ("calls", "keys"),
    [
        (1, {"median", "n"}),
        (5, {"median", "n"}),
        (6, {"median", "n", "interval"}),
        (19, {"median", "n", "interval"}),
        (20, {"median", "n", "interval", "p90"}),
        (199, {"median", "n", "interval", "p90"}),
        (200, {"median", "n", "interval", "p90", "p99"}),
    ],
)
def test_tails_need_calls_behind_them(calls: int, keys: set[str]) -> None:
    found = summary(Timing.of([2_000_000] * calls, [1_000_000] * calls))
    assert set(found["wall_ms"]) == set(found["cpu_ms"]) == keys
    assert (found["wall_ms"]["median"], found["cpu_ms"]["median"], found["wall_ms"]["n"]) == (2.0, 1.0, calls)


def test_the_record_keeps_single_calls_in_their_order() -> None:
    assert samples(Timing((3_000_000, 1_000_000), (2_000_000, 500_000))) == {"wall": [3.0, 1.0], "cpu": [2.0, 0.5]}
    many = samples(Timing.of([call * 1_000_000 for call in range(1000)], []))
    assert list(many) == ["wall"]
    assert len(many["wall"]) == 100
    assert (many["wall"][0], many["wall"][-1]) == (0.0, 999.0)
    assert many["wall"] == sorted(many["wall"])


def test_what_was_not_measured_is_absent() -> None:
    assert summary(Timing((), ())) == {}
    assert set(summary(Timing((1,), ()))) == {"wall_ms"}


def test_smallest_visible() -> None:
    assert smallest_visible(Ratio(1.0, 1.1, 1.21)) == pytest.approx(1.1)
    assert smallest_visible(Ratio(2.0, 2.0, 2.0)) == 1.0
    assert smallest_visible(Ratio(0.0, 1.0, math.inf)) == math.inf
