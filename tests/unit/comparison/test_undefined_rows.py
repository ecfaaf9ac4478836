"""A row without a label equals nothing, itself included, in any figure."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_envrobust.comparison.accuracy import accuracy
from pytest_envrobust.comparison.adequacy import adequacy
from pytest_envrobust.comparison.answers import Answer
from pytest_envrobust.comparison.fidelity import fidelity, score_errors
from pytest_envrobust.comparison.labels import UNDEFINED, compare_labels, top1
from pytest_envrobust.comparison.pairwise import pairwise
from pytest_envrobust.comparison.sensitivity import sensitivities
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.history.label_changes import MatchedInputs, changed_labels

NAN, INF = math.nan, math.inf
ROWS = {"NaN": [NAN, 2.0, 1.0], "nothing above -inf": [-INF] * 3, "two overflows": [INF, 0.0, INF]}


@pytest.fixture(params=ROWS)
def scores(request: pytest.FixtureRequest) -> np.ndarray:
    """Four inputs with a label, of which one alone is of class 0, and one without."""
    return np.array([[3.0, 1, 2], [1, 3, 2], [1, 2, 3], [1, 3, 2.5], ROWS[request.param]], dtype=np.float32)


def test_labels_of_the_same_scores(scores: np.ndarray) -> None:
    found = compare_labels(scores, scores.copy(), noise=9.0, own_noise=9.0)
    assert top1(scores).tolist() == [0, 1, 2, 1, UNDEFINED]
    assert (found.agreeing, found.undefined, found.out_of_reach) == (4, 1, 4)
    assert (found.real, found.tie, found.imprecise) == (0, 0, 0)


def test_all_environments_held_against_each_other(scores: np.ndarray) -> None:
    found = pairwise([scores, scores.copy()], ["logits", "logits"])
    assert found.label_dissimilarity.tolist() == [[0.2, 0.2], [0.2, 0.2]]
    assert found.top5_dissimilarity == pytest.approx(np.full((2, 2), 0.2))
    if np.isnan(scores).any():
        assert found.rank_correlation == pytest.approx(np.full((2, 2), 0.8))


def test_environments_with_one_output_are_not_alike_in_that_row(scores: np.ndarray) -> None:
    both = [Environment.parse(f"onnx/{name}/cpu") for name in ("ort-all", "ort-off")]
    (found,) = sensitivities(both, [0, 0], pairwise([scores]).label_dissimilarity)
    assert found.distinct_outputs == 1
    assert found.labels is not None
    assert found.labels.mean == found.labels.largest == 0.2


def test_accuracy_whatever_the_true_class(scores: np.ndarray) -> None:
    for true in range(3):
        found = accuracy(scores, [0, 1, 2, 1, true])
        assert (found.right, found.top5) == (4, 0.8)


def test_errors_of_scores_against_themselves() -> None:
    scores = np.array([ROWS["NaN"]])
    assert score_errors(scores, scores).largest == INF
    found = fidelity(scores, scores, scores)
    assert found.error == found.reference_error == INF
    assert math.isnan(found.ratio)  # which keeps no limit


def test_what_inputs_can_tell(scores: np.ndarray) -> None:
    assert {effect.n for effect in adequacy(scores).effects} == {4}


def test_one_number_that_is_none() -> None:
    numbers = np.array([[NAN], [0.75]])
    for answer in (Answer("a score", threshold=0.5), Answer("a label", classes=2)):
        assert top1(answer.scores(numbers))[0] == UNDEFINED


def test_two_runs_that_give_the_same(scores: np.ndarray) -> None:
    inputs = MatchedInputs(tuple("abcde"), tuple((row, row) for row in range(5)))
    found = changed_labels(scores, scores.copy(), inputs)
    assert found is not None
    assert (found.count, found.without_label) == (0, 1)
