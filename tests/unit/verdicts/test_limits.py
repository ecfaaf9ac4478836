"""Kinds of limits: what values they take, and how users write them."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from pytest_envrobust.verdicts.limits import IGNORED_TIES, YES_OR_NO, LabelLimit, Limit, LimitKind


@pytest.mark.parametrize(
    ("kind", "valid", "taken", "refused"),
    [
        (LimitKind.share, "a share from 0 to 1; write 98 % as 0.98", (0, 0.5, 1), (-0.001, 1.001, math.nan)),
        (LimitKind.positive, "a finite number above 0", (0.001, 1, 900), (0, -1, math.nan)),
        (LimitKind.at_least_zero, "a finite number of at least 0", (0, 0.5, 900), (-0.001, math.nan)),
    ],
)
def test_each_kind_says_what_it_takes(
    kind: Callable[..., LimitKind], valid: str, taken: tuple[float, ...], refused: tuple[float, ...]
) -> None:
    made = kind("max_mine", "what it means", default=3.0, of_reference=False)
    assert (made.name, made.meaning, made.valid) == ("max_mine", "what it means", valid)
    assert (made.default, made.of_reference) == (3.0, False)
    assert [made.accepts(value) for value in taken] == [True] * len(taken)
    assert [made.accepts(value) for value in refused] == [False] * len(refused)
    bare = kind("max_mine", "what it means")
    assert (bare.default, bare.words, bare.is_switch, bare.of_reference) == (None, {}, False, True)


@pytest.mark.parametrize(
    ("kind", "valid"),
    [
        (LimitKind.positive, "a finite number above 0, in apples"),
        (LimitKind.at_least_zero, "a finite number of at least 0, in apples"),
    ],
)
def test_a_note_says_what_a_value_means(kind: Callable[..., LimitKind], valid: str) -> None:
    assert kind("max_mine", "", ", in apples").valid == valid


def test_a_limit_of_words_takes_no_number() -> None:
    ties = LimitKind("ties", "how ties count", "'count' or 'ignore'", words=IGNORED_TIES)
    assert not ties.accepts(0.0)
    assert ties.choices == ("count", "ignore")
    assert [ties.shown(value) for value in (0.0, 1.0)] == ["'count'", "'ignore'"]


def test_a_value_is_shown_as_a_user_writes_it() -> None:
    switch = LimitKind("bound", "", "true or false", words=YES_OR_NO, is_switch=True)
    assert switch.choices == ("true", "false")
    assert [switch.shown(value) for value in (1.0, 0.0)] == ["True", "False"]
    number = LimitKind.positive("max_mine", "")
    assert number.choices == ()
    assert [number.shown(value) for value in (3.0, 0.25)] == ["3", "0.25"]


@pytest.mark.parametrize(("ties", "ignored"), [("count", 0.0), ("ignore", 1.0)])
@pytest.mark.parametrize("bound", [True, False])
def test_the_limit_on_labels_is_three_limits_of_one_origin(ties: str, ignored: float, bound: bool) -> None:
    assert LabelLimit("min_label_agreement", 0.9, "ini", ties=ties, bound=bound).layer == {  # type: ignore[arg-type]
        "min_label_agreement": Limit("min_label_agreement", 0.9, "ini"),
        "ties": Limit("ties", ignored, "ini"),
        "bound": Limit("bound", float(bound), "ini"),
    }
