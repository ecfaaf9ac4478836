"""Flipped inputs for the HTML report: one card an input, with every environment that flips it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pytest_envrobust.core.wording import label
from pytest_envrobust.history.view import ModelView
from pytest_envrobust.record.predictions import HasPredictions
from pytest_envrobust.record.schema import Flipped, Model
from pytest_envrobust.reports.words import span

Value = TypeVar("Value")

MOST = 60
"""Cards of a model; further inputs are only counted."""
OPEN = 12
"""Cards that are not folded away."""


@dataclass(frozen=True)
class ActualLabel:
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
    actual: tuple[ActualLabel, ...]
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


def flips_of(view: ModelView, model: Model, predictions: HasPredictions) -> Flips:
    """All flips of a model, by input."""
    found: dict[str, list[tuple[str, Flipped]]] = {}
    for row in view.rows:
        for flip in (row.labels.flipped or ()) if row.labels is not None else ():
            found.setdefault(flip.input, []).append((row.environment, flip))
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    places = {name: place for place, name in reversed(list(enumerate(model.inputs or ())))}
    cards = tuple(_card(name, flips, places.get(name), model, predictions) for name, flips in ordered[:MOST])
    return Flips(cards, len(ordered) - len(cards))


def _card(
    name: str, flips: Sequence[tuple[str, Flipped]], place: int | None, model: Model, predictions: HasPredictions
) -> Card:
    classes = model.class_names or ()
    truth = _at(model.truth, place, -1)
    first = flips[0][1]
    return Card(
        input=name,
        expected=label(first.expected, classes),
        margin=_margins([first.margin]),
        actual=tuple(_actual_labels(flips, classes, truth)),
        environments=len(flips),
        picture=_picture(_at(model.input_digests, place, ""), predictions),
        truth=label(truth, classes) if truth >= 0 else "",
        expected_is_true=first.expected == truth >= 0,
        known=tuple(dict.fromkeys(flip.known for _, flip in flips if flip.known is not None)),
    )


def _actual_labels(flips: Sequence[tuple[str, Flipped]], classes: Sequence[str], truth: int) -> Iterator[ActualLabel]:
    """What an input became, that first of most environments."""
    found: dict[tuple[int, str], list[tuple[str, Flipped]]] = {}
    for environment, flip in flips:
        found.setdefault((flip.actual, flip.kind), []).append((environment, flip))
    for (actual, kind), some in sorted(found.items(), key=lambda item: -len(item[1])):
        yield ActualLabel(
            label=label(actual, classes),
            kind=kind,
            margin=_margins([flip.actual_margin for _, flip in some]),
            environments=tuple(environment for environment, _ in some),
            is_true=actual == truth >= 0,
        )


def _margins(margins: Sequence[float | None]) -> str:
    """Of those that were measured from the smallest to the largest."""
    measured = [margin for margin in margins if margin is not None]
    return span(measured) if measured else ""


def _picture(digest: str, predictions: HasPredictions) -> str:
    content = predictions.thumbnail(digest) if digest else None
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}" if content else ""


def _at(values: Sequence[Value] | None, place: int | None, default: Value) -> Value:
    return values[place] if values is not None and place is not None and place < len(values) else default
