"""A cell's time now against an earlier run."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pytest_envrobust.timing.evidence import LatencyFigures
from pytest_envrobust.timing.intervals import Estimate
from pytest_envrobust.timing.regression import SPREAD, EarlierTime, regression_of

NOW = LatencyFigures(
    50,
    medians={"wall": Estimate(39.0, 40.0, 41.0), "cpu": Estimate(29.0, 30.0, 31.0)},
    ratios={"wall": Estimate(1.1, 1.2, 1.3), "cpu": Estimate(1.4, 1.5, 1.6)},
)
THEN = LatencyFigures(
    50,
    medians={"wall": Estimate(19.0, 20.0, 21.0), "cpu": Estimate(9.0, 10.0, 11.0)},
    ratios={"wall": Estimate(1.1, 1.2, 1.3), "cpu": Estimate(1.2, 1.25, 1.3)},
)


def test_by_the_ratios_to_the_same_reference() -> None:
    """The whole machine is twice as slow now, which both ratios leave out."""
    found = regression_of(NOW, EarlierTime("old.json", THEN, same_reference=True), "wall")
    assert found is not None
    assert found.by_reference
    assert found.change.mid == pytest.approx(1.0)
    found = regression_of(NOW, EarlierTime("old.json", THEN, same_reference=True), "cpu")
    assert found is not None
    assert found.change.mid == pytest.approx(1.2)


@pytest.mark.parametrize(
    ("now", "then", "same_reference"),
    [
        (NOW, THEN, False),  # a ratio to something else
        (replace(NOW, ratios={}), THEN, True),
        (NOW, replace(THEN, ratios={}), True),
        (NOW, replace(THEN, ratios={"wall": THEN.ratios["wall"]}), True),
    ],
)
def test_by_the_medians_where_there_are_no_such_ratios(
    now: LatencyFigures, then: LatencyFigures, same_reference: bool
) -> None:
    found = regression_of(now, EarlierTime("old.json", then, same_reference=same_reference), "cpu")
    assert found is not None
    assert not found.by_reference
    assert found.change.mid == pytest.approx(3.0)


@pytest.mark.parametrize("clock", ["wall", "cpu"])
def test_two_runs_differ_by_something_without_any_error(clock: str) -> None:
    exact = LatencyFigures(50, medians={"wall": Estimate(2.0, 2.0, 2.0), "cpu": Estimate(1.0, 1.0, 1.0)})
    found = regression_of(exact, EarlierTime("old.json", exact), clock)  # type: ignore[arg-type]
    assert found is not None
    assert (found.change.low, found.change.high) == pytest.approx((1 / (1 + SPREAD), 1 + SPREAD))


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (NOW, LatencyFigures(0)),
        (LatencyFigures(0), THEN),
        (NOW, replace(THEN, medians={"cpu": THEN.medians["cpu"]}, ratios={})),
    ],
)
def test_no_time_on_that_clock_is_no_regression(now: LatencyFigures, then: LatencyFigures) -> None:
    assert regression_of(now, EarlierTime("old.json", then), "wall") is None


def test_too_few_calls_then_leave_it_open() -> None:
    few = replace(THEN, medians={"wall": Estimate(0.0, 20.0, math.inf)}, ratios={})
    found = regression_of(NOW, EarlierTime("old.json", few), "wall")
    assert found is not None
    assert (found.change.mid, found.change.is_bounded) == (pytest.approx(2.0), False)


@pytest.mark.parametrize("slower", [True, False])
def test_another_machine_is_always_a_doubt(slower: bool) -> None:
    earlier = EarlierTime("old.json", THEN, ("4 cores then, 2 now", "torch 2.6 then, 2.7 now"), same_reference=True)
    found = regression_of(NOW, earlier, "cpu")
    assert found is not None
    assert "4 cores then, 2 now; torch 2.6 then, 2.7 now" in found.doubt(slower)


@pytest.mark.parametrize(
    ("is_reference", "same_reference", "slower", "doubtful"),
    [
        (True, True, True, True),  # nothing of it has changed: what else could it be
        (True, True, False, False),
        (True, False, True, False),  # its model has changed
        (False, True, True, False),
        (False, False, True, False),
    ],
)
def test_an_unchanged_reference_does_not_get_slower(
    is_reference: bool, same_reference: bool, slower: bool, doubtful: bool
) -> None:
    earlier = EarlierTime("old.json", THEN, same_reference=same_reference, is_reference=is_reference)
    found = regression_of(NOW, earlier, "cpu")
    assert found is not None
    assert bool(found.doubt(slower)) is doubtful
    assert ("it is the machine" in found.doubt(slower)) is doubtful
