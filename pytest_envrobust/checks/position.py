"""Does an input get the same scores wherever in a batch it stands?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_envrobust.checks._invariant import BATCH, LARGEST_BATCH, MAX_ABS_ERROR, InvariantCheck, runnable

if TYPE_CHECKING:
    from pytest_envrobust.checks.base import Asked
    from pytest_envrobust.checks.cells import MeasuredCell
    from pytest_envrobust.comparison.invariants import Invariant


class PositionCheck(InvariantCheck):
    """The same labels, and scores but for rounding, when every input stands elsewhere, beside others."""

    name = "position"
    summary = "the same labels and scores wherever in a batch an input stands"
    rank = 43

    def measure(self, cell: MeasuredCell, asked: Asked) -> Invariant:
        """Run all inputs in batches, as they are, moved by one place, and every second one first."""
        import numpy as np

        from pytest_envrobust.checks._batches import arranged, held_in_batches
        from pytest_envrobust.comparison.invariants import all_of

        cell = runnable(cell, "run in batches")
        batch: int = asked.arguments.get(BATCH, LARGEST_BATCH)
        most: float | None = asked.arguments.get(MAX_ABS_ERROR)
        places = np.arange(len(cell.batch))
        orders = {"one place further": np.roll(places, 1), "every second one first": np.r_[places[::2], places[1::2]]}
        scores = arranged(cell, batch, places)
        return all_of(
            held_in_batches(self.name, cell, batch, scores, order, f"{how} in batches of {batch}", most)
            for how, order in orders.items()
        )


CHECK = PositionCheck()
