"""What is numerical noise in an environment that is run again, and what is none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_envrobust.comparison.blocks import spread_of
from pytest_envrobust.comparison.steadiness import (
    AGAIN,
    OTHER_ORDER,
    OwnChange,
    noise_of,
    own_change,
    remarks_on,
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
    assert noise_of([own_change(AGAIN, SCORES, SCORES), harmless]) == 2.0**-10
    assert remarks_on([harmless]) == []
    assert noise_of([]) == 0.0
    assert noise_of([OwnChange(THREADS, 3, math.nan)]) == 0.0


def test_what_changes_a_label_excuses_nothing() -> None:
    changes = [own_change(THREADS, SCORES, nudged(0, 0.25)), own_change(BATCHES, SCORES, nudged(2, 0.75))]
    assert noise_of(changes) == 0.25
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
    assert noise_of([again, own_change(THREADS, SCORES, nudged(0, 0.25))]) == 0.0
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
