"""What the checks of a single environment share: something holds of it, whatever the others give, or it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_envrobust.checks.base import Check, JudgedAgain, Result
from pytest_envrobust.core.errors import Unavailable
from pytest_envrobust.core.status import Status
from pytest_envrobust.verdicts.limits import Limit
from pytest_envrobust.verdicts.verdict import Subject, Verdict, closing_lines

if TYPE_CHECKING:
    from pytest_envrobust.checks.base import Asked
    from pytest_envrobust.checks.cells import MeasuredCell, RecordedCell
    from pytest_envrobust.comparison.invariants import Invariant
    from pytest_envrobust.record.schema import Cell

BATCH, LARGEST_BATCH = "batch", 8
"""The argument that says how many inputs a call takes where those of one call are compared with those of several."""
MAX_ABS_ERROR = "max_abs_error"
"""The argument that bounds the difference of the scores, in place of what arithmetic explains."""


class InvariantCheck(Check["Invariant"]):
    """An invariant: it holds or it does not, and no limit moves that."""

    rank = 40

    def judge(self, evidence: Invariant, asked: Asked, subject: Subject) -> list[Verdict]:
        """Whether it holds."""
        message = f"{subject}: {evidence.name}: {evidence.said}"
        if evidence.holds:
            return [Verdict(Status.PASSED, message)]
        return [Verdict(Status.FAILED, "\n".join([message, *closing_lines(subject)]))]

    def recorded(self, results: Sequence[Result[Invariant]]) -> dict[str, Any]:
        """Entries of the record's ``invariants``."""
        from pytest_envrobust.record import schema

        found = [result.evidence for result in results]
        return {"invariants": [schema.Invariant(name=each.name, holds=each.holds, said=each.said) for each in found]}

    def was_asked(self, entry: Cell) -> bool:
        """Whether it was asked of the cell."""
        return any(each.name == self.name for each in entry.invariants or ())

    def missed(self, entry: Cell) -> bool:
        """Never: there is no limit to keep."""
        return False

    def judge_again(self, cell: RecordedCell, limits: Mapping[str, Limit]) -> JudgedAgain:
        """It stands as it was."""
        return JudgedAgain()


def runnable(cell: MeasuredCell, how: str) -> MeasuredCell:
    """The cell, where it can be run. Raises `Unavailable`, which says what cannot be done."""
    if cell.is_recorded:
        raise Unavailable(f"{cell.environment.id} cannot be {how}", cause="its predictions were recorded")
    return cell
