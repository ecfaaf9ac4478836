"""Does the model leave its inputs as they are?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_envrobust.checks._invariant import InvariantCheck, runnable

if TYPE_CHECKING:
    from pytest_envrobust.checks.base import Asked
    from pytest_envrobust.checks.cells import MeasuredCell
    from pytest_envrobust.comparison.invariants import Invariant


class UntouchedCheck(InvariantCheck):
    """The model does not write into the inputs that it is given."""

    name = "untouched"
    summary = "the model does not write into its inputs"
    rank = 46

    def measure(self, cell: MeasuredCell, asked: Asked) -> Invariant:
        """Ask the worker, which compared the first batch before and after the call."""
        from pytest_envrobust.comparison.invariants import Invariant

        cell = runnable(cell, "fed")
        written = cell.evidence.get("input")
        said = f"the input was {written}" if written else "the input was the same after the call as before"
        return Invariant(self.name, not written, said)


CHECK = UntouchedCheck()
