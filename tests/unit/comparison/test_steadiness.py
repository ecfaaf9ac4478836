"""What is numerical noise in an environment that is run again, and what is none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_envrobust.comparison.blocks import spread_of
from pytest_envrobust.comparison.steadiness import (
    AGAIN,
    OTHER_ORDER,
    ROUNDED,
    OwnChange,
    noise_of,
    own_change,
    own_rounding,
    remarks_on,
    rounded_otherwise,
    together,
)

SCORES = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.0]], dtype=np.float32)
THREADS, BATCHES = "with 2 threads", "in batches of 4"


def nudged(place: int, by: float) -> np.ndarray:
    """The scores with the second class of one input raised."""
    others = SCORES.copy()
    others[place, 1] += by
    return others


def test_a_change_knows_whose_labels_it_changes() -> None:
    found = own_change(AGAIN, SCORES, nudged(2, 0.75))
    assert (found.places, found.n, found.largest) == ((2,), 3, 0.75)
    assert found.changes_labels
    assert not found.is_noise
    assert str(found) == "labels change when it is run again, on 1 of 3 inputs (scores by up to 0.75)"


def test_arithmetic_is_noise_and_is_told_as_such() -> None:
    harmless = own_change(THREADS, SCORES, nudged(0, 2.0**-10))
    assert harmless.is_noise
    assert noise_of([own_change(AGAIN, SCORES, SCORES), harmless]) == (2.0**-10, THREADS)
    assert remarks_on([harmless]) == []
    assert noise_of([]) == (0.0, "")
    assert noise_of([OwnChange(THREADS, 3, math.nan)]) == (0.0, "")


def test_what_changes_a_label_excuses_nothing() -> None:
    changes = [own_change(THREADS, SCORES, nudged(0, 0.25)), own_change(BATCHES, SCORES, nudged(2, 0.75))]
    assert noise_of(changes) == (0.25, THREADS)
    assert remarks_on(changes) == [
        "its own labels change in batches of 4, on 1 of 3 inputs (scores by up to 0.75): "
        "that is no noise, and makes no tie"
    ]


@pytest.mark.parametrize("by", [0.75, 0.25])
@pytest.mark.parametrize("how", [AGAIN, OTHER_ORDER])
def test_what_is_random_or_kept_from_call_to_call_makes_all_other_differences_doubtful(how: str, by: float) -> None:
    again = own_change(how, SCORES, nudged(2, by))
    assert not again.is_noise  # a quarter of a point changes no label here, and is no arithmetic either
    assert again.unsettles
    assert noise_of([again, own_change(THREADS, SCORES, nudged(0, 0.25))]) == (0.0, "")
    assert how in remarks_on([again])[0]


def test_another_batch_size_unsettles_nothing() -> None:
    assert not own_change(BATCHES, SCORES, nudged(2, 0.75)).unsettles


def test_several_tries_are_taken_together() -> None:
    tries = [own_change(AGAIN, SCORES, nudged(2, 0.75)), own_change(AGAIN, SCORES, nudged(0, 2.0))]
    assert together(tries) == OwnChange(AGAIN, 3, 2.0, (0, 2), spread_of(SCORES))


def test_spread_is_within_an_input() -> None:
    assert spread_of(np.array([[101.0, 99.0], [-1.0, 1.0]])) == 1.0
    assert spread_of(np.array([[1.0, np.nan, 3.0], [np.inf, 2.0, 4.0]])) == 1.0
    assert spread_of(np.full((2, 3), 7.0)) == 0.0
    assert spread_of(np.full((2, 3), np.nan)) == 0.0


def test_rounding_is_what_becomes_of_the_inputs_that_keep_their_label() -> None:
    """An input without a margin gets another label by it: that shows how little it takes, and not how much it makes."""
    others = nudged(0, 2.0**-7)
    others[2] = [0.0, 0.5]
    found = own_rounding(SCORES, others)
    assert (found.how, found.places, found.largest) == (ROUNDED, (), 2.0**-7)
    assert noise_of([found]) == (2.0**-7, ROUNDED)
    assert math.isnan(own_rounding(SCORES, -SCORES).largest)
    assert noise_of([own_rounding(SCORES, -SCORES)]) == (0.0, "")


def test_what_rounding_makes_is_the_references_noise_up_to_a_share_of_the_spread_of_its_scores() -> None:
    much = own_rounding(SCORES, nudged(0, 0.25))
    assert noise_of([much]) == (0.0, "")
    assert noise_of([much], of_cell=True) == (0.25, ROUNDED)  # there it excuses nothing
    assert remarks_on([much]) == [
        "its own scores change when its inputs are rounded otherwise, by up to 0.25: that is no noise, and makes no tie"
    ]


@pytest.mark.parametrize(("precision", "step"), [("float32", 2.0**-23), ("bfloat16", 2.0**-7), ("", 2.0**-23)])
def test_inputs_are_moved_by_one_step_of_what_is_computed_in(precision: str, step: float) -> None:
    inputs = np.array([[1.0, 2.0], [-4.0, 0.0]], dtype=np.float32)
    up = rounded_otherwise(inputs, precision, 0)
    np.testing.assert_array_equal(up, inputs * np.float32(1 + step))
    either = rounded_otherwise(np.ones((50, 2), dtype=np.float32), precision, 1)
    assert set(np.unique(either)) == {np.float32(1 - step), np.float32(1 + step)}
    np.testing.assert_array_equal(either, rounded_otherwise(np.ones((50, 2), dtype=np.float32), precision, 1))


def test_whole_numbers_cannot_be_rounded_otherwise() -> None:
    assert rounded_otherwise(np.ones((2, 3), dtype=np.uint8), "float32", 0) is None
    several = np.zeros(2, dtype=[("image", np.float32, (3,)), ("age", np.int64)])
    several["image"], several["age"] = 1.0, 7
    moved = rounded_otherwise(several, "float32", 0)
    assert moved is not None
    assert (moved["image"] > 1).all()
    assert moved["age"].tolist() == [7, 7]
    assert rounded_otherwise(several[["age"]], "float32", 0) is None
