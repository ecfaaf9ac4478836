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


def test_scores_are_unchanged_where_they_only_round_differently() -> None:
    found = invariants.unchanged("batch", SCORES[:2], SCORES[:2] + 1e-5, "in batches of 8")
    assert found.holds
    assert "they differ by up to" in found.said


def test_scores_that_differ_by_more_are_others_though_no_label_is() -> None:
    """A hundredth of another input's scores leaks into each."""
    leaking = SCORES[:2] + 0.01 * SCORES[1::-1]
    found = invariants.unchanged("order", SCORES[:2], leaking, "backwards")
    assert not found.holds
    said = "the same labels backwards, but other scores: they differ by up to 0.009, where arithmetic explains 3.3e-05"
    assert found.said == said
    assert invariants.unchanged("order", SCORES[:2], leaking, "backwards", room=0.0091).holds


def test_labels_that_rounding_alone_turns_are_the_same() -> None:
    tied = np.array([[0.5, 0.5 + 6e-8], [1.0, 0.0]], dtype=np.float32)
    turned = np.array([[0.5 + 6e-8, 0.5], [1.0, 0.0]], dtype=np.float32)
    assert tied[0].argmax() != turned[0].argmax()
    assert invariants.unchanged("order", tied, turned, "backwards").holds
    turned[1, 1] = 0.01
    assert not invariants.unchanged("order", tied, turned, "backwards").holds


def test_rounding_is_a_share_of_the_spread_or_some_steps_of_the_dtype() -> None:
    scores = np.array([[1.0, -1.0], [3.0, 1.0]])
    assert invariants.rounding_of(scores) == 1e-4
    assert invariants.rounding_of(scores.astype(np.float16)) == 8 * 3 * 2.0**-10
    assert invariants.rounding_of(np.array([[5, 5], [5, 5]])) == 0
    assert invariants.rounding_of(np.full((1, 2), np.nan)) == 0


def test_a_limit_on_the_difference_stands_in_place_of_rounding() -> None:
    found = invariants.unchanged("batch", SCORES[:2], SCORES[:2] + 1e-2, "in batches of 8", max_abs_error=1e-3)
    assert not found.holds
    assert "more than 0.001" in found.said
    assert invariants.unchanged("batch", SCORES[:2], SCORES[:2] + 1e-2, "in batches of 8", max_abs_error=0.1).holds


def test_several_findings_are_one_until_one_does_not_hold() -> None:
    held, broken = invariants.Invariant("order", True, "so"), invariants.Invariant("order", False, "not so")
    assert invariants.all_of([held, held]) == invariants.Invariant("order", True, "so; so")
    later = iter([held, broken, held])
    assert invariants.all_of(later) == broken
    assert list(later) == [held]


def test_other_labels_are_named() -> None:
    found = invariants.unchanged("batch", SCORES[:2], SCORES[:2, ::-1], "in batches of 8")
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
