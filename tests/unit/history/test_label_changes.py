"""The labels of one cell in two runs: which inputs are the same, and which labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from pytest_envrobust.history.label_changes import (
    LabelChange,
    LabelChanges,
    MatchedInputs,
    changed_labels,
    matched_inputs,
)
from pytest_envrobust.record.schema import Model

NAN = np.nan
MODEL = Model(name="signs", inputs=list("abcd"), input_digests=["0a", "0b", "0c", "0d"])
SCORES = np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [1.0, 0.9, 0.0], [0.0, 0.0, 5.0]], dtype=np.float32)
NAMES = ("stop", "go", "yield")
SAME = matched_inputs(MODEL, MODEL)


def labels(*numbers: int, classes: int = 3) -> NDArray[np.float32]:
    """Scores that give these labels; -1 is none."""
    scores = np.eye(classes, dtype=np.float32)[list(numbers)]
    scores[np.array(numbers) < 0] = NAN
    return scores


def changed(
    before: NDArray[Any], after: NDArray[Any], names_before: Sequence[str] = (), names_after: Sequence[str] = ()
) -> LabelChanges:
    """The changes of as many inputs as there are scores, called a, b, c ..."""
    model = Model(name="signs", inputs=list("abcdefgh")[: len(before)])
    found = changed_labels(before, after, matched_inputs(model, model), (names_before, names_after))
    assert found is not None
    return found


def test_the_inputs_of_one_model_are_the_same() -> None:
    assert MatchedInputs(names=tuple("abcd"), rows=((0, 0), (1, 1), (2, 2), (3, 3))) == SAME
    assert SAME.are_the_same


@pytest.mark.parametrize(
    "after",
    [
        Model(name="signs", inputs=list("abc"), input_digests=["0a", "0b", "0c"]),
        Model(name="signs", inputs=list("abcde"), input_digests=["0a", "0b", "0c", "0d", "0e"]),
        Model(name="signs", inputs=list("bacd"), input_digests=["0b", "0a", "0c", "0d"]),
        Model(name="signs", inputs=list("abcd"), input_digests=["0a", "0b", "0c", "ff"]),
    ],
    ids=["one less", "one more", "another order", "other pixels"],
)
def test_inputs_are_not_the_same_where_one_differs(after: Model) -> None:
    assert not matched_inputs(MODEL, after).are_the_same
    assert not matched_inputs(after, MODEL).are_the_same


def test_inputs_without_digests_are_found_by_name() -> None:
    found = matched_inputs(MODEL, Model(name="signs", inputs=["d", "new", "a"]))
    assert (found.rows, found.names) == (((0, 2), (3, 0)), ("a", "d"))
    assert (found.only_before, found.only_after, found.other_pixels) == (2, 1, 0)
    assert not found.are_the_same


@pytest.mark.parametrize("digests", [["0a", "0b", "0c"], ["0a", "0b", "0c", "0d", "0e"]])
def test_digests_of_another_number_than_the_inputs_are_none(digests: list[str]) -> None:
    odd = Model(name="signs", inputs=list("dcba"), input_digests=digests)
    for before, after in ((MODEL, odd), (odd, MODEL)):
        found = matched_inputs(before, after)
        assert (found.rows, found.other_pixels) == (((0, 3), (1, 2), (2, 1), (3, 0)), 0)


def test_an_input_under_another_name_is_found_by_its_pixels_and_called_as_in_the_later_run() -> None:
    after = Model(name="signs", inputs=["x", "b"], input_digests=["0a", "ff"])
    assert matched_inputs(MODEL, after) == MatchedInputs(
        names=("x", "b"), rows=((0, 0), (1, 1)), only_before=2, only_after=0, other_pixels=1
    )


def test_an_image_that_is_there_several_times_is_matched_as_often_in_order() -> None:
    model = Model(name="signs", inputs=list("abcde"), input_digests=["0a", "0a", "0c", "0a", "0a"])
    assert matched_inputs(model, model).rows == tuple((row, row) for row in range(5))
    fewer = replace(model, inputs=["v", "w"], input_digests=["0a", "0a"])
    assert matched_inputs(model, fewer).rows == ((0, 0), (1, 1))
    assert matched_inputs(fewer, model).rows == ((0, 0), (1, 1))


def test_runs_without_inputs_have_none_in_common() -> None:
    nothing = Model(name="signs")
    assert matched_inputs(nothing, nothing) == MatchedInputs()
    assert matched_inputs(MODEL, nothing) == MatchedInputs(only_before=4)
    assert changed_labels(SCORES, SCORES, matched_inputs(MODEL, nothing)) is None


@pytest.mark.parametrize("count", [9, 10, 11, 30])
def test_ten_inputs_are_named_and_all_are_counted(count: int) -> None:
    before = np.random.default_rng(0).random((count, 4)).astype(np.float32)
    model = Model(name="signs", inputs=[f"{number}.png" for number in range(count)])
    changes = changed_labels(before, np.roll(before, 1, axis=1), matched_inputs(model, model))
    assert changes is not None
    assert (changes.compared, changes.count) == (count, count)
    assert [change.input for change in changes.first] == [f"{number}.png" for number in range(min(count, 10))]


def test_scores_that_lack_the_row_of_an_input_cannot_be_compared() -> None:
    assert changed_labels(SCORES[:3], SCORES, SAME) is None
    assert changed_labels(SCORES, SCORES[:3], SAME) is None
    last = matched_inputs(MODEL, Model(name="signs", inputs=["d"]))
    assert changed_labels(SCORES, SCORES[3:], last) == LabelChanges(compared=1)
    assert changed_labels(SCORES[:3], SCORES[3:], last) is None


def test_another_number_of_classes_cannot_be_compared_by_number() -> None:
    wide = np.pad(SCORES, ((0, 0), (1, 0)))
    assert changed_labels(SCORES, wide, SAME) is None
    assert changed_labels(SCORES, wide, SAME, (NAMES, ())) is None
    assert changed_labels(SCORES, wide, SAME, (NAMES, NAMES)) is None
    by_name = changed_labels(SCORES, wide, SAME, (NAMES, ("background", *NAMES)))
    assert by_name == LabelChanges(compared=4, bits_differ=True)


@pytest.mark.parametrize("names", [((), NAMES), (NAMES, ()), (NAMES, NAMES), (list(NAMES), NAMES), ((), ())])
def test_labels_are_compared_by_number_unless_both_runs_name_their_classes_differently(
    names: tuple[Sequence[str], Sequence[str]],
) -> None:
    found = changed(labels(0, 1, 2), labels(0, 2, 2), *names)
    before, after = (f"{each[n]} ({n})" if each else f"class {n}" for each, n in zip(names, (1, 2)))
    assert (found.count, found.first) == (1, (LabelChange("b", before, after),))


def test_labels_are_compared_by_the_names_of_each_run_s_own_classes() -> None:
    found = changed(labels(0, 1, 2), labels(1, 0, 0), NAMES, ("yield", "stop", "go"))
    assert found == LabelChanges(
        compared=3, count=1, first=(LabelChange("b", "go (1)", "yield (0)"),), bits_differ=True
    )
    renamed = changed(labels(0, 1, 2), labels(0, 1, 2), NAMES, ("halt", "go", "yield"))
    assert renamed == LabelChanges(compared=3, count=1, first=(LabelChange("a", "stop (0)", "halt (0)"),))


def test_no_label_is_the_same_as_no_label_whatever_the_classes_are_called() -> None:
    found = changed(labels(-1, -1, 2), labels(-1, 0, -1), NAMES, ("yield", "stop", "go"))
    assert found.first == (
        LabelChange("b", "no label", "yield (0)"),
        LabelChange("c", "yield (2)", "no label"),
    )


def test_a_class_beyond_the_names_is_called_by_its_number() -> None:
    found = changed(labels(3, 3, 2, classes=5), labels(3, 4, 3, classes=5), NAMES, ("yield", "stop", "go"))
    assert found.first == (LabelChange("b", "class 3", "class 4"), LabelChange("c", "yield (2)", "class 3"))


@pytest.mark.parametrize(
    ("after", "differ"),
    [
        (SCORES.copy(), False),
        (SCORES * np.float32(1.0001), True),
        (SCORES.astype(np.float64), True),
        (np.where(SCORES == 0, np.float32(-0.0), SCORES), True),
    ],
    ids=["equal", "scaled", "in double precision", "negative zeros"],
)
def test_bits_differ_where_a_byte_or_the_type_does(after: NDArray[Any], differ: bool) -> None:
    assert changed(SCORES, after) == LabelChanges(compared=4, bits_differ=differ)


def test_bits_of_inputs_that_only_one_run_has_do_not_count() -> None:
    after = SCORES[:2].copy()
    found = changed_labels(SCORES, after, matched_inputs(MODEL, Model(name="signs", inputs=["a", "b"])))
    assert found == LabelChanges(compared=2)
