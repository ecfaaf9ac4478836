"""Why does a source label inputs otherwise than the reference's? Both, on inputs prepared by parts of the other's."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.answers import aligned
from pytest_envrobust.comparison.decomposition import Decomposition, decomposed, tried, tried_back
from pytest_envrobust.comparison.labels import top1
from pytest_envrobust.core.errors import EnvrobustError
from pytest_envrobust.models.callables import Preprocessing
from pytest_envrobust.models.faults import part_of
from pytest_envrobust.models.preprocess import Preprocess
from pytest_envrobust.models.preprocess_parts import PreprocessPart, differing_parts, with_parts
from pytest_envrobust.record import schema
from pytest_envrobust.record.decomposition_part import decomposition_part
from pytest_envrobust.runs.cell_run import CellRun
from pytest_envrobust.runs.context import RunContext

INPUTS_AT_ONCE = 64
"""So many, spread evenly over all, are run at a time, until that has taken as long as the run itself before."""
ALL = "all"
"""The one part of a preprocessing that is a function."""

Swaps = Mapping[tuple[str, ...], Preprocessing]


def can_be_decomposed(run: CellRun) -> bool:
    """Whether a cell has run all inputs, and can run others at the speed of a real processor."""
    return run.has_predictions and not run.is_recorded and not run.is_emulated


def decomposition_part_of(run: CellRun, reference: CellRun, context: RunContext) -> schema.Decomposition | None:
    """What the record says of a source's flips; ``None`` where there are none, or nothing can be said of them."""
    found = decomposition_of(run, reference, context)
    if found is None:
        return None
    names, total = (run.environment.id, reference.environment.id), len(run.model_run.inputs)
    return decomposition_part(found, *names, of=total, shared=_shared(run, reference))


def decomposition_of(run: CellRun, reference: CellRun, context: RunContext) -> Decomposition | None:
    """How many of its flips a source's preprocessing makes; both cells have predictions of all inputs.

    ``None`` where labels do not differ, where inputs are no pictures, and where the source cannot take what the other
    preprocessing gives.
    """
    model_run = run.model_run
    if model_run.inputs.images is None:
        return None
    actual, expected = aligned(run.predictions.scores, reference.predictions.scores)
    if actual.shape != expected.shape:
        return None
    own, wanted = top1(actual), top1(expected)
    if np.array_equal(own, wanted):
        return None
    ways = _Way.there(run, reference), _Way.back(run, reference)
    if not any(way.swaps for way in ways):
        return decomposed(wanted, own, {}, {})
    context.say(f"prepare the inputs of {run.environment.id} and {reference.environment.id} by parts of both")
    places: list[int] = []
    allowed, started = time.time() - context.started, time.monotonic()
    for some in _spread(len(own)):
        for way in ways:
            way.run(some)
        places += some
        if time.monotonic() - started > allowed:
            break
    found = [way.labels() for way in ways]
    return decomposed(wanted[places], own[places], *found) if any(found) else None


class _Way:
    """One source, run on inputs that are prepared by parts of another's preprocessing.

    ``swaps`` are the preprocessings, by the parts that were taken. One that the source cannot run with is left out.
    """

    def __init__(self, run: CellRun, swaps: Swaps) -> None:
        self.swaps = dict(swaps)
        self._cell = run
        self._found: dict[tuple[str, ...], list[NDArray[np.int64]]] = {parts: [] for parts in swaps}

    @classmethod
    def there(cls, run: CellRun, reference: CellRun) -> _Way:
        """The source with parts of the reference's."""
        return cls(run, _swaps(run, reference, tried))

    @classmethod
    def back(cls, run: CellRun, reference: CellRun) -> _Way:
        """The reference with parts of the source's."""
        return cls(reference, _swaps(reference, run, tried_back))

    def run(self, places: Sequence[int]) -> None:
        """Label the inputs at these places under each preprocessing."""
        model_run, key = self._cell.model_run, self._cell.environment.source
        inputs, shape = part_of(model_run.inputs, places), model_run.batch(key).shape[1:]
        for parts, preprocess in list(self.swaps.items()):
            try:
                batch = model_run.batch_by(key, preprocess, inputs)
                scores = self._cell.predict(batch) if batch.shape[1:] == shape else None
            except EnvrobustError:
                scores = None
            if scores is None:
                del self.swaps[parts], self._found[parts]
            else:
                self._found[parts].append(top1(scores))

    def labels(self) -> dict[tuple[str, ...], NDArray[np.int64]]:
        """What was found, in the order of the places."""
        return {parts: np.concatenate(each) for parts, each in self._found.items()}


def _swaps(run: CellRun, giver: CellRun, choose: Callable[[Sequence[str]], list[tuple[str, ...]]]) -> Swaps:
    """The preprocessings to try, by what they take from the giver's; none where both are alike."""
    model_run = run.model_run
    own, other = (model_run.preprocess(each.environment.source) for each in (run, giver))
    if own is None or other is None or own == other or model_run.inputs.images is None:
        return {}
    if isinstance(own, Preprocess) and isinstance(other, Preprocess):
        size = _size(own, model_run.inputs.images[0])
        found = choose(differing_parts(own, other, size))
        return {parts: with_parts(own, other, cast("Collection[PreprocessPart]", parts), size) for parts in found}
    return {(ALL,): replace(other, layout=own.layout) if isinstance(other, Preprocess) else other}


def _size(preprocess: Preprocess, image: NDArray[np.uint8]) -> tuple[int, int]:
    """Height and width that a preprocessing ends in."""
    height, width = replace(preprocess, layout="NHWC").apply([image], layout="NHWC").shape[1:3]
    return height, width


def _shared(run: CellRun, reference: CellRun) -> schema.Shared | None:
    """What both sources are known to have in common: one network or, as the declarations say, its weights."""
    model_run, key, other = run.model_run, run.environment.source, reference.environment.source
    if model_run.inspection(key).digest == model_run.inspection(other).digest:
        return "network"
    weights = model_run.model.source(key).weights
    return "weights" if weights and weights == model_run.model.source(other).weights else None


def _spread(count: int) -> Iterator[list[int]]:
    """The places of the inputs in parts, each spread evenly over all."""
    parts = -(-count // INPUTS_AT_ONCE)
    for first in range(parts):
        yield list(range(first, count, parts))
