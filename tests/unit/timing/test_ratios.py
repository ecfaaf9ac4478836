"""Ratios of paired times on series made from seeds; no real time is taken."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.timing.intervals import Estimate
from pytest_envrobust.timing.ratios import change, paired_ratio, smallest_visible

times = st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)), min_size=1, max_size=30)


@st.composite
def estimates(draw: st.DrawFn) -> Estimate:
    mid = draw(st.floats(0.01, 100.0))
    return Estimate(mid / draw(st.floats(1.0, 3.0)), mid, mid * draw(st.floats(1.0, 3.0)))


def noise(seed: int, n: int, correlation: float, heavy: bool = False) -> np.ndarray:
    """An AR(1) series with median 0, its start left out."""
    random = np.random.default_rng(seed)
    steps = random.standard_t(2, n + 50) if heavy else random.normal(size=n + 50)
    for place in range(1, len(steps)):
        steps[place] += correlation * steps[place - 1]
    return steps[50:]


def paired(
    seed: int, n: int, true: float, correlation: float = 0.0, heavy: bool = False
) -> tuple[list[int], list[int]]:
    """Times (ns) of turns on a machine whose speed changes from pair to pair, for both sides alike."""
    machine = np.random.default_rng(seed + 10_000).uniform(1e6, 1.5e6, n)
    cell = machine * true * np.exp(0.02 * noise(seed, n, correlation, heavy))
    return cell.round().astype(int).tolist(), machine.round().astype(int).tolist()


def share_that_holds(true: float, pairs: list[tuple[list[int], list[int]]]) -> float:
    found = [paired_ratio(*sides, seed=seed) for seed, sides in enumerate(pairs)]
    return sum(ratio.low <= true <= ratio.high for ratio in found) / len(found)


@pytest.mark.parametrize(
    ("n", "correlation", "heavy"), [(6, 0.0, False), (30, 0.0, False), (60, 0.0, True), (60, 0.3, True)]
)
def test_the_interval_holds_the_true_ratio(n: int, correlation: float, heavy: bool) -> None:
    assert share_that_holds(1.3, [paired(seed, n, 1.3, correlation, heavy) for seed in range(150)]) >= 0.93


def test_a_drift_that_both_sides_share_cancels() -> None:
    """The machine gets three times as slow meanwhile: the interval is no wider than without, and as true."""
    steady, drifting = [], []
    for seed in range(150):
        errors = np.exp(0.02 * np.random.default_rng(seed).normal(size=(2, 40)))
        drift = np.linspace(1e6, 3e6, 40)
        steady.append(((1.2e6 * errors[0]).tolist(), (1e6 * errors[1]).tolist()))
        drifting.append(((1.2 * drift * errors[0]).tolist(), (drift * errors[1]).tolist()))
    assert share_that_holds(1.2, drifting) >= 0.93
    for before, after in zip(steady[:30], drifting[:30]):
        calm, shaken = paired_ratio(*before), paired_ratio(*after)
        assert (calm.low, calm.mid, calm.high) == pytest.approx((shaken.low, shaken.mid, shaken.high))


def test_a_drift_alone_is_no_difference() -> None:
    reference = [1_000_000 * (1 + turn) for turn in range(40)]
    found = paired_ratio([round(1.5 * time) for time in reference], reference)
    assert (found.low, found.mid, found.high) == pytest.approx((1.5, 1.5, 1.5))


@pytest.mark.parametrize("n", [20, 60])
def test_pairs_ten_times_as_long_do_no_harm(n: int) -> None:
    """In 5 % of the pairs something held up one side or the other."""
    pairs, widths, plain_widths = [], [], []
    for seed in range(150):
        cell, reference = paired(seed, n, 1.1)
        random = np.random.default_rng(seed + 20_000)
        if seed < 30:
            plain_widths.append(smallest_visible(paired_ratio(cell, reference)))
        for place in np.flatnonzero(random.random(n) < 0.05).tolist():
            side = cell if random.random() < 0.5 else reference
            side[place] *= 10
        pairs.append((cell, reference))
        if seed < 30:
            widths.append(smallest_visible(paired_ratio(cell, reference)))
    assert share_that_holds(1.1, pairs) >= 0.93
    assert np.median(widths) < 1 + 1.5 * (np.median(plain_widths) - 1)


def test_one_outlier_moves_nothing() -> None:
    cell, reference = paired(1, 40, 1.2)
    plain = paired_ratio(cell, reference)
    cell[7] *= 100
    assert paired_ratio(cell, reference).mid == pytest.approx(plain.mid, rel=0.01)


def test_a_difference_that_is_there_is_seen() -> None:
    """5 % of slowdown under 2 % of noise, in 40 pairs: the whole interval lies above 1."""
    found = [paired_ratio(*paired(seed, 40, 1.05)) for seed in range(50)]
    assert all(ratio.low > 1 for ratio in found)


@settings(max_examples=25)
@given(times)
def test_low_mid_high_are_in_order_and_repeatable(pairs: list[tuple[int, int]]) -> None:
    cell, reference = zip(*pairs)
    found = paired_ratio(cell, reference, seed=3)
    assert 0 <= found.low <= found.mid <= found.high
    assert paired_ratio(cell, reference, seed=3) == found


@settings(max_examples=25)
@given(times)
def test_swapping_sides_inverts_the_median(pairs: list[tuple[int, int]]) -> None:
    cell, reference = zip(*pairs)
    there, back = paired_ratio(cell, reference), paired_ratio(reference, cell)
    assert there.mid * back.mid == pytest.approx(1)
    assert there.is_bounded == back.is_bounded


@settings(max_examples=25)
@given(times, st.sampled_from([2.0, 0.5, 1024.0]))
def test_the_unit_of_time_does_not_matter(pairs: list[tuple[int, int]], unit: float) -> None:
    cell, reference = zip(*pairs)
    assert paired_ratio([unit * time for time in cell], [unit * time for time in reference]) == paired_ratio(
        cell, reference
    )


@settings(max_examples=25)
@given(times, st.integers(2, 9))
def test_a_cell_so_many_times_slower_has_so_many_times_the_ratio(pairs: list[tuple[int, int]], factor: int) -> None:
    cell, reference = zip(*pairs)
    plain, slower = paired_ratio(cell, reference), paired_ratio([factor * time for time in cell], reference)
    expected = (factor * plain.low, factor * plain.mid, factor * plain.high)
    # a tie on the way to a block's length may fall either way by rounding: the middle has none
    assert slower.mid == pytest.approx(expected[1])
    assert slower.is_bounded == plain.is_bounded


@pytest.mark.parametrize("n", [1, 5])
def test_too_few_pairs_say_nothing(n: int) -> None:
    assert paired_ratio([2] * n, [1] * n) == Estimate(0.0, 2.0, math.inf)


def test_six_pairs_are_enough() -> None:
    assert paired_ratio([2] * 6, [1] * 6).is_bounded


def test_a_clock_too_coarse_says_nothing() -> None:
    found = paired_ratio([0, 10, 10, 10, 10, 10, 10, 10], [10] * 8)
    assert (found.low, found.mid, found.high) == (0.0, 0.875, math.inf)
    assert math.isnan(paired_ratio([1] * 8, [0] * 8).mid)


def test_a_confidence_beyond_the_pairs_says_nothing() -> None:
    assert paired_ratio([2] * 6, [1] * 6, confidence=0.999).high == math.inf


def test_pairs_that_hang_together_too_closely_say_little_but_what_is_obvious() -> None:
    """A slowdown that grows from pair to pair has no one ratio: thrice the range that was seen, on the logarithms."""
    found = paired_ratio([1_000_000 + 40_000 * turn for turn in range(25)], [1_000_000] * 25)
    assert (found.low, found.mid, found.high) == pytest.approx((1 / 1.96, 1.48, 1.96**2))
    surer = paired_ratio([2**turn for turn in range(25)], [1] * 25, confidence=0.99)
    assert surer.high > 2.0**48 > 2.0**-24 > surer.low > 0


@pytest.mark.parametrize(("n", "correlation"), [(8, 0.8), (20, 0.9), (40, 0.95)])
def test_few_pairs_that_depend_on_each_other_tell_what_is_obvious(n: int, correlation: float) -> None:
    found = [paired_ratio(*paired(seed, n, 0.12, correlation)) for seed in range(100)]
    assert all(each.low > 0.06 and each.high < 0.24 for each in found)


def test_more_confidence_is_a_wider_interval() -> None:
    sides = paired(3, 60, 1.2)
    careless, usual, careful = (paired_ratio(*sides, confidence=confidence) for confidence in (0.5, 0.95, 0.999))
    assert careful.low < usual.low < careless.low
    assert careless.high < usual.high < careful.high


@pytest.mark.parametrize(
    ("cell", "reference", "confidence", "cause"),
    [
        ([], [], 0.95, "one of the reference beside it"),
        ([1, 2], [1], 0.95, "2 times of the cell and 1 of the reference make no pairs"),
        ([-1] * 9, [1] * 9, 0.95, "a negative time"),
        ([1] * 9, [1] * 8 + [-5], 0.95, "a negative time"),
        ([math.nan] * 9, [1] * 9, 0.95, "a negative time"),
        ([1] * 9, [1] * 9, 1.5, "between 0 and 1"),
    ],
)
def test_what_cannot_be_paired(cell: list[float], reference: list[float], confidence: float, cause: str) -> None:
    with pytest.raises(DeclarationError, match=cause):
        paired_ratio(cell, reference, confidence=confidence)


# one measurement of another


def test_a_change_is_the_quotient_with_both_errors_together() -> None:
    """On the logarithmic scale 3 and 4 make 5; up goes the upper error of now and the lower one of then."""
    now = Estimate(2.0 * math.exp(-0.03), 2.0, 2.0 * math.exp(0.06))
    then = Estimate(1.6 * math.exp(-0.08), 1.6, 1.6 * math.exp(0.04))
    found = change(now, then)
    assert found.mid == pytest.approx(1.25)
    assert math.log(found.mid / found.low) == pytest.approx(0.05)
    assert math.log(found.high / found.mid) == pytest.approx(0.10)


def test_a_spread_is_one_error_more() -> None:
    exact = Estimate(2.0, 2.0, 2.0)
    found = change(exact, exact, spread=0.03)
    assert (found.low, found.mid, found.high) == pytest.approx((1 / 1.03, 1.0, 1.03))
    now = Estimate(2.0 / 1.04, 2.0, 2.0 * 1.04)
    assert math.log(change(now, exact, spread=0.03).high) == pytest.approx(math.hypot(math.log(1.04), math.log(1.03)))


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (Estimate(0.0, 3.0, math.inf), Estimate(1.9, 2.0, 2.1)),
        (Estimate(2.9, 3.0, 3.1), Estimate(0.0, 2.0, math.inf)),
        (Estimate(2.9, 3.0, math.inf), Estimate(1.9, 2.0, 2.1)),
    ],
)
def test_a_change_of_what_is_not_bounded_is_not(now: Estimate, then: Estimate) -> None:
    assert change(now, then) == Estimate(0.0, 1.5, math.inf)


def test_a_change_from_nothing_is_no_number() -> None:
    found = change(Estimate(2.9, 3.0, 3.1), Estimate(0.0, 0.0, math.inf))
    assert math.isnan(found.mid)
    assert not found.is_bounded


@given(estimates(), estimates(), st.floats(0.0, 0.1))
def test_a_change_back_is_the_inverse_and_no_surer_than_either(now: Estimate, then: Estimate, spread: float) -> None:
    there, back = change(now, then, spread=spread), change(then, now, spread=spread)
    assert (there.low * back.high, there.mid * back.mid, there.high * back.low) == pytest.approx((1, 1, 1))
    tolerance = 1 + 1e-9
    assert there.high / there.mid * tolerance >= max(now.high / now.mid, then.mid / then.low, 1 + spread)


@pytest.mark.parametrize("true", [1.0, 1.1])
def test_the_interval_of_a_change_covers(true: float) -> None:
    """Two runs, each beside its own reference, whose processes lie 1 % of standard deviation apart."""
    held = 0
    for seed in range(150):
        luck = np.exp(0.01 * np.random.default_rng(seed).normal(size=2))
        now = paired_ratio(*paired(seed, 30, 1.3 * true * float(luck[0])))
        then = paired_ratio(*paired(seed + 500, 30, 1.3 * float(luck[1])))
        found = change(now, then, spread=0.03)
        held += found.low <= true <= found.high
    assert held >= 0.95 * 150


# what a run could have seen


def test_smallest_visible() -> None:
    assert smallest_visible(Estimate(1.0, 1.1, 1.21)) == pytest.approx(1.1)
    assert smallest_visible(Estimate(2.0, 2.0, 2.0)) == 1.0
    assert smallest_visible(Estimate(0.0, 1.0, math.inf)) == math.inf
    assert smallest_visible(Estimate(1.0, 1.0, math.inf)) == math.inf
