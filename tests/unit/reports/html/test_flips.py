"""Cards of flipped inputs."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from support.records import record_of

from pytest_envrobust.history.view import model_views
from pytest_envrobust.record.predictions import HasPredictions, Predictions, PredictionStore
from pytest_envrobust.reports.html.flips import MOST, OPEN, Flips, flips_of

NOTHING = Predictions(Path("none.npz"))


def flip(name: str, actual: int, **more: Any) -> dict[str, Any]:
    return {"input": name, "expected": 0, "actual": actual, "kind": "real", **more}


def found(
    flipped: dict[str, list[dict[str, Any]]], model: dict[str, Any] | None = None, of: HasPredictions = NOTHING
) -> Flips:
    labels = {"n": 100, "agreement": 0.9, "bound": 0.8, "flips": {"real": 10, "tie": 0, "undefined": 0}}
    cells = [
        {"model": "signs", "environment": name, "reference": "", "status": "failed",
         "labels": {**labels, "flipped": flips}}
        for name, flips in flipped.items()
    ]  # fmt: skip
    record = record_of(cells, [{"name": "signs", **(model or {})}])
    (view,) = model_views(record)
    return flips_of(view, record.models[0], of)


def test_an_input_has_one_card_and_most_flipped_ones_come_first() -> None:
    cards = found({"a/b/c": [flip("x", 1), flip("y", 1)], "d/e/f": [flip("y", 1)], "g/h/i": [flip("y", 2)]}).cards
    assert [(card.input, card.environments) for card in cards] == [("y", 3), ("x", 1)]
    assert [(each.label, each.environments) for each in cards[0].actual] == [
        ("class 1", ("a/b/c", "d/e/f")),
        ("class 2", ("g/h/i",)),
    ]


def test_kinds_of_one_label_stay_apart() -> None:
    (card,) = found({"a/b/c": [flip("x", 1)], "d/e/f": [flip("x", 1, kind="tie")]}).cards
    assert sorted(each.kind for each in card.actual) == ["real", "tie"]


def test_margins_are_told_where_they_were_measured() -> None:
    flips = {
        "a/b/c": [flip("x", 1, margin=0.5, actual_margin=0.25)],
        "d/e/f": [flip("x", 1, margin=0.5, actual_margin=0.75)],
        "g/h/i": [flip("y", -1)],
    }
    both, neither = found(flips).cards
    assert (both.margin, both.actual[0].margin) == ("0.5", "0.25 to 0.75")
    assert (neither.margin, neither.actual[0].margin) == ("", "")
    assert neither.actual[0].label == "no label"


def test_truth_and_names_come_from_the_model() -> None:
    model = {"inputs": ["w", "x"], "truth": [-1, 1], "class_names": ["cat", "dog"]}
    unknown, known = sorted(found({"a/b/c": [flip("w", 1), flip("x", 1)]}, model).cards, key=lambda card: card.input)
    assert (known.truth, known.expected_is_true, known.actual[0].is_true) == ("dog (1)", False, True)
    assert (unknown.truth, unknown.expected_is_true, unknown.actual[0].is_true) == ("", False, False)
    assert known.expected == "cat (0)"


def test_a_picture_is_that_of_the_input_digest(tmp_path: Path) -> None:
    (tmp_path / "thumbnail-d1.jpg").write_bytes(b"a jpeg")
    model = {"inputs": ["w", "x"], "input_digests": ["d0", "d1"]}
    cards = found({"a/b/c": [flip("w", 1), flip("x", 1), flip("unknown", 1)]}, model, PredictionStore(tmp_path)).cards
    pictures = {card.input: card.picture for card in cards}
    assert pictures["x"] == "data:image/jpeg;base64," + base64.b64encode(b"a jpeg").decode()
    assert pictures["w"] == pictures["unknown"] == ""


def test_cards_beyond_the_most_are_counted() -> None:
    flips = found({"a/b/c": [flip(f"x{number}", 1) for number in range(MOST + 7)]})
    assert (len(flips.cards), flips.further) == (MOST, 7)
    assert (len(flips.first), len(flips.rest)) == (OPEN, MOST - OPEN)
