"""Does the same session give the same scores again?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_envrobust.checks._invariant import InvariantCheck, runnable

if TYPE_CHECKING:
    from pytest_envrobust.checks.base import Asked
    from pytest_envrobust.checks.cells import MeasuredCell
    from pytest_envrobust.comparison.invariants import Invariant


class RepetitionCheck(InvariantCheck):
    """The same scores, bit for bit, when the same inputs are run again."""

    name = "repetition"
    summary = "the same scores when run again, bit for bit"
    rank = 40

    def measure(self, cell: MeasuredCell, asked: Asked) -> Invariant:
        """Run all inputs a second time."""
        from pytest_envrobust.comparison.invariants import same_scores

        cell = runnable(cell, "run again")
        return same_scores(self.name, cell.all_scores, cell.run_again(), "when run again")


CHECK = RepetitionCheck()
