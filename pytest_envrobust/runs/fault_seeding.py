"""Can a model's inputs tell? The reference, run on faulty inputs, and its source, run with faults in it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import cast

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.adequacy import Adequacy, FaultEffect, adequacy, effect_of
from pytest_envrobust.comparison.labels import top1
from pytest_envrobust.core.errors import EnvrobustError
from pytest_envrobust.core.faults import BY_NAME, INPUTS, SOURCE, Fault, faults
from pytest_envrobust.frameworks import frameworks
from pytest_envrobust.models.faults import Pipeline, part_of
from pytest_envrobust.models.preprocess import Layout
from pytest_envrobust.runs.cell_run import CellRun
from pytest_envrobust.runs.context import RunContext
from pytest_envrobust.runs.kept_effects import kept_effects
from pytest_envrobust.workers.session_builder import Breaking

FIRST_INPUTS = 16
"""On so many inputs, spread evenly over all, a fault is tried first."""
INPUTS_AT_MOST = 64
"""On so many a fault that changes few of their labels is tried, to say how many it changes."""
ENOUGH = 4
"""So many changed labels of the first inputs say that a fault is strong: it is not tried on more."""
MORE_INPUTS = 256
"""By so many a fault that changed no label at all is tried on the rest, until it changes one."""
BUDGET = 30.0
"""Seconds in which faults are tried."""
AT_ONCE = 8
"""Inputs a call of a source that takes any number."""

Labels = NDArray[np.int64]
Attempt = Callable[[Fault, list[int]], "FaultEffect | None"]
"""From a fault and places of inputs to what it changes on these; ``None`` where it cannot be made."""


def adequacy_of(reference: CellRun, context: RunContext) -> Adequacy | None:
    """What the inputs of a reference can tell; ``None`` where its scores have no two classes.

    Predictions that were recorded elsewhere tell of faults of the output alone. A fault with which the reference does
    not run is left out. What was found before for the same scores of the same source and inputs is taken from the
    store. Raises what the reference's own predictions raise.
    """
    scores = reference.predictions.scores
    if not len(scores) or scores.shape[1] < 2:
        return None
    effects: Sequence[FaultEffect] = ()
    if not reference.is_recorded:
        effects = kept_effects(reference, context.store, lambda: _effects(reference, context, top1(scores)))
    return adequacy(scores, effects)


def _effects(reference: CellRun, context: RunContext, labels: Labels) -> tuple[list[FaultEffect], bool]:
    """What the faults change, and whether every kind had its turn."""
    context.say(f"seed faults in the inputs of {reference.model_run.name}")
    until = time.monotonic() + BUDGET
    with ExitStack() as stack:
        attempts = {INPUTS: _on_faulty_inputs(reference, labels), SOURCE: _in_the_source(reference, context, stack)}
        trials = Trials(len(labels), attempts, until)
        return trials.effects(), trials.tried_every_kind


def _turn(fault: Fault) -> int:
    """When a fault is tried: the middle strength of its kind first, then the others, then other draws."""
    strengths = list(BY_NAME[fault.kind].levels)
    return abs(strengths.index(fault.strength) - (len(strengths) - 1) // 2) + len(strengths) * fault.draw


class Trials:
    """Tries faults on some of ``count`` inputs, as long as there is time.

    ``attempts`` has for each place how a fault is tried there, ``until`` when it is no longer (`time.monotonic`).
    """

    def __init__(self, count: int, attempts: Mapping[str, Attempt], until: float = math.inf) -> None:
        self._attempts, self._until = attempts, until
        self._late: set[str] = set()
        self._tried: set[str] = set()
        some = np.unique(np.linspace(0, count - 1, min(count, INPUTS_AT_MOST)).round().astype(int))
        few = some if len(some) < 2 * FIRST_INPUTS else some[:: -(-len(some) // FIRST_INPUTS)]
        self._steps = [few.tolist(), np.setdiff1d(some, few).tolist()]
        rest = np.setdiff1d(np.arange(count), some).tolist()
        self._rest = [rest[start : start + MORE_INPUTS] for start in range(0, len(rest), MORE_INPUTS)]

    @property
    def tried_every_kind(self) -> bool:
        """Whether there was time for one strength of each kind at least."""
        return self._late <= self._tried

    def effects(self) -> list[FaultEffect]:
        """What each fault changes, in the table's order.

        One strength of each kind is tried first, so that no kind is left out for another where time runs short.
        """
        every = (*faults(INPUTS), *faults(SOURCE))
        found = {fault: self._first(fault) for fault in sorted(every, key=_turn)}
        sought = ((fault, found[fault]) for fault in every)
        return [self._sought(fault, effect) for fault, effect in sought if effect is not None]

    def _first(self, fault: Fault) -> FaultEffect | None:
        """What a fault changes on a few inputs and, where that is little, on some more."""
        effect = self._try(fault, self._steps[0])
        if effect is not None and effect.changed < ENOUGH and self._steps[1]:
            effect = _joined(effect, self._try(fault, self._steps[1]))
        return effect

    def _sought(self, fault: Fault, effect: FaultEffect) -> FaultEffect:
        """The effect with that on further inputs, as long as none of their labels changed."""
        for places in self._rest:
            if effect.changed:
                break
            effect = _joined(effect, self._try(fault, places))
        return effect

    def _try(self, fault: Fault, places: list[int]) -> FaultEffect | None:
        if time.monotonic() > self._until:
            self._late.add(fault.kind)
            return None
        self._tried.add(fault.kind)
        try:
            return self._attempts[BY_NAME[fault.kind].place](fault, places)
        except EnvrobustError:
            return None


def _joined(effect: FaultEffect, further: FaultEffect | None) -> FaultEffect:
    if further is None:
        return effect
    return FaultEffect(effect.fault, effect.changed + further.changed, effect.n + further.n, effect.strength)


def _on_faulty_inputs(reference: CellRun, labels: Labels) -> Attempt:
    """Runs the reference on inputs as the fault feeds them."""
    run, key = reference.model_run, reference.environment.source
    preprocess = run.preprocess(key)
    layout = cast(Layout, frameworks()[reference.environment.source_framework].layout)

    prepared: dict[tuple[int, ...], Pipeline] = {}

    def attempt(fault: Fault, places: list[int]) -> FaultEffect | None:
        if len(places) > INPUTS_AT_MOST:
            prepared.clear()
        if tuple(places) not in prepared:
            prepared[tuple(places)] = Pipeline(part_of(run.inputs, places), preprocess, layout)
        batch = prepared[tuple(places)].broken(fault)
        if batch is None:
            return None
        scores = reference.predict(batch)
        return effect_of(fault, labels[places], top1(scores)) if len(scores) == len(places) else None

    return attempt


def _in_the_source(reference: CellRun, context: RunContext, stack: ExitStack) -> Attempt:
    """Runs the reference's source in its framework's plainest way, with the fault and, once for each input, without."""
    run, key = reference.model_run, reference.environment.source
    opened: list[Breaking] = []
    sound: dict[int, int] = {}

    def labels_of(places: Sequence[int], fault: Fault | None = None) -> Labels:
        if not opened:
            opened.append(stack.enter_context(context.session_builder.breaking(run.source(key))))
        declared = run.inspection(key).input
        fixed = None if declared is None else declared.shape[0]
        size = fixed or AT_ONCE
        padded = [*places, *[places[-1]] * (-len(places) % size if fixed else 0)]
        with context.scratch.lend(run.batch(key)[padded]) as handle:
            return top1(reference.in_class_order(opened[0](handle, size, fault)))[: len(places)]

    def attempt(fault: Fault, places: list[int]) -> FaultEffect | None:
        lacking = [place for place in places if place not in sound]
        if lacking:
            sound.update(zip(lacking, labels_of(lacking).tolist()))
        return effect_of(fault, np.array([sound[place] for place in places]), labels_of(places, fault))

    return attempt
