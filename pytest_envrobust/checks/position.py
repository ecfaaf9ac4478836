"""Does an input get the same label wherever in a batch it stands?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_envrobust.checks._invariant import BATCH, LARGEST_BATCH, MAX_ABS_ERROR, InvariantCheck, runnable

if TYPE_CHECKING:
    from pytest_envrobust.checks.base import Asked
    from pytest_envrobust.checks.cells import MeasuredCell
    from pytest_envrobust.comparison.invariants import Invariant


class PositionCheck(InvariantCheck):
    """The same labels when every input stands one place further."""

    name = "position"
    summary = "the same labels wherever in a batch an input stands"
    rank = 43

    def measure(self, cell: MeasuredCell, asked: Asked) -> Invariant:
        """Run all inputs in batches, as they are and moved by one place."""
        import numpy as np

        from pytest_envrobust.comparison.invariants import same_labels

        cell = runnable(cell, "run in batches")
        batch: int = asked.arguments.get(BATCH, LARGEST_BATCH)
        most: float | None = asked.arguments.get(MAX_ABS_ERROR)
        moved = np.roll(cell.scores_at(batch, np.roll(cell.batch, 1, axis=0)), -1, axis=0)
        return same_labels(self.name, cell.scores_at(batch), moved, f"one place further in batches of {batch}", most)


CHECK = PositionCheck()
