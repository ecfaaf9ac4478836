"""Does an input get the same scores whatever was run before it?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pytest_envrobust.checks._invariant import InvariantCheck, runnable
from pytest_envrobust.core.errors import Unavailable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_envrobust.checks.base import Asked
    from pytest_envrobust.checks.cells import MeasuredCell
    from pytest_envrobust.comparison.invariants import Invariant

_TRIED = (("backwards", 0, False), ("shuffled, in a fresh session", 1, True))
"""What is told of an order, its number, and whether a session of its own begins with it."""


class OrderCheck(InvariantCheck):
    """The same scores, but for rounding, in whatever order the calls are made."""

    name = "order"
    summary = "the same scores in whatever order inputs come"
    rank = 41

    def measure(self, cell: MeasuredCell, asked: Asked) -> Invariant:
        """Make the calls in other orders, in the same session and in a fresh one.

        Each call has the inputs that it has anyway. Raises `Unavailable` where there is one call only.
        """
        from pytest_envrobust.comparison.invariants import all_of

        cell = runnable(cell, "run in another order")
        if cell.calls < 2:
            raise Unavailable(
                f"{cell.environment.id} can be run in one order only",
                cause="one call takes all inputs",
                remedy="give more inputs than a call takes",
            )
        return all_of(self._tries(cell))

    def _tries(self, cell: MeasuredCell) -> Iterator[Invariant]:
        from pytest_envrobust.comparison.invariants import unchanged

        first = cell.all_scores
        for how, number, fresh in _TRIED:
            others = cell.in_other_order(number, fresh=fresh)
            found = unchanged(self.name, first, others, how)
            yield found if found.holds else unchanged(self.name, first, others, how, room=_chance(cell, first))


def _chance(cell: MeasuredCell, first: NDArray[Any]) -> float:
    """Twice the difference of two runs after the same calls, which chance makes, as far as it is arithmetic."""
    from pytest_envrobust.comparison.blocks import largest_difference_of
    from pytest_envrobust.comparison.invariants import kernel_room

    _, one, other = (cell.run_again() for _ in range(3))  # the first follows another order
    return min(2 * largest_difference_of(one, other), kernel_room(first))


CHECK = OrderCheck()
