"""What counts as agreeing."""

from __future__ import annotations

import numpy as np

from pytest_envrobust.comparison.bounds import clopper_pearson_lower, clopper_pearson_upper
from pytest_envrobust.comparison.labels import LabelComparison, compare_labels
from pytest_envrobust.comparison.tally import Tally, tally


def compared() -> LabelComparison:
    """Six inputs: one agrees, two are ties, two real flips, one has NaN."""
    expected = np.array([[0, 1.0], [0, 0.1], [0, 0.1], [0, 1.0], [0, 1.0], [0, 1.0]])
    actual = np.array([[0, 1.0], [1.0, 0], [1.0, 0], [1.0, 0], [1.0, 0], [np.nan, 0]])
    return compare_labels(actual, expected, noise=0.05)


def test_ties_count_or_are_left_out() -> None:
    assert tally(compared()) == Tally(1, 6)
    assert tally(compared(), "ignore") == Tally(1, 4)


def test_known_flips_agree_unless_they_are_nan_or_ignored() -> None:
    assert tally(compared(), known={1, 3, 5}) == Tally(3, 6)
    assert tally(compared(), "ignore", known={1, 3, 5}) == Tally(2, 4)


def test_a_tally_has_the_share_and_its_bounds() -> None:
    found = Tally(18, 20)
    assert (found.share, found.differing) == (0.9, 2)
    assert (found.lower(), found.upper()) == (clopper_pearson_lower(18, 20), clopper_pearson_upper(18, 20))
    assert found.with_all_agreeing(80) == Tally(98, 100)


def test_nothing_that_counts_shows_nothing() -> None:
    empty = Tally(0, 0)
    assert (empty.share, empty.lower(), empty.upper()) == (1.0, 0.0, 1.0)
