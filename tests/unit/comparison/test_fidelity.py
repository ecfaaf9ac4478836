"""Errors of scores, by hand and by properties."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_envrobust.comparison.fidelity import Fidelity, ScoreErrors, fidelity, score_errors

INF, NAN = math.inf, math.nan


def test_errors_by_hand() -> None:
    expected = np.array([[1.0, -8.0], [0.5, 0.0]])
    assert score_errors(np.array([[2.0, -8.0], [0.5, 0.25]]), expected) == ScoreErrors(1.0, 0.5)
    assert score_errors(expected, expected) == ScoreErrors(0.0, 0.0)


@pytest.mark.parametrize(("actual", "expected"), [(NAN, 1.0), (1.0, NAN), (INF, 1.0), (INF, -INF), (NAN, NAN)])
def test_what_is_not_finite_is_infinitely_wrong(actual: float, expected: float) -> None:
    assert score_errors(np.array([[actual, 1.0]]), np.array([[expected, 1.0]])).largest == INF


def test_equal_infinities_are_no_error() -> None:
    assert score_errors(np.array([[INF, 1.0]]), np.array([[INF, 1.0]])) == ScoreErrors(0.0, 0.0)


def test_a_row_of_zeros_has_no_scale() -> None:
    assert score_errors(np.array([[0.0, 0.5]]), np.zeros((1, 2))).relative == INF


def test_integers_do_not_wrap() -> None:
    assert score_errors(np.array([[250, 3]], np.uint8), np.array([[3, 250]], np.uint8)).largest == 247


def test_blocks_do_not_show() -> None:
    random = np.random.default_rng(0)
    expected = random.normal(size=(700, 1000))
    actual = expected + random.normal(size=expected.shape)
    found = score_errors(actual, expected)
    difference = np.abs(actual - expected)
    assert found.largest == difference.max()
    assert found.relative == (difference.max(axis=1) / np.abs(expected).max(axis=1)).max()
    assert fidelity(actual, actual, expected).error == pytest.approx(np.sqrt((difference**2).mean()))


def test_fidelity_is_relative_to_the_references_own_error() -> None:
    exact = np.zeros((3, 4))
    assert fidelity(exact + 0.3, exact - 0.1, exact).ratio == pytest.approx(3.0)


@pytest.mark.parametrize(("error", "reference", "ratio"), [(0.0, 0.0, 1.0), (0.1, 0.0, INF), (0.0, 0.1, 0.0)])
def test_a_reference_without_error(error: float, reference: float, ratio: float) -> None:
    assert Fidelity(error, reference).ratio == ratio
