"""Figures and statuses as words."""

from __future__ import annotations

import pytest

from pytest_envrobust.core import wording
from pytest_envrobust.core.status import Status
from pytest_envrobust.record.schema import FlipCounts
from pytest_envrobust.reports import words


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, "0 %"), (1.0, "100 %"), (0.985, "98.5 %"), (0.9, "90.0 %"), (0.9999, "99.99 %"), (0.00004, "0.004 %")],
)
def test_percent_never_rounds_to_all_or_nothing(share: float, expected: str) -> None:
    assert wording.percent(share) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0123, "0.012"), (0.35, "0.35"), (18.926, "18.93"), (745.3, "745"), (2176.3, "2\u202f176")],
)
def test_milliseconds_have_about_three_figures(value: float, expected: str) -> None:
    assert words.milliseconds(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (0.31, ".31"),
        (0.05, ".05"),
        (2.94, "2.9"),
        (13.7, "14"),
        (1234.0, "1234"),
        (1.2e-5, "1e-5"),
        (2e7, "2e7"),
    ],
)
def test_a_compact_number_has_at_most_five_characters(value: float, expected: str) -> None:
    assert words.compact(value) == expected
    assert len(expected) <= 5


def test_every_failure_has_one_sign_and_no_other_status_has_it() -> None:
    mild = {"passed", "inconclusive", "limited", "unavailable", "no-route", "unsupported", "not-run"}
    for status in Status:
        assert (words.sign(status) == words.FAILURE) == (status.value not in mild)


def test_a_label_has_its_name_and_index() -> None:
    assert wording.label(1, ["cat", "dog"]) == "dog (1)"
    assert wording.label(7, ["cat", "dog"]) == "class 7"
    assert wording.label(-1, ["cat", "dog"]) == wording.NO_LABEL


def test_lists_and_counts_read_as_english() -> None:
    assert wording.listed([]) == ""
    assert wording.listed(["a"]) == "a"
    assert wording.listed(["a", "b", "c"]) == "a, b and c"
    assert wording.counted(1, "cell") == "1 cell"
    assert wording.counted(0, "cell") == "0 cells"
    assert words.kinds(FlipCounts(real=3, tie=1, undefined=0)) == "3 real, 1 tie"
    assert words.kinds(FlipCounts(real=0, tie=2, undefined=1)) == "2 ties, 1 undefined"


def test_clocks_are_called_as_people_write_them() -> None:
    assert [wording.clock_name(clock) for clock in ("cpu", "wall", "device", "")] == ["CPU", "wall", "device", ""]


def test_a_span_of_one_value_is_that_value() -> None:
    assert words.span([0.25, 0.25]) == "0.25"
    assert words.span([0.4, 0.25]) == "0.25 to 0.4"


def test_a_small_probability_is_a_bound() -> None:
    assert words.probability(1e-9) == "< 0.001"
    assert words.probability(0.25) == "0.250"
