"""Which floating type scores are of, as their values tell."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_envrobust.comparison.blur import EPSILON, precision_of

SINGLES = np.random.default_rng(7).standard_normal((9, 5)).astype(np.float32)


def in_bfloat16(scores: np.ndarray) -> np.ndarray:
    return (scores.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def test_the_values_tell_what_the_dtype_does_not() -> None:
    assert precision_of(SINGLES) == "float32"
    assert precision_of(SINGLES.astype(np.float64)) == "float32"
    assert precision_of(SINGLES.astype(np.float64) / 3) == "float64"
    assert precision_of(SINGLES.astype(np.float16)) == "float16"
    assert precision_of(SINGLES.astype(np.float16).astype(np.float32)) == "float16"
    assert precision_of(in_bfloat16(SINGLES)) == "bfloat16"
    assert precision_of(in_bfloat16(SINGLES).astype(np.float64)) == "bfloat16"


def test_one_score_that_no_coarser_type_holds_is_enough() -> None:
    scores = in_bfloat16(SINGLES)
    scores[8, 4] = np.float32(1 / 3)
    assert precision_of(scores) == "float32"


@pytest.mark.parametrize("scores", [np.eye(9), np.full((9, 9), 0.5), np.tile(np.arange(5.0), (9, 1))])
def test_round_numbers_tell_nothing(scores: np.ndarray) -> None:
    assert precision_of(scores) == "float64"
    assert precision_of(scores.astype(np.float32)) == "float32"


def test_what_is_no_number_tells_nothing() -> None:
    scores = in_bfloat16(SINGLES)
    scores[0], scores[1, 0], scores[2, 1:] = np.nan, np.inf, -np.inf
    assert precision_of(scores) == "bfloat16"
    assert precision_of(np.full((3, 2), np.nan)) == "float64"
    assert precision_of(np.eye(3, dtype=np.int8)) == ""


def test_a_step_is_from_one_to_the_next_number() -> None:
    for name in ("float16", "float32", "float64"):
        assert EPSILON[name] == np.finfo(name).eps
