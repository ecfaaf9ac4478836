"""Which checks there are, and which may be added from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from pytest_envrobust.checks import labels, registry
from pytest_envrobust.checks.registry import check_named, checks, limit_kinds, register_check
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.verdicts.limits import LimitKind

OWN = (
    "labels", "latency", "accuracy", "scores", "calibration", "repetition", "order", "batch", "position", "finite",
    "probabilities", "untouched",
)  # fmt: skip


@dataclass(frozen=True)
class Outside:
    """As much of a check as the registry looks at."""

    name: str
    limits: tuple[LimitKind, ...] = ()
    rank: int = 100


def outside(name: str, *limits: str, rank: int = 100) -> Any:
    return Outside(name, tuple(LimitKind.positive(limit, "") for limit in limits), rank)


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone behind it."""
    monkeypatch.setattr(registry, "_FROM_OUTSIDE", {})


def test_checks_come_in_the_order_in_which_they_are_asked() -> None:
    assert tuple(checks()) == OWN
    register_check(outside("between", rank=25))
    register_check(outside("behind"))
    assert tuple(checks()) == ("labels", "latency", "between", *OWN[2:], "behind")


def test_a_check_is_found_by_its_name() -> None:
    assert check_named("labels") is labels.CHECK
    mine = outside("mine")
    register_check(mine)
    assert check_named("mine") is mine


def test_a_name_that_is_no_checks_gets_the_nearest_one() -> None:
    with pytest.raises(DeclarationError) as caught:
        check_named("lables")
    assert str(caught.value) == (f"there is no check 'lables': checks are {', '.join(OWN)} (did you mean 'labels'?)")


def test_limits_are_those_of_all_checks_in_their_order() -> None:
    own = list(limit_kinds())
    assert own[:4] == ["min_label_agreement", "ties", "bound", "max_latency_ms"]
    register_check(outside("mine", "max_mine", rank=0))
    assert list(limit_kinds()) == ["max_mine", *own]
    assert limit_kinds()["max_mine"].name == "max_mine"


def test_a_check_of_this_package_cannot_be_replaced() -> None:
    with pytest.raises(DeclarationError) as caught:
        register_check(outside("labels"))
    assert str(caught.value) == "there is a check 'labels' already (call yours by another name)"
    assert check_named("labels") is labels.CHECK


def test_a_limits_name_belongs_to_one_check() -> None:
    register_check(outside("mine", "max_mine"))
    for limit, owner in (("max_abs_error", "scores"), ("max_mine", "mine")):
        with pytest.raises(DeclarationError) as caught:
            register_check(outside("another", "max_new", limit))
        assert str(caught.value) == (
            f"check 'another' has a limit '{limit}': the check '{owner}' has one of that name "
            "(call yours by another name)"
        )
    assert "another" not in checks()


def test_one_from_outside_is_replaced_by_one_of_its_name_that_may_have_its_limits() -> None:
    """A module that is imported twice registers its check twice."""
    register_check(outside("mine", "max_mine"))
    register_check(outside("another", "max_other"))
    again = outside("mine", "max_mine", "max_more")
    register_check(again)
    assert check_named("mine") is again
    assert check_named("another").limits[0].name == "max_other"
