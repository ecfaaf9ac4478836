"""What a cell makes of its own inputs when nothing that matters is changed: run again, other threads, other batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.backends.base import PRECISION
from pytest_envrobust.comparison.blur import EPSILON, precision_of
from pytest_envrobust.comparison.steadiness import (
    AGAIN,
    OTHER_ORDER,
    OwnChange,
    own_change,
    own_rounding,
    rounded_otherwise,
    same_bits,
    together,
)
from pytest_envrobust.core.errors import EnvrobustError
from pytest_envrobust.core.lazy import Memo
from pytest_envrobust.core.wording import counted
from pytest_envrobust.runs.cell_run import CellRun
from pytest_envrobust.runs.context import RunContext

COMPUTES_IN: Mapping[str, str] = {"bf16": "bfloat16", "f16": "float16"}
"""Types by the names that engines have for them."""
OTHER_BATCH = 4
"""Inputs a call where the noise is measured of what is usually given one a call."""
FIRST_INPUTS = 8
"""So many inputs are run again first, as they stand and backwards. Where they give the same bits, the others are not:
randomness shows in each, and so does what a call leaves behind for the next. Twice, since a worker that was closed in
between begins again with the same random numbers."""
RUNS_AGAIN = 2
"""How often all of them are run again then, and how many other orders are tried."""
SAME_SHARE = 0.1
"""Scores after the same calls differ by less than this share of what another order makes of them where a state does."""
ROUNDED_INPUTS, ROUNDINGS = 32, 3
"""So many inputs are run with values that are rounded otherwise, and so often."""
MOST_RUNS_AGAIN = 8
"""How often where scores change by more than arithmetic does: whether no label does is for chance to say."""


class Steadiness:
    """What is known of how a cell's scores change by themselves, each found when first asked for."""

    def __init__(self, run: CellRun, context: RunContext) -> None:
        self._run, self._context = run, context
        self._again: Memo[int, OwnChange] = Memo()
        self._changes: Memo[int, tuple[OwnChange, ...]] = Memo()
        self._known: dict[str, OwnChange] = {}

    @property
    def name(self) -> str:
        """The environment's."""
        return self._run.environment.id

    def again(self, count: int) -> OwnChange:
        """What the first ``count`` inputs give when they are run again, as they stand or in another order.

        Not for predictions that were recorded.
        """
        return self._noted(self._again.get(count, lambda: self._run_again(count)))

    def changes(self, count: int, *, cheaply: bool = False) -> tuple[OwnChange, ...]:
        """The same, with another thread count, in batches of another size, and with its inputs rounded otherwise, as
        far as it can be run so.

        ``cheaply``: in other batches only where that needs no other conversion.
        """
        return self._changes.get(count, lambda: (self.again(count), *self._otherwise(count, cheaply)))

    @property
    def known(self) -> tuple[OwnChange, ...]:
        """The changes that were tried, each of the most inputs."""
        return tuple(self._known.values())

    def _noted(self, change: OwnChange) -> OwnChange:
        known = self._known.get(change.how)
        if known is None or known.n <= change.n:
            self._known[change.how] = change
        return change

    def _run_again(self, count: int) -> OwnChange:
        run = self._run
        scores, batch = run.first_scores(count), run.base_point.batch
        few = min(count, max(2, -(-FIRST_INPUTS // batch)) * batch)
        if same_bits(scores[:few], run.first_again(few)) and same_bits(
            scores[:few], run.in_other_order(few, order_of(0))
        ):
            return OwnChange(AGAIN, count, 0.0)
        again = _tried(lambda number: own_change(AGAIN, scores, run.first_again(count)))
        other = _tried(lambda number: own_change(OTHER_ORDER, scores, run.in_other_order(count, order_of(number))))
        if other.unsettles and self._follows_its_order(count, other.largest):
            return replace(other, places=tuple(sorted({*other.places, *again.places})))
        return together([again, other])

    def _follows_its_order(self, count: int, difference: float) -> bool:
        """Whether it gives the same after the same calls: what changes its scores is their order, and not chance."""
        _, one, other = (self._run.first_again(count) for _ in range(3))  # the first follows another order
        return own_change(AGAIN, one, other).largest < SAME_SHARE * difference

    def _otherwise(self, count: int, cheaply: bool) -> Iterator[OwnChange]:
        run, name = self._run, self._run.environment.id
        scores = run.first_scores(count)
        threads = 2 if self._context.session_builder.threads == 1 else 1
        try:
            other = run.session.with_threads(threads)
            yield self._noted(own_change(f"with {counted(threads, 'thread')}", scores, run.first_again(count, other)))
            other.close()
        except EnvrobustError:
            self._context.say(f"{name} could not be run with {threads} threads")
        rounded = self._rounded(count, scores)
        if rounded is not None:
            yield rounded if cheaply else self._noted(rounded)
        batch = OTHER_BATCH if run.base_point.batch == 1 else 1
        if cheaply and not run.session.takes_batch(batch):
            return
        try:
            inputs = run.model_run.batch(run.environment.source)[:count]
            how = f"in batches of {batch}" if batch > 1 else "one by one"
            yield self._noted(own_change(how, scores, run.scores_at(batch, inputs)))
        except EnvrobustError:
            self._context.say(f"{name} could not be run at batch {batch}")

    def _rounded(self, count: int, scores: NDArray[Any]) -> OwnChange | None:
        """What becomes of the first inputs when they are rounded otherwise, in the precision that it computes in."""
        run, batch = self._run, self._run.base_point.batch
        few = min(count, -(-ROUNDED_INPUTS // batch) * batch)
        inputs, precision = run.model_run.batch(run.environment.source)[:few], self._precision(scores)
        tries = (rounded_otherwise(inputs, precision, number) for number in range(ROUNDINGS))
        try:
            found = [own_rounding(scores[:few], run.scores_of(moved)) for moved in tries if moved is not None]
        except EnvrobustError:
            self._context.say(f"{self.name} could not be run with inputs that are rounded otherwise")
            return None
        return together(found) if found else None

    def _precision(self, scores: NDArray[Any]) -> str:
        """The coarser of what its scores are, and of what its engine says that it computes in."""
        said = COMPUTES_IN.get((self._run.evidence or {}).get(PRECISION, ""), "")
        return max(said, precision_of(scores), key=lambda name: EPSILON.get(name, 0.0))


def order_of(number: int) -> Callable[[int], NDArray[np.intp]]:
    """Another order of calls, always the same for a number: 0 is the last call first, others are drawn by chance."""
    if number == 0:
        return lambda calls: np.arange(calls)[::-1]
    return lambda calls: np.random.default_rng(number).permutation(calls)


def _tried(change: Callable[[int], OwnChange]) -> OwnChange:
    """A change tried several times, and more often as long as scores change by more than arithmetic does and no label
    has.
    """
    found: list[OwnChange] = []
    while len(found) < RUNS_AGAIN or (len(found) < MOST_RUNS_AGAIN and _is_loud_without_labels(together(found))):
        found.append(change(len(found)))
    return together(found)


def _is_loud_without_labels(change: OwnChange) -> bool:
    return not change.changes_labels and not change.is_noise
