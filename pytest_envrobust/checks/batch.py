"""Do inputs in a batch get the scores that they get one by one?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_envrobust.checks._invariant import BATCH, LARGEST_BATCH, MAX_ABS_ERROR, InvariantCheck, runnable

if TYPE_CHECKING:
    from pytest_envrobust.checks.base import Asked
    from pytest_envrobust.checks.cells import MeasuredCell
    from pytest_envrobust.comparison.invariants import Invariant


class BatchCheck(InvariantCheck):
    """The same labels, and scores but for rounding, whatever the number of inputs a call."""

    name = "batch"
    summary = "the same labels and scores in batches as one by one"
    rank = 42

    def measure(self, cell: MeasuredCell, asked: Asked) -> Invariant:
        """Run all inputs one by one and several at a time."""
        import numpy as np

        from pytest_envrobust.checks._batches import held_in_batches

        cell = runnable(cell, "run in batches")
        batch: int = asked.arguments.get(BATCH, LARGEST_BATCH)
        most: float | None = asked.arguments.get(MAX_ABS_ERROR)
        order = np.arange(len(cell.batch))
        return held_in_batches(self.name, cell, batch, cell.scores_at(1), order, f"in batches of {batch}", most)


CHECK = BatchCheck()
