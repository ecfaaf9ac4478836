"""What must hold of one environment's scores."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_envrobust.comparison import invariants

SCORES = np.array([[0.1, 0.9], [0.75, 0.25], [0.5, 0.5]], dtype=np.float32)


def test_the_same_bits_are_the_same_scores_nan_included() -> None:
    odd = np.array([[np.nan, 1.0]])
    assert invariants.same_scores("repetition", odd, odd.copy(), "when run again").holds


def test_one_other_bit_is_another_score() -> None:
    again = SCORES.copy()
    again[1, 0] = np.nextafter(again[1, 0], 1)
    found = invariants.same_scores("repetition", SCORES, again, "when run again")
    assert not found.holds
    assert found.said.startswith("other scores when run again on 1 of 3 inputs; they differ by up to 5.96e-08")


def test_labels_hold_where_scores_only_round_differently() -> None:
    found = invariants.same_labels("batch", SCORES[:2], SCORES[:2] + 1e-4, "in batches of 8")
    assert found.holds
    assert "they differ by up to" in found.said


def test_a_limit_on_the_difference_holds_too() -> None:
    found = invariants.same_labels("batch", SCORES[:2], SCORES[:2] + 1e-2, "in batches of 8", max_abs_error=1e-3)
    assert not found.holds
    assert "more than 0.001" in found.said


def test_other_labels_are_named() -> None:
    found = invariants.same_labels("batch", SCORES[:2], SCORES[:2, ::-1], "in batches of 8")
    assert not found.holds
    assert "other labels in batches of 8 on 2 of 2 inputs (#0, #1)" in found.said


def test_nan_and_infinities_are_told_apart() -> None:
    odd = np.array([[0.0, 1.0], [np.nan, 1.0], [np.inf, np.nan]])
    found = invariants.finite("finite", odd)
    assert not found.holds
    assert found.said == "2 NaN and 1 infinite scores, on 2 of 3 inputs, the first of them #1"
    assert invariants.finite("finite", SCORES).holds


@pytest.mark.parametrize(
    ("scores", "reference", "holds", "said"),
    [
        (SCORES, SCORES, True, "sum to 1"),
        (SCORES * 5 - 2, SCORES * 7 - 3, True, "do not claim"),
        (SCORES * 5 - 2, SCORES, False, "not between 0 and 1"),
        (SCORES * 0.9, SCORES, False, "those of #"),
        (SCORES * 0.9, SCORES * 7 - 3, False, "sum to 0.9"),
        (SCORES.astype(np.float16), SCORES, True, "sum to 1"),
    ],
)
def test_probabilities_are_those_that_claim_to_be(
    scores: np.ndarray, reference: np.ndarray, holds: bool, said: str
) -> None:
    found = invariants.probabilities("probabilities", scores, reference)
    assert found.holds is holds
    assert said in found.said
