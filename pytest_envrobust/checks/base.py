"""What a check is: one question asked of a cell, in a run and again of its record.

One module a check, found by its file name; it has a ``CHECK``. Each run of pytest reads the limits of every check for
its options, with ``--envrobust`` or without: a check imports numpy, the record's types and whatever else takes time
inside its methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pytest_envrobust.core.status import Status
from pytest_envrobust.verdicts.family import ALONE, Family
from pytest_envrobust.verdicts.limits import Limit, LimitKind
from pytest_envrobust.verdicts.verdict import Subject, Verdict, closing_lines

if TYPE_CHECKING:
    from pytest_envrobust.checks.cells import MeasuredCell, RecordedCell
    from pytest_envrobust.record.schema import Cell, Judged

Evidence = TypeVar("Evidence")


@dataclass(frozen=True)
class Asked:
    """What is asked of a cell: the limits that hold for it, by name, and what else a call of the assertion said.

    ``family`` are the cells of its model that are asked the same, over which a verdict that rests on a bound or an
    interval is held to be right.
    """

    limits: Mapping[str, Limit] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    family: Family = ALONE


@dataclass(frozen=True)
class Result(Generic[Evidence]):
    """What a check found of a cell, and the verdicts on it."""

    check: Check[Evidence]
    evidence: Evidence
    verdicts: Sequence[Verdict]


@dataclass(frozen=True)
class JudgedAgain:
    """Verdicts on a cell of a finished run, and the fields of its record that they change."""

    verdicts: Sequence[Verdict] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)


class Check(ABC, Generic[Evidence]):
    """One question asked of a cell.

    ``rank`` is its place among the others of a model without test code. ``asked_for_by_default``: such a model is
    given it where nobody says which checks; one with limits is given it wherever one of them is set. ``needs_truth``:
    it can be asked only where the true classes of the inputs are known.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    limits: ClassVar[tuple[LimitKind, ...]] = ()
    rank: ClassVar[int] = 100
    asked_for_by_default: ClassVar[bool] = False
    needs_truth: ClassVar[bool] = False

    @abstractmethod
    def measure(self, cell: MeasuredCell, asked: Asked) -> Evidence:
        """What there is to judge. Raises what the cell raises."""

    @abstractmethod
    def judge(self, evidence: Evidence, asked: Asked, subject: Subject) -> list[Verdict]:
        """A verdict on each limit that is asked for, or on the evidence itself; none where nothing is asked."""

    def judges_reference(self, limits: Mapping[str, Limit]) -> bool:
        """Whether the reference itself is held against one of these limits by a bound, as one more of the family."""
        return False

    def figures(self, evidence: Evidence) -> dict[str, Any]:
        """What a record keeps of the evidence: plain numbers and texts, from which `evidence` makes it again."""
        raise NotImplementedError(f"{self.name} keeps no figures")

    def evidence(self, figures: Mapping[str, Any]) -> Evidence:
        """What `figures` was made from."""
        raise NotImplementedError(f"{self.name} reads no figures")

    def compares(self, evidence: Evidence, *, is_reference: bool) -> bool:
        """Whether the cell was held against something: the reference's own labels are not held against themselves."""
        return True

    def compares_scores(self, evidence: Evidence) -> bool:
        """Whether the evidence comes from scores of this run's reference."""
        return False

    def recorded(self, results: Sequence[Result[Evidence]]) -> dict[str, Any]:
        """The fields of the record's `Cell` that say what came of it, the last time that it was asked of the cell."""
        from pytest_envrobust.record.judged_part import with_verdicts
        from pytest_envrobust.record.schema import OtherPart

        part = OtherPart(figures=self.figures(results[-1].evidence))
        verdicts = [verdict for result in results for verdict in result.verdicts if verdict.limit is not None]
        return {"checks": {self.name: with_verdicts(part, verdicts)}}

    def was_asked(self, entry: Cell) -> bool:
        """Whether the record has anything of it in a cell."""
        return self.name in (entry.checks or {})

    def missed(self, entry: Cell) -> bool:
        """Whether the cell did not keep a limit of it, or not surely, as the record says."""
        return _missed((entry.checks or {}).get(self.name))

    def judge_again(self, cell: RecordedCell, limits: Mapping[str, Limit]) -> JudgedAgain:
        """Hold a cell of a finished run against ``limits``, by name; recorded ones that are not among them stand."""
        from pytest_envrobust.record.judged_part import recorded_limits, with_verdicts

        known = cell.entry.checks or {}
        part = known.get(self.name)
        if part is None:
            return JudgedAgain(
                [inconclusive(cell.subject, f"{self.name} was not measured", each) for each in limits.values()]
            )
        all_limits = {**recorded_limits(part), **limits}
        family = cell.family(with_reference=self.judges_reference(all_limits))
        asked = Asked(all_limits, family=family)
        verdicts = self.judge(self.evidence(part.figures), asked, cell.subject)
        return JudgedAgain(verdicts, {"checks": {**known, self.name: with_verdicts(part, verdicts)}})


def verdict_on(limit: Limit, value: float, said: str, subject: Subject) -> Verdict:
    """The verdict on a figure that a limit whose name begins with ``min`` or ``max`` bounds; ``said`` is the figure
    in words.

    NaN keeps no limit.
    """
    keeps = value >= limit.value if limit.name.startswith("min") else value <= limit.value
    headline = f"{subject}: {said} (limit {limit.value:g} from {limit.origin})"
    if keeps:
        return Verdict(Status.PASSED, headline, limit)
    return Verdict(Status.FAILED, "\n".join([headline, *closing_lines(subject)]), limit)


def inconclusive(subject: Subject, why: str, limit: Limit) -> Verdict:
    """That a limit cannot be judged, and why."""
    message = f"{subject}: inconclusive, {why} (limit {limit.value:g} from {limit.origin})"
    return Verdict(Status.INCONCLUSIVE, message, limit)


def explained(notices: Sequence[str], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The field of the record's `Cell` that has what explains a verdict; none where nothing does, or all passed."""
    if not notices or all(verdict.status is Status.PASSED for verdict in verdicts):
        return {}
    return {"notices": list(notices)}


def all_verdicts(results: Sequence[Result[Any]]) -> Iterator[Verdict]:
    """The verdicts of several results, in their order."""
    return (verdict for result in results for verdict in result.verdicts)


def _missed(part: Judged | None) -> bool:
    return part is not None and part.verdict not in (None, Status.PASSED)
