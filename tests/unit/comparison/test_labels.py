"""Labels, margins, flips: by hand and by properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_envrobust.comparison import blocks
from pytest_envrobust.comparison.labels import UNDEFINED, compare_labels, margins, top1
from pytest_envrobust.core.errors import DeclarationError

NAN, INF = math.nan, math.inf

scores_with_anything = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 9), st.integers(2, 6)),
    elements=st.one_of(st.integers(-4, 4).map(float), st.sampled_from([NAN, INF, -INF]), st.floats(-9, 9, width=32)),
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    one = draw(scores_with_anything)
    other = draw(hnp.arrays(np.float32, one.shape, elements=st.sampled_from([NAN, INF, -INF, 0.0, 1.0, 2.5])))
    return one, np.where(draw(hnp.arrays(bool, one.shape)), one, other)


def test_top1_by_hand() -> None:
    scores = np.array([[1, 3, 2], [2, 2, 1], [NAN, 9, 1], [9, 1, NAN], [-INF, -INF, -INF], [0, INF, INF]])
    assert top1(scores).tolist() == [1, 0, UNDEFINED, UNDEFINED, UNDEFINED, UNDEFINED]
    assert top1(np.array([[0, INF, 1], [-INF, -INF, 0]])).tolist() == [1, 2]
    assert top1(scores).dtype == np.int64


def test_margins_by_hand() -> None:
    scores = np.array([[1, 3, 2.5], [2, 2, 1], [NAN, 9, 1], [INF, 1, 0], [INF, INF, 0], [3, -INF, -INF], [-INF] * 3])
    np.testing.assert_array_equal(margins(scores), [0.5, 0, NAN, INF, NAN, INF, NAN])
    assert margins(scores).dtype == np.float64


def test_margins_of_small_integers_do_not_wrap() -> None:
    assert margins(np.array([[-128, 127]], dtype=np.int8)).tolist() == [255]
    assert margins(np.array([[3, 250]], dtype=np.uint8)).tolist() == [247]


def test_margin_of_one_class_is_infinite() -> None:
    np.testing.assert_array_equal(margins(np.array([[1.0], [NAN]])), [INF, NAN])


def test_flips_are_classed_by_hand() -> None:
    expected = np.array([[0, 1.0], [0, 0.25], [0, 0.125], [0, 1.0], [NAN, 0], [NAN, 0]])
    actual = np.array([[0, 2.0], [0.5, 0], [0.5, 0], [NAN, 1.0], [NAN, 0], [1.0, 0]])
    found = compare_labels(actual, expected, noise=0.0625, inputs=list("abcdef"))
    assert [(flip.input, flip.expected, flip.actual, flip.kind) for flip in found.flips] == [
        ("b", 1, 0, "real"),
        ("c", 1, 0, "tie"),  # a margin of exactly twice the noise
        ("d", 1, UNDEFINED, "undefined"),
        ("e", UNDEFINED, UNDEFINED, "undefined"),  # NaN does not agree with itself
        ("f", UNDEFINED, 0, "undefined"),
    ]
    assert [flip.index for flip in found.flips] == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal([flip.margin for flip in found.flips], [0.25, 0.125, 1.0, NAN, NAN])
    np.testing.assert_array_equal([flip.actual_margin for flip in found.flips], [0.5, 0.5, NAN, NAN, 1.0])
    assert (found.n, found.agreeing, found.agreement) == (6, 1, 1 / 6)
    assert (found.real, found.tie, found.undefined, found.distinct_labels) == (1, 1, 3, 1)
    assert found.largest_difference == 1.0


def test_a_flip_to_a_class_far_behind_is_no_tie_however_close_the_second_best() -> None:
    expected = np.array([[1.0, 0.99, -4.0]] * 2)
    found = compare_labels(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), expected, noise=0.01)
    assert [(flip.actual, flip.kind) for flip in found.flips] == [(1, "tie"), (2, "real")]
    np.testing.assert_allclose([flip.lead for flip in found.flips], [0.01, 5.0])
    np.testing.assert_allclose([flip.margin for flip in found.flips], [0.01, 0.01])


def test_inputs_on_which_no_flip_was_possible_are_counted() -> None:
    expected = np.array([[0.0, 1.0], [0.0, 0.25], [0.0, 0.2], [NAN, 1.0], [0.0, 9.0]])
    actual = expected + np.array([[0.125, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [NAN, 0.0]])
    found = compare_labels(actual, expected)
    assert found.largest_difference == 0.125
    assert found.out_of_reach == 1  # the second's margin is just twice that, NaN may be anything
    assert compare_labels(expected[:3], expected[:3]).out_of_reach == 3


@given(pairs())
def test_an_input_that_flipped_was_within_reach(pair: tuple[np.ndarray, np.ndarray]) -> None:
    found = compare_labels(*pair)
    assert found.out_of_reach <= found.agreeing
    if np.isfinite(pair).all():
        assert all(flip.margin <= 2 * found.largest_difference for flip in found.flips)


@pytest.mark.parametrize("noise", [None, NAN, 0.0, 1e-3])
def test_equal_scores_are_a_tie_whatever_was_measured(noise: float | None) -> None:
    flip = compare_labels(np.array([[0, 1.0]]), np.array([[1.0, 1.0]]), noise=noise).flips[0]
    assert (flip.kind, flip.input, flip.margin) == ("tie", "#0", 0.0)


@pytest.mark.parametrize(("dtype", "step"), [("float16", 2.0**-8), ("float32", 2.0**-21), ("float64", 2.0**-50)])
def test_scores_within_one_step_of_their_numbers_are_a_tie(dtype: str, step: float) -> None:
    """From 4 to 8 numbers lie 4 times as far apart as from 1 to 2."""
    expected = np.array([[4 + step, 4.0, 0.0], [4 + 3 * step, 4.0, 0.0]], dtype=dtype)
    actual = np.array([[4.0, 5.0, 0.1]] * 2, dtype="float64")
    found = compare_labels(actual, expected)
    assert [(flip.kind, flip.lead) for flip in found.flips] == [("tie", step), ("real", 3 * step)]


def test_whole_numbers_have_no_step() -> None:
    assert compare_labels(np.array([[0, 300]]), np.array([[300, 299]])).real == 1


def test_flips_within_the_cells_own_noise_are_imprecise_and_count_apart() -> None:
    expected = np.array([[1.0, 0.995, 0.0], [1.0, 0.9, 0.0], [1.0, 0.7, 0.0], [1.0, 0.7, 0.0]])
    actual = np.array([[0.0, 1.0, 0.3]] * 3 + [[NAN, 1.0, 0.3]])
    found = compare_labels(actual, expected, noise=0.003, own_noise=0.06)
    assert [flip.kind for flip in found.flips] == ["tie", "imprecise", "real", "undefined"]
    assert (found.tie, found.imprecise, found.real, found.undefined) == (1, 1, 1, 1)


def test_a_cell_in_bfloat16_is_imprecise_within_two_steps() -> None:
    """A bfloat16 has 7 bits behind the first: from 8 to 16 its numbers lie 1/16 apart."""
    random = np.random.default_rng(3)
    expected = (8 + random.random((40, 5))).astype(np.float32)
    expected[:, :2] = [15.0, 14.95]
    expected[1, 1] = 14.5
    actual = (np.rint(expected * 16) / 16).astype(np.float32)
    actual[:2, :2] = [15.0, 15.0625]
    found = compare_labels(actual, expected)
    assert [(flip.index, flip.kind) for flip in found.flips] == [(0, "imprecise"), (1, "real")]


def test_infinite_scores_compare_without_warnings() -> None:
    scores = np.array([[INF, 1.0], [-INF, 2.0]])
    same = compare_labels(scores, scores)
    assert (same.agreement, same.largest_difference) == (1.0, 0.0)
    flipped = compare_labels(scores[::-1], scores)
    assert flipped.real == 2
    assert flipped.largest_difference == 1.0
    assert math.isnan(compare_labels(np.full((1, 2), INF), np.zeros((1, 2))).largest_difference)


def test_largest_difference_of_singles_that_overflow() -> None:
    top = float(np.finfo(np.float32).max)
    one = np.array([[top, 0]], dtype=np.float32)
    assert compare_labels(one, -one).largest_difference == 2 * top


def test_a_nan_elsewhere_does_not_change_the_largest_difference() -> None:
    one, other = np.array([[1.6123587, 0]], dtype=np.float32), np.array([[-1, 0]], dtype=np.float32)
    plain = compare_labels(one, other).largest_difference
    broken = np.vstack([one, [[NAN, 0]]]).astype(np.float32)
    assert compare_labels(broken, np.vstack([other, other])).largest_difference == plain


def test_agreement_counts_every_input_and_has_its_bound() -> None:
    expected = np.eye(20, dtype=np.float32)
    found = compare_labels(expected * 2, expected)
    assert (found.agreement, found.flips, found.distinct_labels, found.largest_difference) == (1.0, (), 20, 1.0)
    assert found.bound == pytest.approx(0.861, abs=5e-4)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int8, np.uint8, np.int32, bool])
def test_every_numeric_dtype(dtype: type) -> None:
    scores = np.array([[0, 1], [1, 0]]).astype(dtype)
    assert compare_labels(scores[::-1], scores).real == 2
    assert compare_labels(scores, scores.astype(np.float32)).largest_difference == 0.0


@given(pairs())
def test_agreement_is_symmetric(pair: tuple[np.ndarray, np.ndarray]) -> None:
    there, back = compare_labels(*pair), compare_labels(*reversed(pair))
    assert [flip.index for flip in there.flips] == [flip.index for flip in back.flips]
    assert (there.agreement, there.bound, there.undefined) == (back.agreement, back.bound, back.undefined)
    np.testing.assert_equal(there.largest_difference, back.largest_difference)


@given(pairs(), st.randoms(use_true_random=False))
def test_permuting_inputs_permutes_flips(pair: tuple[np.ndarray, np.ndarray], random: object) -> None:
    order = np.array(random.sample(range(len(pair[0])), len(pair[0])))  # type: ignore[attr-defined]
    plain = compare_labels(*pair, noise=0.5)
    permuted = compare_labels(pair[0][order], pair[1][order], noise=0.5)
    assert sorted(order[flip.index] for flip in permuted.flips) == [flip.index for flip in plain.flips]
    counts = (plain.real, plain.tie, plain.undefined, plain.distinct_labels)
    assert (permuted.real, permuted.tie, permuted.undefined, permuted.distinct_labels) == counts


@given(scores_with_anything, st.integers(-8, 8))
def test_an_offset_of_a_whole_row_changes_no_label(scores: np.ndarray, offset: int) -> None:
    rounded = np.round(scores * 4) / 4  # so that adding is exact
    assert top1(rounded + offset).tolist() == top1(rounded).tolist()
    np.testing.assert_array_equal(margins(rounded + offset), margins(rounded))


@given(scores_with_anything)
def test_a_set_of_scores_agrees_with_itself_but_for_nan(scores: np.ndarray) -> None:
    found = compare_labels(scores, scores)
    best = scores.max(axis=1, keepdims=True)
    undefined = np.isnan(best[:, 0]) | (best[:, 0] == -INF) | ((scores == INF).sum(axis=1) > 1)
    assert found.undefined == len(found.flips) == undefined.sum()
    assert (top1(scores) == UNDEFINED).tolist() == undefined.tolist()


@given(pairs())
def test_margins_of_a_flip_are_those_of_its_two_rows(pair: tuple[np.ndarray, np.ndarray]) -> None:
    flips = compare_labels(*pair).flips
    rows = [flip.index for flip in flips]
    np.testing.assert_array_equal([flip.actual_margin for flip in flips], margins(pair[0])[rows])
    np.testing.assert_array_equal([flip.margin for flip in flips], margins(pair[1])[rows])


@settings(max_examples=30)
@given(pairs(), st.integers(1, 20))
def test_blocks_change_nothing(pair: tuple[np.ndarray, np.ndarray], block: int) -> None:
    whole = compare_labels(*pair, noise=0.25)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_BLOCK_ELEMENTS", block)
        assert repr(compare_labels(*pair, noise=0.25)) == repr(whole)  # NaN equals itself as text


def test_memory_stays_bounded() -> None:
    import tracemalloc

    row = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    expected = np.broadcast_to(row, (20_000, 1000))  # 80 MB if anything copied it
    tracemalloc.start()
    try:
        found = compare_labels(np.broadcast_to(-row, expected.shape), expected)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.real == 20_000
    assert peak < 20e6


@pytest.mark.parametrize(
    ("actual", "expected", "cause"),
    [
        ((3, 4), (3, 5), "class counts"),
        ((3, 4), (2, 4), "numbers of inputs"),
        ((3,), (3, 4), r"\(3,\)"),
        ((3, 2, 2), (3, 2, 2), r"\(N, classes\)"),
        ((0, 4), (0, 4), "nothing was compared"),
        ((3, 1), (3, 1), "can never differ"),
        ((3, 0), (3, 0), r"\(N, classes\)"),
    ],
)
def test_shapes_that_cannot_be_compared(actual: tuple[int, ...], expected: tuple[int, ...], cause: str) -> None:
    with pytest.raises(DeclarationError, match=cause) as caught:
        compare_labels(np.zeros(actual), np.zeros(expected))
    assert str(actual) in str(caught.value)


def test_differing_shapes_are_both_named() -> None:
    with pytest.raises(DeclarationError, match=r"\(64, 1000\) and \(64, 1001\)"):
        compare_labels(np.zeros((64, 1000)), np.zeros((64, 1001)))


@pytest.mark.parametrize("dtype", [object, complex, "U3"])
def test_other_dtypes_are_refused(dtype: object) -> None:
    with pytest.raises(DeclarationError, match="dtype"):
        top1(np.zeros((2, 2)).astype(dtype))


@pytest.mark.parametrize("noise", [-1e-9, INF])
def test_noise_that_cannot_be(noise: float) -> None:
    with pytest.raises(DeclarationError, match="noise"):
        compare_labels(np.eye(2), np.eye(2), noise=noise)


def test_names_must_fit_the_rows() -> None:
    with pytest.raises(DeclarationError, match="3 input names"):
        compare_labels(np.eye(2), np.eye(2), inputs=["a", "b", "c"])
