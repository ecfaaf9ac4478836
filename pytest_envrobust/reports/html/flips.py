"""Flipped inputs for the HTML report: one card an input, with every environment that flips it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_envrobust.core.wording import label
from pytest_envrobust.history.view import ModelView
from pytest_envrobust.record.predictions import HasPredictions
from pytest_envrobust.reports.words import span

MOST = 60
"""Cards of a model; further inputs are only counted."""
OPEN = 12
"""Cards that are not folded away."""


@dataclass(frozen=True)
class Turn:
    """What an input became: another label, of one kind, in these environments; ``margin`` is their own."""

    label: str
    kind: str
    margin: str
    environments: tuple[str, ...]
    is_true: bool


@dataclass(frozen=True)
class Card:
    """A flipped input. ``picture`` is a data URI, empty where there is no thumbnail; ``known`` are reasons given."""

    input: str
    expected: str
    margin: str
    turns: tuple[Turn, ...]
    environments: int
    picture: str = ""
    truth: str = ""
    expected_is_true: bool = False
    known: tuple[str, ...] = ()


@dataclass(frozen=True)
class Flips:
    """The cards of a model, those first that most environments flip; ``further`` inputs have none."""

    cards: tuple[Card, ...]
    further: int

    @property
    def first(self) -> tuple[Card, ...]:
        return self.cards[:OPEN]

    @property
    def rest(self) -> tuple[Card, ...]:
        return self.cards[OPEN:]


def flips_of(view: ModelView, model: Mapping[str, Any], predictions: HasPredictions) -> Flips:
    """All flips of a model, by input."""
    found: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for row in view.rows:
        for flip in row.labels.get("flipped", ()):
            found.setdefault(flip["input"], []).append((row.environment, flip))
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    places = {name: index for index, name in reversed(list(enumerate(model.get("inputs", ()))))}
    cards = tuple(_card(name, flips, places.get(name), model, predictions) for name, flips in ordered[:MOST])
    return Flips(cards, len(ordered) - len(cards))


def _card(
    name: str,
    flips: Sequence[tuple[str, Mapping[str, Any]]],
    place: int | None,
    model: Mapping[str, Any],
    predictions: HasPredictions,
) -> Card:
    classes = model.get("class_names", ())
    truth = _at(model.get("truth", ()), place, -1)
    first = flips[0][1]
    turns: dict[tuple[int, str], list[tuple[str, Mapping[str, Any]]]] = {}
    for environment, flip in flips:
        turns.setdefault((flip["actual"], flip["kind"]), []).append((environment, flip))
    return Card(
        input=name,
        expected=label(first["expected"], classes),
        margin=span([first["margin"]]) if "margin" in first else "",
        turns=tuple(
            Turn(
                label=label(actual, classes),
                kind=kind,
                margin=_margins(flip for _, flip in some),
                environments=tuple(environment for environment, _ in some),
                is_true=actual == truth >= 0,
            )
            for (actual, kind), some in sorted(turns.items(), key=lambda item: -len(item[1]))
        ),
        environments=len(flips),
        picture=_picture(_at(model.get("input_digests", ()), place, ""), predictions),
        truth=label(truth, classes) if truth >= 0 else "",
        expected_is_true=first["expected"] == truth >= 0,
        known=tuple(dict.fromkeys(flip["known"] for _, flip in flips if "known" in flip)),
    )


def _margins(flips: Any) -> str:
    margins = [flip["actual_margin"] for flip in flips if "actual_margin" in flip]
    return span(margins) if margins else ""


def _picture(digest: str, predictions: HasPredictions) -> str:
    content = predictions.thumbnail(digest) if digest else None
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}" if content else ""


def _at(values: Sequence[Any], place: int | None, default: Any) -> Any:
    return values[place] if place is not None and place < len(values) else default
