"""The matrices over all outputs: by hand, against SciPy, by properties."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import spearmanr

from pytest_envrobust.comparison import pairwise as module
from pytest_envrobust.comparison.labels import UNDEFINED, compare_labels, top1
from pytest_envrobust.comparison.pairwise import UNKNOWN, Pairwise, pairwise, top_labels
from pytest_envrobust.core.errors import DeclarationError

NAN, INF = math.nan, math.inf
MATRICES = [field.name for field in fields(Pairwise)]

numbers = st.one_of(st.integers(-4, 4).map(float), st.sampled_from([NAN, INF, -INF]), st.floats(-9, 9, width=32))


@st.composite
def outputs(draw: st.DrawFn) -> list[np.ndarray]:
    shape = draw(st.tuples(st.integers(1, 6), st.integers(2, 8)))
    return [draw(hnp.arrays(np.float32, shape, elements=numbers)) for _ in range(draw(st.integers(1, 4)))]


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def assert_equal(found: Pairwise, expected: Pairwise) -> None:
    for name in MATRICES:
        # sums of rank correlations are taken in another order
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=0, atol=1e-12, err_msg=name)


def test_label_dissimilarity_by_hand() -> None:
    one = np.array([[0, 1.0], [0, 1], [1, 0], [NAN, 0]])
    other = np.array([[0, 1.0], [1, 0], [0, 1], [1, 0]])
    assert pairwise([one, other]).label_dissimilarity.tolist() == [[0.25, 0.75], [0.75, 0]]


def test_top5_dissimilarity_by_hand() -> None:
    one = np.array([[9, 8, 7, 6, 5, 0, 0.0], [9, 8, 7, 6, 5, 0, 0]])
    other = np.array([[5, 6, 7, 8, 9, 0, 0.0], [0, 0, 5, 6, 7, 8, 9]])
    assert pairwise([one, other]).top5_dissimilarity.tolist() == pytest.approx(np.array([[0, 0.2], [0.2, 0]]))


def test_fewer_classes_than_five_make_smaller_sets() -> None:
    found = pairwise([np.array([[3, 2, 1.0]]), np.array([[1, 2, 3.0]])])
    assert found.top5_dissimilarity.tolist() == [[0, 0], [0, 0]]


def test_ties_in_a_top_set_go_to_the_lower_index() -> None:
    scores = np.array([[0, 1, 1, 1, 1, 1, 1.0], [2, 0, 0, 0, 0, 0, 3], [0] * 7])
    assert top_labels(scores).tolist() == [[1, 2, 3, 4, 5], [6, 0, 1, 2, 3], [0, 1, 2, 3, 4]]
    assert top_labels(scores.astype(np.uint8)).tolist() == top_labels(scores).tolist()


def test_top_labels_of_unknown_and_undefined_scores() -> None:
    scores = np.array([[-INF, 3, -INF, 4], [NAN, 1, 2, 3], [-INF] * 4, [INF, 0, INF, -1]])
    assert top_labels(scores, 3).tolist() == [
        [3, 1, UNKNOWN],
        [UNDEFINED] * 3,
        [UNDEFINED] * 3,
        [UNDEFINED] * 3,
    ]
    assert top_labels(scores)[:, 0].tolist() == top1(scores).tolist()


def test_labels_alone_have_no_top_sets_ranks_or_differences() -> None:
    alone = np.where(np.eye(8, dtype=bool), 1.0, -INF)
    found = pairwise([alone, alone[::-1], normal(8, 8)])
    assert np.isnan(found.top5_dissimilarity[:2]).all()
    assert np.isnan(found.rank_correlation[:2]).all()
    assert np.isnan(found.largest_difference[:2]).all()
    assert found.label_dissimilarity[0, :2].tolist() == [0, 1]
    assert found.rank_correlation[2, 2] == 1


def test_top_k_scores_have_top_sets_but_no_ranks() -> None:
    whole = normal(20, 50)
    best = np.where(whole >= np.sort(whole, axis=1)[:, -5:-4], whole, -INF)
    found = pairwise([whole, best, np.where(whole == whole.max(axis=1, keepdims=True), -INF, best)])
    assert found.top5_dissimilarity[0, 1] == 0  # the very same five
    assert np.isnan(found.top5_dissimilarity[2]).all()  # four known
    assert found.largest_difference[1, 1] == 0
    assert np.isnan(found.largest_difference[0, 1])  # logits against top-k
    assert np.isnan(found.rank_correlation[0, 1])


def test_rank_correlation_is_spearmans_with_ties_and_left_out_rows() -> None:
    random = np.random.default_rng(3)
    one, other = random.integers(0, 6, (2, 12, 9)).astype(float)
    one[3], other[5, 2], other[6, 1], one[7, 0] = 4.0, NAN, INF, -INF
    usable = [row for row in range(12) if row not in (3, 5, 6, 7)]
    expected = [spearmanr(one[row], other[row]).statistic for row in usable]
    found = pairwise([one, other]).rank_correlation
    assert found[0, 1] == pytest.approx(np.mean([*expected, 0.0]), abs=1e-12)  # a row with NaN is like none
    assert found.diagonal().tolist() == [1, pytest.approx(10 / 11)]


def test_rank_correlation_of_reversed_and_constant_scores() -> None:
    scores = normal(4, 30)
    found = pairwise([scores, -scores, np.exp(scores), np.ones_like(scores)]).rank_correlation
    assert found[0, 1] == pytest.approx(-1)
    assert found[0, 2] == pytest.approx(1)
    assert np.isnan(found[3]).all()


def test_largest_difference_needs_one_kind() -> None:
    logits = normal(6, 7)
    raised = np.exp(logits)
    probabilities = raised / raised.sum(axis=1, keepdims=True)
    found = pairwise([logits, logits + np.float32(0.5), probabilities]).largest_difference
    assert found[0, 1] == pytest.approx(0.5, abs=1e-6)
    assert np.isnan(found[2, :2]).all()
    assert found[2, 2] == 0
    told = pairwise([logits, probabilities], ["logits", "logits"]).largest_difference
    assert told[0, 1] == compare_labels(logits, probabilities).largest_difference


@given(outputs())
def test_symmetry_and_diagonal(arrays: list[np.ndarray]) -> None:
    found = pairwise(arrays)
    for name in MATRICES:
        matrix = getattr(found, name)
        assert matrix.dtype == np.float64
        np.testing.assert_array_equal(matrix, matrix.T)
        assert not np.isinf(matrix).any()
    undefined = [(top1(array) == UNDEFINED).mean() for array in arrays]
    with_nan = [np.isnan(array).any() for array in arrays]
    assert found.label_dissimilarity.diagonal().tolist() == undefined
    assert ((found.top5_dissimilarity.diagonal() > 0) <= (np.array(undefined) > 0)).all()
    for nan, own in zip(with_nan, found.rank_correlation.diagonal()):
        assert own < 1 if nan else np.isnan(own) or own == 1
    assert set(found.largest_difference.diagonal()[~np.isnan(found.largest_difference.diagonal())]) <= {0.0}


@given(outputs())
def test_labels_and_differences_are_those_of_two_outputs_compared(arrays: list[np.ndarray]) -> None:
    found = pairwise(arrays, ["logits"] * len(arrays))
    for one, mine in enumerate(arrays):
        for other, theirs in enumerate(arrays):
            expected = compare_labels(mine, theirs)
            assert found.label_dissimilarity[one, other] == pytest.approx(1 - expected.agreement)
            np.testing.assert_array_equal(found.largest_difference[one, other], expected.largest_difference)


@given(outputs(), st.integers(0, 2**32 - 1))
def test_permuting_inputs_changes_nothing(arrays: list[np.ndarray], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(arrays[0]))
    assert_equal(pairwise([array[order] for array in arrays]), pairwise(arrays))


@given(st.integers(1, 5), st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_permuting_classes_changes_nothing_without_ties(n: int, classes: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    arrays = [random.permuted(np.tile(np.arange(classes, dtype=float), (n, 1)), axis=1) for _ in range(3)]
    order = random.permutation(classes)
    assert_equal(pairwise([array[:, order] for array in arrays]), pairwise(arrays))


@settings(max_examples=30)
@given(outputs(), st.integers(1, 60))
def test_blocks_change_nothing(arrays: list[np.ndarray], block: int) -> None:
    whole = pairwise(arrays)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_ELEMENTS", block)
        assert_equal(pairwise(arrays), whole)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int8, np.uint8, bool])
def test_every_numeric_dtype(dtype: type) -> None:
    scores = np.array([[0, 1, 0], [1, 0, 0]]).astype(dtype)
    found = pairwise([scores, scores[::-1]])
    assert found.label_dissimilarity.tolist() == [[0, 1], [1, 0]]
    assert found.rank_correlation[0, 1] == pytest.approx(-0.5)
    assert found.largest_difference[0, 1] == 1


def test_memory_maps_are_read_in_blocks(tmp_path: Path) -> None:
    arrays = [normal(4000, 500, seed=seed) for seed in range(2)]
    maps = []
    for number, array in enumerate(arrays):
        np.save(tmp_path / f"{number}.npy", array)
        maps.append(np.load(tmp_path / f"{number}.npy", mmap_mode="r"))
    pairwise([array[:2] for array in arrays])  # imports what is imported late
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_ELEMENTS", 1 << 15)
        tracemalloc.start()
        try:
            found = pairwise(maps)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 6e6  # one of the arrays alone is 8 MB
    assert found.label_dissimilarity[0, 1] == compare_labels(*arrays).real / 4000


@pytest.mark.parametrize(
    ("shapes", "cause"),
    [
        ([], "at least one array"),
        ([(3, 4), (3, 5)], r"\(3, 4\) and \(3, 5\).*different inputs or classes"),
        ([(3,)], r"\(N, classes\)"),
        ([(0, 4)], "N >= 1"),
        ([(4, 0)], r"\(N, classes\)"),
    ],
)
def test_shapes_that_cannot_be_compared(shapes: list[tuple[int, ...]], cause: str) -> None:
    with pytest.raises(DeclarationError, match=cause):
        pairwise([np.zeros(shape) for shape in shapes])
