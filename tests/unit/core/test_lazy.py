"""Values made once, and failures that are remembered."""

from __future__ import annotations

import pytest

from pytest_envrobust.core.errors import EnvrobustError, Unavailable
from pytest_envrobust.core.lazy import Lazy, Memo


class _Maker:
    """Makes something, or raises; counts how often it was asked."""

    def __init__(self, result: object) -> None:
        self.result, self.calls = result, 0

    def __call__(self) -> object:
        self.calls += 1
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


@pytest.mark.parametrize("value", ["made", None, 0])
def test_a_value_is_made_once_whatever_it_is(value: object) -> None:
    memo, make = Memo[str, object](), _Maker(value)
    assert (memo.get("a", make), memo.get("a", make), make.calls) == (value, value, 1)


def test_each_key_has_its_own_value() -> None:
    memo = Memo[str, object]()
    assert [memo.get(key, _Maker(key.upper())) for key in ("a", "b", "a")] == ["A", "B", "A"]


def test_a_failure_is_remembered_and_raised_again_as_it_was() -> None:
    memo, make = Memo[str, object](), _Maker(Unavailable("the GPU is absent"))
    for _ in range(2):
        with pytest.raises(Unavailable) as raised:
            memo.get("a", make)
        assert raised.value is make.result
    assert make.calls == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError()])
def test_what_is_no_error_of_ours_is_tried_again(error: BaseException) -> None:
    memo, make = Memo[str, object](), _Maker(error)
    for _ in range(2):
        with pytest.raises(type(error)):
            memo.get("a", make)
    make.result = "made"
    assert (memo.get("a", make), make.calls) == ("made", 3)


def test_an_error_can_be_a_value() -> None:
    error = EnvrobustError("kept for later")
    memo = Memo[str, object]()
    assert memo.get("a", lambda: error) is error
    assert memo.done("a") is error


def test_what_is_done_is_told_without_making_it() -> None:
    memo = Memo[str, object]()
    assert memo.done("a") is None
    memo.get("a", _Maker("made"))
    with pytest.raises(EnvrobustError):
        memo.get("b", _Maker(EnvrobustError("no")))
    assert (memo.done("a"), memo.done("b")) == ("made", None)


def test_a_lazy_value_is_made_when_first_asked_for() -> None:
    make = _Maker("made")
    lazy = Lazy(make)
    assert (lazy.done, make.calls) == (None, 0)
    assert (lazy.value, lazy.value, lazy.done, make.calls) == ("made", "made", "made", 1)


def test_a_lazy_value_that_failed_fails_again() -> None:
    make = _Maker(Unavailable("the GPU is absent"))
    lazy = Lazy(make)
    for _ in range(2):
        with pytest.raises(Unavailable, match="the GPU is absent"):
            _ = lazy.value
    assert (lazy.done, make.calls) == (None, 1)
