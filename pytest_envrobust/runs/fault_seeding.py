"""Can a model's inputs tell? The reference, run on faulty inputs and with rounded weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.adequacy import Adequacy, FaultEffect, adequacy, effect_of
from pytest_envrobust.comparison.labels import top1
from pytest_envrobust.core.errors import EnvrobustError
from pytest_envrobust.core.sources import input_spec
from pytest_envrobust.frameworks import frameworks
from pytest_envrobust.models.faults import INPUT_FAULTS, faulty_batches, part_of
from pytest_envrobust.models.preprocess import Layout
from pytest_envrobust.runs.cell_run import CellRun
from pytest_envrobust.runs.context import RunContext

FIRST_INPUTS = 64
"""On so many inputs, spread evenly over all, a fault is tried first."""
MORE_INPUTS = 256
"""By so many a fault that changed none of their labels is tried on the rest, until it changes one."""

INT8_WEIGHTS = "int8-weights"

Run = Callable[[NDArray[Any]], NDArray[Any]]
"""From a batch to its scores, (N, classes)."""


def adequacy_of(reference: CellRun, context: RunContext) -> Adequacy | None:
    """What the inputs of a reference can tell; ``None`` where its scores have no two classes.

    Predictions that were recorded elsewhere tell of faults of the output alone. A fault with which the reference does
    not run is left out. Raises what the reference's own predictions raise.
    """
    scores = reference.predictions.scores
    if not len(scores) or scores.shape[1] < 2:
        return None
    effects = [] if reference.is_recorded else list(_effects(reference, context, top1(scores)))
    return adequacy(scores, effects)


def _effects(reference: CellRun, context: RunContext, labels: NDArray[np.int64]) -> Iterator[FaultEffect]:
    context.say(f"seed faults in the inputs of {reference.model_run.name}")
    first, *rest = _parts(len(labels))
    for fault, batch in _faulty(reference, first):
        effect = _effect(fault, labels, first, reference.predict, batch)
        if effect is not None:
            yield _sought(effect, labels, rest, partial(_try, reference, fault, labels))
    yield from _effect_of_rounding(reference, context, labels, first, rest)


def _faulty(
    reference: CellRun, places: Sequence[int], faults: Sequence[str] = INPUT_FAULTS
) -> Iterator[tuple[str, NDArray[Any]]]:
    """The batches of the inputs at these places as the faults feed them."""
    run, key = reference.model_run, reference.environment.source
    preprocess = run.preprocess(key)
    layout = cast(Layout, frameworks()[reference.environment.source_framework].layout)
    return faulty_batches(part_of(run.inputs, places), preprocess, layout, faults)


def _try(reference: CellRun, fault: str, labels: NDArray[np.int64], places: Sequence[int]) -> FaultEffect | None:
    """What a fault of the inputs at these places changes."""
    for _, batch in _faulty(reference, places, (fault,)):
        return _effect(fault, labels, places, reference.predict, batch)
    return None


def _effect(
    fault: str, labels: NDArray[np.int64], places: Sequence[int], run: Run, batch: NDArray[Any]
) -> FaultEffect | None:
    """What came of a faulty run of the inputs at these places; ``None`` where it fails."""
    try:
        scores = run(batch)
    except EnvrobustError:
        return None
    return effect_of(fault, labels[places], top1(scores)) if len(scores) == len(places) else None


def _sought(
    effect: FaultEffect,
    labels: NDArray[np.int64],
    rest: Sequence[list[int]],
    attempt: Callable[[list[int]], FaultEffect | None],
) -> FaultEffect:
    """The effect with that on further inputs, as long as none of their labels changed."""
    for places in rest:
        if effect.changed:
            break
        further = attempt(places)
        if further is not None:
            effect = FaultEffect(effect.fault, further.changed, effect.n + further.n)
    return effect


def _parts(count: int) -> list[list[int]]:
    """Places of the inputs: some spread evenly over all, then the rest."""
    first = np.unique(np.linspace(0, count - 1, min(count, FIRST_INPUTS)).round().astype(int))
    rest = np.setdiff1d(np.arange(count), first).tolist()
    return [first.tolist(), *(rest[start : start + MORE_INPUTS] for start in range(0, len(rest), MORE_INPUTS))]


def _effect_of_rounding(
    reference: CellRun,
    context: RunContext,
    labels: NDArray[np.int64],
    first: list[int],
    rest: Sequence[list[int]],
) -> Iterator[FaultEffect]:
    """What weights rounded to int8 change, where the source can be loaded so."""
    run, key = reference.model_run, reference.environment.source
    inputs = run.batch(key)
    spec = input_spec(inputs, run.inspection(key))
    try:
        source = context.session_builder.rounded(run.source(key))
        session = context.session_builder.open(reference.plan, source, spec)
    except EnvrobustError:
        return

    def scores(batch: NDArray[Any]) -> NDArray[Any]:
        with context.scratch.lend(batch) as handle:
            return reference.in_class_order(session.run(handle).scores)

    def attempt(places: list[int]) -> FaultEffect | None:
        return _effect(INT8_WEIGHTS, labels, places, scores, inputs[places])

    effect = attempt(first)
    if effect is not None:
        yield _sought(effect, labels, rest, attempt)
    with suppress(EnvrobustError):
        session.close()
