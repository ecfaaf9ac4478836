"""What scores are, and what looks wrong with them: by hand, by properties, and on published predictions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import published

from pytest_envrobust.comparison.kinds import (
    SHIFT_INPUTS,
    LabelShift,
    kind_of,
    label_shift,
    shift_notice,
    softmax_notice,
)
from pytest_envrobust.comparison.labels import top1
from pytest_envrobust.comparison.pairwise import pairwise
from pytest_envrobust.core.errors import DeclarationError

NAN, INF = math.nan, math.inf


def softmax(scores: np.ndarray) -> np.ndarray:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def logits(n: int = 40, classes: int = 10, *, scale: float = 5.0, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((n, classes)) * scale).astype(np.float32)


def best(scores: np.ndarray, k: int) -> np.ndarray:
    """The k best scores of each row, -inf elsewhere."""
    return np.where(scores >= np.sort(scores, axis=1)[:, -k, None], scores, -INF)


@pytest.mark.parametrize("classes", [2, 3, 10, 1000])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_each_softmax_is_told_apart(classes: int, dtype: type) -> None:
    scores = logits(classes=classes)
    once = softmax(scores)
    assert kind_of(scores.astype(dtype)) == "logits"
    assert kind_of(once.astype(dtype)) == "probabilities"
    assert kind_of(softmax(once).astype(dtype)) == "twice-softmaxed"


@pytest.mark.parametrize("scale", [0.001, 0.01, 0.1])
@pytest.mark.parametrize("classes", [10, 1000])
def test_the_flat_probabilities_of_an_untrained_network_were_softmaxed_once(scale: float, classes: int) -> None:
    assert kind_of(softmax(logits(classes=classes, scale=scale))) == "probabilities"
    assert kind_of(np.full((9, classes), 1 / classes)) == "probabilities"


def test_top_k_scores_of_a_double_softmax_are_known_by_their_band() -> None:
    once = softmax(logits(classes=1000))
    assert kind_of(best(softmax(once), 5)) == "twice-softmaxed"
    assert kind_of(best(once, 5)) == "top-k"
    assert kind_of(best(logits(classes=1000), 5)) == "top-k"


@pytest.mark.parametrize("columns", [slice(0, 1001), slice(1, 1001)])
def test_a_background_class_does_not_hide_a_double_softmax(columns: slice) -> None:
    twice = softmax(softmax(logits(classes=1001)))
    assert kind_of(twice[:, columns]) == "twice-softmaxed"
    assert kind_of(best(twice, 5)[:, columns]) == "twice-softmaxed"
    assert kind_of(np.hstack([best(twice, 5), np.full((40, 1), -INF)])) == "twice-softmaxed"


def test_labels_alone() -> None:
    assert kind_of(np.where(np.eye(4, dtype=bool), 1.0, -INF)) == "labels"
    assert kind_of(np.where(np.eye(4, dtype=bool), -3.5, -INF)) == "labels"
    assert kind_of(np.eye(4)) == "probabilities"  # zeros are scores


def test_what_counts_as_logits() -> None:
    assert kind_of(np.array([[0.5, 0.5], [0.5, 0.6]])) == "logits"
    assert kind_of(np.array([[0.5, -INF, 0.2], [1, 2, 3]])) == "logits"  # -inf in one row only
    assert kind_of(np.array([[INF, -INF], [1, 2]])) == "logits"
    assert kind_of(np.full((3, 2), NAN)) == "logits"
    assert kind_of(np.zeros((0, 5))) == "logits"
    assert kind_of(np.array([[3, 200], [255, 1]], dtype=np.uint8)) == "logits"


def test_a_row_of_nan_does_not_hide_the_kind() -> None:
    once = softmax(logits())
    once[3, 2] = NAN
    assert kind_of(once) == "probabilities"


@given(st.integers(2, 60), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_the_kind_is_that_of_any_order_of_inputs_and_classes(classes: int, n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = logits(n, classes, scale=float(random.uniform(0, 6)), seed=seed)
    for kind in (scores, softmax(scores), softmax(softmax(scores)), best(scores, 2)):
        order = random.permutation(n)
        assert kind_of(kind[order][:, random.permutation(classes)]) == kind_of(kind)


@pytest.mark.parametrize("shape", [(3,), (3, 0), (2, 2, 2)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DeclarationError, match=r"\(N, classes\)"):
        kind_of(np.zeros(shape))


def test_shifted_labels_are_seen_with_their_direction() -> None:
    labels = np.random.default_rng(0).integers(0, 100, 50)
    moved = np.where(np.arange(50) < 30, labels + 1, 500)
    assert label_shift(moved, labels) == LabelShift(1, 50, 0.0, 0.6)
    assert label_shift(labels, moved) == LabelShift(-1, 50, 0.0, 0.6)


def test_inputs_without_a_label_do_not_count() -> None:
    labels = np.arange(SHIFT_INPUTS + 2)
    other = labels + 1
    other[0], other[1] = -1, 700
    found = label_shift(other, labels)
    assert found is not None
    assert (found.n, found.shifted) == (SHIFT_INPUTS + 1, SHIFT_INPUTS / (SHIFT_INPUTS + 1))
    assert label_shift(np.full(40, -1), np.zeros(40, dtype=int)) is None


@pytest.mark.parametrize(
    ("same", "shifted", "n"),
    [(0, 9, 9), (0, 9, 50), (5, 20, 50), (50, 0, 50), (0, 0, 50)],
    ids=["few inputs", "less than a fifth", "less than five times", "equal", "at random"],
)
def test_what_does_not_look_shifted(same: int, shifted: int, n: int) -> None:
    labels = np.arange(n) * 10
    other = labels + 5
    other[:same] = labels[:same]
    other[same : same + shifted] = labels[same : same + shifted] + 1
    assert label_shift(other, labels) is None


def test_a_fifth_that_is_five_times_as_much_looks_shifted() -> None:
    labels = np.arange(50) * 10
    other = labels + 5
    other[:2], other[2:12] = labels[:2], labels[2:12] + 1
    assert label_shift(other, labels) == LabelShift(1, 50, 0.04, 0.2)


def test_swapped_classes_and_constant_labels_do_not_look_shifted() -> None:
    labels = np.arange(40) % 2
    assert label_shift(1 - labels, labels) is None
    assert label_shift(np.zeros(40, dtype=int), np.ones(40, dtype=int)) is None


def test_unequal_numbers_of_labels_are_refused() -> None:
    with pytest.raises(DeclarationError, match="each input needs one of both"):
        label_shift(np.zeros(3, dtype=int), np.zeros(4, dtype=int))


def test_a_notice_names_the_one_with_the_extra_class_second() -> None:
    expected = (
        "agreement 0.01; shifted by one 0.51: torch/eager/cpu against tensorflow/graph/cpu: "
        "declare label_offset=1 for the one with the extra leading class"
    )
    torch, tensorflow = "torch/eager/cpu", "tensorflow/graph/cpu"
    assert shift_notice(LabelShift(-1, 100, 0.01, 0.51), torch, tensorflow) == expected
    assert shift_notice(LabelShift(1, 100, 0.01, 0.51), tensorflow, torch) == expected


def test_a_notice_of_a_double_softmax_names_all() -> None:
    assert "a/b/c, d/e/f" in softmax_notice(["a/b/c", "d/e/f"])


def test_published_predictions_differ_as_often_as_was_published() -> None:
    best = [published.labels(framework) - (framework == "tf") for framework in published.FRAMEWORKS]
    found = pairwise([np.eye(1000, dtype=np.float32)[labels] for labels in best])
    assert np.rint(found.label_dissimilarity * published.COUNT).astype(int).tolist() == published.DIFFERING


@pytest.mark.skipif(not published.ALL.is_file(), reason=published.NOT_HERE)
def test_all_published_predictions_differ_as_often_and_in_their_best_five() -> None:
    scores = [published.everything(framework, offset=framework == "tf") for framework in published.FRAMEWORKS]
    found = pairwise(scores)
    assert np.rint(found.label_dissimilarity * published.COUNT).astype(int).tolist() == published.DIFFERING
    assert (found.top5_dissimilarity[np.triu_indices(3, 1)] > 0).all()
    assert np.isnan(found.rank_correlation).all()
    assert np.isnan(found.largest_difference[1, 0])  # softmaxed twice against once
    assert found.largest_difference[2, 0] < 0.002
    assert [kind_of(each) for each in scores] == ["twice-softmaxed", "top-k", "twice-softmaxed"]


@pytest.mark.skipif(not published.ALL.is_file(), reason=published.NOT_HERE)
@pytest.mark.parametrize("framework", published.FRAMEWORKS)
def test_the_extract_is_of_what_was_published(framework: str) -> None:
    scores = published.everything(framework, columns=1001)
    assert np.array_equal(top1(scores), published.labels(framework))
    assert np.array_equal(scores[: published.FIRST], published.first(framework, columns=1001))


def test_published_scores_of_two_frameworks_were_softmaxed_twice() -> None:
    first = published.first
    assert kind_of(first("keras")) == kind_of(first("tf", offset=1)) == "twice-softmaxed"
    assert kind_of(first("tf", columns=1001)) == kind_of(first("keras", columns=1001)) == "twice-softmaxed"
    assert kind_of(first("torch")) == "top-k"


def test_published_labels_look_shifted_until_they_are_moved() -> None:
    keras, torch, tf = (published.labels(framework) for framework in published.FRAMEWORKS)
    for other in (keras, torch):
        found = label_shift(tf, other)
        assert found is not None
        assert found.by == 1
        assert label_shift(tf - 1, other) is None
    assert label_shift(keras, torch) is None
