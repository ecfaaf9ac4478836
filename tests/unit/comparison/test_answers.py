"""One number for each input, read as scores of classes."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_envrobust.comparison.answers import aligned, answer_of
from pytest_envrobust.comparison.labels import margins, top1


def column(*values: float, dtype: str = "float32") -> np.ndarray:
    return np.array(values, dtype=dtype)[:, None]


def test_a_probability_is_decided_at_a_half() -> None:
    numbers = column(0.1, 0.9, 0.5)
    answer = answer_of(numbers, None, None)
    assert (answer.threshold, "probability" in answer.text, "--envrobust-decision" in answer.text) == (0.5, True, True)
    scores = answer.scores(numbers)
    assert scores.sum(axis=1).tolist() == [1, 1, 1]
    assert top1(scores).tolist() == [0, 1, 0]
    assert margins(scores) == pytest.approx([0.8, 0.8, 0])


def test_a_logit_is_decided_at_zero() -> None:
    numbers = column(-2.5, 0.2, 3)
    answer = answer_of(numbers, None, None)
    assert (answer.threshold, "logit" in answer.text) == (0.0, True)
    assert top1(answer.scores(numbers)).tolist() == [0, 1, 1]
    # logits that all lie between 0 and 1 look like probabilities: then it must be said
    assert top1(answer_of(column(0.2, 0.9), 0.0, None).scores(column(0.2, 0.9))).tolist() == [1, 1]


def test_a_lead_vanishes_with_the_noise_that_can_turn_it() -> None:
    before, after = column(0.51), column(0.49)
    answer = answer_of(before, 0.5, None)
    difference = np.abs(answer.scores(before) - answer.scores(after)).max()
    assert float(margins(answer.scores(before))[0]) <= 2 * difference


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32"])
def test_labels_have_no_scores_and_no_margins(dtype: str) -> None:
    numbers = column(3, 0, 7, dtype=dtype)
    answer = answer_of(numbers, None, 10)
    scores = answer.scores(numbers)
    assert top1(scores).tolist() == [3, 0, 7]
    assert np.isfinite(scores).sum(axis=1).tolist() == [1, 1, 1]
    beyond = answer.scores(column(99, -1, 3, dtype="int64"))
    assert top1(beyond).tolist() == [-1, -1, 3]


def test_labels_stand_beside_scores_of_as_many_classes() -> None:
    labels, scores = answer_of(column(1, 2), None, None).scores(column(1, 2)), np.zeros((2, 3), dtype=np.float32)
    one, other = aligned(labels, scores)
    assert one.shape == other.shape
    assert top1(one).tolist() == [1, 2]
    assert aligned(scores, np.zeros((2, 4)))[1].shape == (2, 4)
