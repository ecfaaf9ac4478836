"""Are scores that claim to be probabilities such?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_envrobust.checks._invariant import InvariantCheck

if TYPE_CHECKING:
    from pytest_envrobust.checks.base import Asked
    from pytest_envrobust.checks.cells import MeasuredCell
    from pytest_envrobust.comparison.invariants import Invariant


class ProbabilityCheck(InvariantCheck):
    """Between 0 and 1, each input's sum 1, where the reference's are or its own claim to be."""

    name = "probabilities"
    summary = "what claims to be probabilities lies between 0 and 1, each input's sum 1"
    rank = 45

    def measure(self, cell: MeasuredCell, asked: Asked) -> Invariant:
        """Look at all scores, and at the reference's."""
        from pytest_envrobust.comparison.invariants import probabilities

        reference = cell.reference.all_scores
        return probabilities(self.name, cell.all_scores, reference)


CHECK = ProbabilityCheck()
