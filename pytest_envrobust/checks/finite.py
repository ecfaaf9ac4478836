"""Is every score a finite number?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_envrobust.checks._invariant import InvariantCheck

if TYPE_CHECKING:
    from pytest_envrobust.checks.base import Asked
    from pytest_envrobust.checks.cells import MeasuredCell
    from pytest_envrobust.comparison.invariants import Invariant


class FiniteCheck(InvariantCheck):
    """No score is NaN or infinite."""

    name = "finite"
    summary = "no score is NaN or infinite"
    rank = 44

    def measure(self, cell: MeasuredCell, asked: Asked) -> Invariant:
        """Look at all scores."""
        from pytest_envrobust.comparison.invariants import finite

        return finite(self.name, cell.all_scores)


CHECK = FiniteCheck()
