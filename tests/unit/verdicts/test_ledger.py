"""What the ledger of known flips excuses, and which of its entries are out of date."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from pytest_envrobust.verdicts.ledger import Compared, KnownFlip, Ledger

TODAY = date(2030, 6, 1)
DOG, CAT, COW = "d" * 16, "c" * 16, "0" * 16


def entry(**changes: Any) -> KnownFlip:
    told = {"model": "m", "environment": "onnx/ort-*/cpu", "input": DOG, "reason": "rounding", "expires": TODAY}
    return KnownFlip(**(told | changes))


def cell(environment: str = "onnx/ort-all/cpu", **changes: Any) -> Compared:
    every = frozenset({DOG, CAT})
    told: dict[str, Any] = {"compared": every, "flipped": frozenset(), "every": every}
    return Compared("m", environment, **(told | changes))


@pytest.mark.parametrize(
    ("model", "environment", "known"),
    [
        ("m", "onnx/ort-all/cpu", {1: "rounding"}),
        ("m", "onnx/ort-off/cpu", {1: "rounding"}),
        ("m", "torch/ort-all/cpu", {}),
        ("n", "onnx/ort-all/cpu", {}),
    ],
)
def test_an_entry_excuses_its_input_in_the_environments_of_its_glob(
    model: str, environment: str, known: dict[int, str]
) -> None:
    assert Ledger((entry(),)).known(model, environment, [CAT, DOG], TODAY) == known


def test_the_date_is_the_last_day_that_an_entry_counts_on() -> None:
    ledger = Ledger((entry(expires=TODAY), entry(expires=date(2030, 5, 31), input=CAT)))
    assert ledger.known("m", "onnx/ort-all/cpu", [CAT, DOG], TODAY) == {1: "rounding"}
    assert ledger.expired(TODAY) == (ledger.entries[1],)


def test_the_same_picture_twice_is_excused_twice() -> None:
    assert Ledger((entry(),)).known("m", "onnx/ort-all/cpu", [DOG, CAT, DOG], TODAY) == {0: "rounding", 2: "rounding"}


def test_an_entry_that_flips_in_some_of_its_cells_is_in_use() -> None:
    ledger = Ledger((entry(),))
    agrees, flips = cell("onnx/ort-off/cpu"), cell(flipped=frozenset({DOG}))
    assert ledger.stale([agrees, flips]) == ()
    assert ledger.stale([agrees]) == ledger.entries


def test_what_did_not_run_says_nothing_of_an_entry() -> None:
    ledger = Ledger((entry(),))
    assert ledger.stale([]) == ()
    assert ledger.stale([cell("torch/eager/cpu")]) == ()
    assert ledger.stale([cell(compared=frozenset({CAT}))]) == ()  # stopped before it


def test_an_entry_of_no_input_of_the_model_is_stale() -> None:
    ledger = Ledger((entry(input=COW),))
    assert ledger.stale([cell(compared=frozenset({CAT}))]) == ledger.entries


def test_words_name_the_input_by_its_name_where_it_has_one() -> None:
    assert str(entry(name="dog.jpg")) == "dog.jpg of m in onnx/ort-*/cpu"
    assert str(entry()) == f"{DOG} of m in onnx/ort-*/cpu"
