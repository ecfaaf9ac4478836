"""What the checks of batches share: inputs arranged in batches, and held against what they give otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_envrobust.checks.cells import MeasuredCell
    from pytest_envrobust.comparison.invariants import Invariant

FEW = 8
"""So many inputs are run in batches of nothing but themselves, where kernels round too coarsely to tell otherwise."""


def arranged(cell: MeasuredCell, batch: int, order: NDArray[np.intp]) -> NDArray[Any]:
    """Scores of all inputs run so many at a time in that order; row i is input i's."""
    import numpy as np

    scores: NDArray[Any] = cell.scores_at(batch, cell.batch[order])[np.argsort(order)]
    return scores


def held_in_batches(
    name: str,
    cell: MeasuredCell,
    batch: int,
    scores: NDArray[Any],
    order: NDArray[np.intp],
    how: str,
    max_abs_error: float | None,
) -> Invariant:
    """Whether inputs in batches, in that order, give ``scores``, within what another kernel's rounding explains.

    Where that is more than rounding of the scores themselves, each of the first inputs is also run in batches of
    nothing but itself: in the same place of as large a batch the kernel is the same, and only the others differ.
    """
    import numpy as np

    from pytest_envrobust.comparison.invariants import kernel_room, unchanged

    others = arranged(cell, batch, order)
    found = unchanged(name, scores, others, how, room=kernel_room(scores), max_abs_error=max_abs_error)
    if max_abs_error is not None or not found.holds or unchanged(name, scores, others, how).holds:
        return found
    places = np.argsort(order)[:FEW]
    alike = cell.scores_at(batch, np.repeat(cell.batch[:FEW], batch, axis=0)).reshape(len(places), batch, -1)
    beside = unchanged(
        name, alike[np.arange(len(places)), places % batch], others[:FEW], f"{how} beside others as beside its like"
    )
    return found if beside.holds else beside
