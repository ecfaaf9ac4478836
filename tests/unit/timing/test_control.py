"""When an A/A control is near enough to 1."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_envrobust.timing.control import MARGIN, check_control
from pytest_envrobust.timing.intervals import Estimate


def about(mid: float) -> Estimate:
    return Estimate(mid * 0.99, mid, mid * 1.01)


ratios = st.floats(0.01, 100.0)


@pytest.mark.parametrize("ratio", [1.5, 1.45, 1.55])
@pytest.mark.parametrize(("control", "holds"), [(1.0, True), (1.029, True), (1 / 1.029, True), (1.04, False)])
def test_near_the_limit_the_margin_is_the_least_one(ratio: float, control: float, holds: bool) -> None:
    check = check_control(about(control), about(ratio), 1.5)
    assert check.margin == pytest.approx(MARGIN, abs=0.002)
    assert check.holds is holds
    assert check_control(about(1 / control), about(ratio), 1.5).holds is holds


def test_far_from_the_limit_it_is_half_of_the_way() -> None:
    """On the logarithmic scale: from 1.5 to 6 it is two doublings, of which a bias may be one."""
    for ratio in (6.0, 1.5 / 4):
        check = check_control(about(1.9), about(ratio), 1.5)
        assert check.margin == pytest.approx(1.0)
        assert check.holds
        assert not check_control(about(2.1), about(ratio), 1.5).holds


@given(ratios, ratios, ratios)
def test_a_control_that_holds_cannot_have_made_the_difference(control: float, ratio: float, limit: float) -> None:
    """Whatever it is off by: were the ratio off by as much, it would still be on its side of the limit."""
    check = check_control(about(control), about(ratio), limit)
    if check.holds and check.margin > MARGIN:
        bias = max(control, 1 / control)
        assert (ratio / bias >= limit * (1 - 1e-9)) if ratio > limit else (ratio * bias <= limit * (1 + 1e-9))


@given(ratios, ratios)
def test_the_margin_is_never_below_the_least(ratio: float, limit: float) -> None:
    assert check_control(about(1.0), about(ratio), limit).margin >= MARGIN
    assert check_control(about(1.0), about(ratio), limit).holds


@pytest.mark.parametrize("control", [math.nan, 0.0])
def test_a_control_that_is_no_number_does_not_hold(control: float) -> None:
    assert not check_control(Estimate(0.0, control, math.inf), about(9.0), 1.5).holds


@pytest.mark.parametrize("ratio", [math.nan, 0.0])
def test_a_ratio_that_is_no_number_leaves_the_least_margin(ratio: float) -> None:
    assert check_control(about(1.0), Estimate(0.0, ratio, math.inf), 1.5).margin == MARGIN
