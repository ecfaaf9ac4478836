"""Models of one run that could have been compared with each other, and were not: two files given side by side."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_envrobust.history.analysis import ScoresOf
from pytest_envrobust.record.schema import Cell, Model


def uncompared(models: Sequence[Model], cells: Sequence[Cell], scores_of: ScoresOf) -> list[list[Model]]:
    """Groups of models that have the same inputs and as many classes, and a single source each.

    A model with several sources compares them already: several such models are different networks.
    """
    groups: dict[tuple[object, ...], list[Model]] = {}
    for model in models:
        inputs = model.input_digests or model.inputs
        classes = _classes(model, cells, scores_of)
        if inputs and classes and len(model.sources or {}) == 1:
            groups.setdefault((*inputs, classes), []).append(model)
    return [group for group in groups.values() if len(group) > 1]


def _classes(model: Model, cells: Sequence[Cell], scores_of: ScoresOf) -> int:
    """How many classes its scores have; 0 where there are none."""
    digests = (cell.output_digest for cell in cells if cell.model == model.name and cell.output_digest is not None)
    scores = next((found for digest in digests if (found := scores_of(digest)) is not None), None)
    return 0 if scores is None or scores.ndim != 2 else scores.shape[1]
