"""A run that is over: its record, and the predictions beside it."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_envrobust.record.predictions import HasPredictions
from pytest_envrobust.record.schema import Record


@dataclass(frozen=True)
class RecordedRun:
    """A record with its predictions, under the name that messages call it by."""

    name: str
    record: Record
    predictions: HasPredictions


def differ(one: object, other: object) -> bool:
    """Whether two runs know a fact, and not the same; ``None`` is a fact that a run does not know."""
    return one is not None and other is not None and one != other
