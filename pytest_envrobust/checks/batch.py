"""Do inputs in a batch get the labels that they get one by one?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_envrobust.checks._invariant import BATCH, LARGEST_BATCH, MAX_ABS_ERROR, InvariantCheck, runnable

if TYPE_CHECKING:
    from pytest_envrobust.checks.base import Asked
    from pytest_envrobust.checks.cells import MeasuredCell
    from pytest_envrobust.comparison.invariants import Invariant


class BatchCheck(InvariantCheck):
    """The same labels whatever the number of inputs a call."""

    name = "batch"
    summary = "the same labels in batches as one by one"
    rank = 42

    def measure(self, cell: MeasuredCell, asked: Asked) -> Invariant:
        """Run all inputs one by one and several at a time."""
        from pytest_envrobust.comparison.invariants import same_labels

        cell = runnable(cell, "run in batches")
        batch: int = asked.arguments.get(BATCH, LARGEST_BATCH)
        most: float | None = asked.arguments.get(MAX_ABS_ERROR)
        return same_labels(self.name, cell.scores_at(1), cell.scores_at(batch), f"in batches of {batch}", most)


CHECK = BatchCheck()
