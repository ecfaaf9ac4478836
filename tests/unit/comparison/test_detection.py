"""How likely a fault is seen, from what was tried of it."""

from __future__ import annotations

import pytest
from scipy.stats import betabinom

from pytest_envrobust.comparison.detection import PRIOR, detection, predicted


def test_what_was_tried_on_all_inputs_is_known() -> None:
    assert detection(1, 20, 20, 1.0) == 1.0
    assert detection(0, 20, 20, 1.0) == 0.0
    assert detection(1, 20, 20, 0.95) == 0.0, "19 of 20 hold that limit"
    assert detection(2, 20, 20, 0.95) == 1.0


def test_one_change_is_enough_where_all_must_agree() -> None:
    assert detection(1, 16, 5000, 1.0) == 1.0


@pytest.mark.parametrize(("changed", "limit", "needed"), [(0, 1.0, 1), (0, 0.9, 21), (3, 0.9, 18), (9, 0.5, 92)])
def test_of_the_others_a_like_share_changes(changed: int, limit: float, needed: int) -> None:
    a, b = PRIOR
    more = betabinom(200 - 64, a + changed, b + 64 - changed)
    assert detection(changed, 64, 200, limit) == pytest.approx(more.sf(needed - 1), abs=1e-9)


def test_no_fault_fails_a_limit_of_nothing() -> None:
    assert detection(64, 64, 200, 0.0) == detection(200, 200, 200, 0.0) == 0.0


def test_the_share_is_the_kinds_mean_and_lies_in_its_interval() -> None:
    found = predicted([[1.0, 0.0], [1.0], [0.0], [1.0, 1.0, 0.4]])
    assert found.share == pytest.approx((2 / 3 + 1 + 0 + 1.6 / 1.75) / 4)
    assert 0 <= found.low < found.share < found.high <= 1
    many = predicted([[1.0, 0.0], [1.0], [0.0], [1.0, 1.0, 0.4]] * 10)
    assert many.high - many.low < (found.high - found.low) / 2, "more kinds say more"
    assert str(predicted([[0.5], [0.5]])) == "50% (50% to 50%)"
