"""Accuracy against truth, and McNemar's test."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_envrobust.comparison.accuracy import McNemar, accuracy, doubt_of, drop_bounds, holm, mcnemar
from pytest_envrobust.core.errors import DeclarationError

NAN, INF = math.nan, math.inf


def test_accuracy_by_hand() -> None:
    descending = np.tile(np.arange(7.0, 0.0, -1.0), (5, 1))
    found = accuracy(descending, [0, 4, 5, 0, -1])
    assert (found.n, found.top1, found.top5) == (4, 0.5, 0.75)
    assert found.correct.tolist() == [True, False, False, True]


def test_an_input_without_a_label_is_wrong() -> None:
    scores = np.array([[NAN, 1, 1, 1, 1, 9], [0, 1, 2, 3, 4, 5.0]])
    found = accuracy(scores, [5, 5])
    assert (found.n, found.top1, found.top5) == (2, 0.5, 0.5)


def test_a_class_that_the_model_does_not_have_is_never_right() -> None:
    assert accuracy(np.eye(3), [0, 1, 99]).top1 == pytest.approx(2 / 3)


def test_labels_alone_have_no_top5() -> None:
    found = accuracy(np.where(np.eye(8, dtype=bool), 0.0, -INF), list(range(8)))
    assert (found.top1, found.top5) == (1.0, None)


def test_unknown_scores_of_inputs_without_truth_do_not_matter() -> None:
    scores = np.arange(12.0).reshape(2, 6)
    scores[1, :3] = -INF
    assert accuracy(scores, [5, -1]).top5 == 1.0
    assert accuracy(scores, [5, 5]).top5 is None


def test_truth_must_fit() -> None:
    with pytest.raises(DeclarationError, match="2 true classes cannot stand for 3 rows"):
        accuracy(np.eye(3), [0, 1])
    with pytest.raises(DeclarationError, match="no input is known"):
        accuracy(np.eye(3), [-1, -1, -1])


def split(only_here: int, only_there: int, both: int = 3, neither: int = 2) -> tuple[np.ndarray, np.ndarray]:
    here = [True] * only_here + [False] * only_there + [True] * both + [False] * neither
    there = [False] * only_here + [True] * only_there + [True] * both + [False] * neither
    return np.array(here, dtype=bool), np.array(there, dtype=bool)


@pytest.mark.parametrize(
    ("only_here", "only_there", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (3, 3, 1.0), (5, 0, 2 / 32), (0, 10, 2 / 1024), (8, 2, 112 / 1024)],
)
def test_mcnemar_is_the_exact_binomial_test(only_here: int, only_there: int, p: float) -> None:
    found = mcnemar(*split(only_here, only_there))
    assert found == McNemar(only_here, only_there, pytest.approx(p))


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 9), st.integers(0, 9))
def test_mcnemar_is_symmetric_and_blind_to_what_both_share(a: int, b: int, both: int, neither: int) -> None:
    found, turned = mcnemar(*split(a, b, both, neither)), mcnemar(*split(b, a))
    assert (found.only_here, found.only_there) == (turned.only_there, turned.only_here)
    assert found.p == pytest.approx(turned.p)
    assert 0 < found.p <= 1


def test_mcnemar_needs_the_same_inputs() -> None:
    with pytest.raises(DeclarationError, match="the same inputs"):
        mcnemar(np.zeros(3, dtype=bool), np.zeros(4, dtype=bool))


def test_intervals_are_those_of_clopper_and_pearson() -> None:
    """The two-sided ends of 6 of 20 and of 16 of 20, as published tables have them."""
    scores = np.zeros((20, 10))
    scores[:, 0], scores[:, 1:5] = 2, 1
    found = accuracy(scores, [0] * 6 + [1] * 10 + [9] * 4)
    assert found.right == 6
    assert found.interval == pytest.approx((0.1189, 0.5428), abs=1e-4)
    assert found.top5_interval == pytest.approx((0.5634, 0.9427), abs=1e-4)
    assert accuracy(np.where(np.eye(8, dtype=bool), 0.0, -INF), list(range(8))).top5_interval is None


@pytest.mark.parametrize(("only_here", "only_there"), [(0, 0), (3, 1), (0, 9)])
def test_a_drop_lies_within_its_bounds_which_close_with_more_inputs(only_here: int, only_there: int) -> None:
    least, most = drop_bounds(only_here, only_there, 20)
    assert -1 <= least <= (only_there - only_here) / 20 <= most <= 1
    fewer, more = drop_bounds(100 * only_here, 100 * only_there, 2000)
    assert (more - fewer) < (most - least) / 3


def test_no_difference_on_20_inputs_shows_a_drop_below_17_percent() -> None:
    least, most = drop_bounds(0, 0, 20)
    assert most == pytest.approx(1 - 0.025 ** (1 / 20)) == -least


def one_hot(labels: list[int], classes: int = 10) -> np.ndarray:
    return np.eye(classes)[labels]


@pytest.mark.parametrize(
    ("right", "n", "classes", "guessed", "declared"),
    [
        (6, 20, 10, True, False),  # more than chance, and far fewer than a trained model has
        (7, 20, 10, False, False),  # 20 inputs may show half of the way
        (2, 20, 10, True, True),
        (0, 3, 10, False, False),  # too few to tell
        (0, 4, 10, True, True),
        (10, 20, 2, True, True),
        (15, 20, 2, False, False),
    ],
)
def test_few_right_inputs_are_doubted(right: int, n: int, classes: int, guessed: bool, declared: bool) -> None:
    truth = [number % (classes // 2) for number in range(n)]
    scores = one_hot([*truth[:right], *((each + classes // 2) % classes for each in truth[right:])], classes)
    assert bool(doubt_of(scores, truth, is_guessed=True)) is guessed
    assert bool(doubt_of(scores, truth, is_guessed=False)) is declared


def test_classes_counted_from_another_number_are_named_instead() -> None:
    labels = [number % 9 for number in range(20)]
    doubt = doubt_of(one_hot(labels), [each + 1 for each in labels], is_guessed=True)
    assert doubt == (
        "0 of 20 inputs are right, and 100 % where the labels are moved by one: the true classes are higher by one: "
        "they may count from 1 instead of 0"
    )
    doubt = doubt_of(one_hot([each + 1 for each in labels]), labels, is_guessed=False)
    assert doubt.endswith("declare label_offset=1 for a model with an extra leading class")


def test_a_single_class_cannot_be_wrong() -> None:
    assert doubt_of(np.ones((20, 1)), [0] * 20, is_guessed=True) == ""


@pytest.mark.parametrize(
    ("values", "adjusted"),
    [
        ([], []),
        ([0.2], [0.2]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # R: p.adjust(c(...), "holm")
        ([0.5, 0.6, 1.0], [1.0, 1.0, 1.0]),
        ([0.01, 0.011], [0.02, 0.02]),
    ],
)
def test_holm_steps_down(values: list[float], adjusted: list[float]) -> None:
    assert holm(values) == pytest.approx(adjusted)
