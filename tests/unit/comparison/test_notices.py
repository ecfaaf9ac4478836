"""What explains that two environments differ, of the two alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_envrobust.comparison.notices import margin_notice, pair_notices

CELL, REFERENCE = "keras/eager/cpu", "torch/eager/cpu"
LOGITS = np.random.default_rng(5).normal(0, 3, (40, 10)).astype(np.float32)


def softmax(scores: np.ndarray) -> np.ndarray:
    raised = np.exp(scores.astype(np.float64))
    return (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)


def notices(actual: np.ndarray, expected: np.ndarray = LOGITS, **noises: float) -> list[str]:
    return pair_notices(actual, expected, CELL, REFERENCE, **noises)


def test_scores_that_differ_by_rounding_need_no_explanation() -> None:
    assert notices(LOGITS * np.float32(1.001)) == []
    assert notices(LOGITS) == []


def test_labels_that_are_shifted_name_who_has_the_extra_class() -> None:
    (shifted, _) = notices(np.roll(LOGITS, 1, axis=1))
    assert shifted == (
        "agreement 0.00; shifted by one 0.82: torch/eager/cpu against keras/eager/cpu: "
        "declare label_offset=1 for the one with the extra leading class"
    )


def test_a_softmax_too_many_or_missing() -> None:
    once = softmax(LOGITS)
    (twice,) = notices(softmax(once), once)
    assert twice.startswith("scores are a softmax of a softmax: keras/eager/cpu: take one softmax out of the model")
    (missing,) = notices(once)
    assert missing == (
        "keras/eager/cpu gives probabilities and torch/eager/cpu logits: a softmax is missing in one of them, or too "
        "many"
    )
    assert len(notices(softmax(once), softmax(once))) == 1


def test_scores_that_are_far_off_say_how_far() -> None:
    (off,) = notices(LOGITS + np.eye(40, 10, dtype=np.float32))
    assert off == "the scores of keras/eager/cpu are off by up to 1, 37% of their spread"


def test_noise_as_large_as_the_margins_of_a_tenth_of_the_inputs() -> None:
    even = LOGITS.copy()
    best = even.max(axis=1)
    even[:4, 0] = even[:4, 1] = best[:4] + 1
    even[:4, 1] -= 0.25
    even[39] = math.nan
    (told,) = margin_notice(even, 0.125, REFERENCE)
    assert told == (
        "the noise of torch/eager/cpu (0.125) is as large as the margins: on 7 of 39 inputs no flip can be told from it"
    )
    assert margin_notice(even, 1e-9, REFERENCE) == margin_notice(even, None, REFERENCE) == []


@pytest.mark.parametrize(("noise", "own", "whose"), [(9.0, 1.0, REFERENCE), (9.0, 99.0, REFERENCE), (0.0, 9.0, CELL)])
def test_the_noise_of_either_side_is_told(noise: float, own: float, whose: str) -> None:
    assert notices(LOGITS, noise=noise, own_noise=own)[0].startswith(f"the noise of {whose} (9) ")


def test_labels_alone_are_neither_far_off_nor_of_another_kind() -> None:
    alone = np.where(LOGITS.max(axis=1, keepdims=True) == LOGITS, 0.0, -np.inf)
    assert notices(alone) == notices(LOGITS, alone) == []
