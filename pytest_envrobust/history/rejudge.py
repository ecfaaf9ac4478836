"""Other limits on a run that is over: its cells judged again from what its record and predictions have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from msgspec.structs import replace
from numpy.typing import NDArray

from pytest_envrobust.checks.base import Check
from pytest_envrobust.checks.registry import checks, limit_kinds
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.record.judged_part import family_of
from pytest_envrobust.record.predictions import HasPredictions
from pytest_envrobust.record.schema import Cell, Labels, Model, Record
from pytest_envrobust.verdicts.family import Family
from pytest_envrobust.verdicts.limits import Limit
from pytest_envrobust.verdicts.verdict import Subject, gravest

ORIGIN = "envrobust report"
"""Where these limits come from, in messages and in the record."""

_JUDGED = (Status.PASSED, Status.FAILED, Status.INCONCLUSIVE)


def judged_again(record: Record, predictions: HasPredictions, limits: Mapping[str, Limit]) -> Record:
    """A new record in which ``limits``, by name, are held against every cell that ran; nothing is run.

    Each check judges as it does in a run, from what it recorded. Labels are compared anew where the arrays of cell
    and reference are kept; where the reference is in no cell of this record, or the comparison stopped early, the
    recorded counts are judged. Time is judged on the recorded intervals and controls; the earlier run that a
    regression is told from is not at hand, so that it is inconclusive. A limit that is not among ``limits`` stands as
    it was. What cannot be judged becomes inconclusive. Cells that never ran, known limitations, and those that failed
    for a reason that is no limit keep their status. Raises `DeclarationError` where the reference's predictions are
    missing from those that are kept.
    """
    run = _Run(record, predictions)
    again: dict[int, Cell] = {}
    for entries in _by_cell(record.cells):
        for entry, applying in _assigned(entries, limits):
            again[id(entry)] = _judged_again(RecordedCell(entry, run), applying)
    return replace(record, cells=[again.get(id(entry), entry) for entry in record.cells])


@dataclass(frozen=True)
class _Run:
    """A record with its predictions, and what is looked up in them."""

    record: Record
    predictions: HasPredictions
    _last: dict[str, NDArray[Any] | None] = field(default_factory=dict)

    def expected(self, digest: str) -> NDArray[Any] | None:
        """The scores of a reference. The last ones stay at hand: the next cell is compared with the same."""
        if digest not in self._last:
            self._last.clear()
            self._last[digest] = self.predictions.scores(digest)
        return self._last[digest]

    @cached_property
    def models(self) -> dict[str, Model]:
        return {model.name: model for model in self.record.models}

    @cached_property
    def digests(self) -> dict[tuple[str, str], str]:
        """Digests of the outputs, by model and environment."""
        return {
            cell.name: cell.output_digest
            for cell in self.record.cells
            if cell.name is not None and cell.output_digest is not None
        }

    @cached_property
    def noises(self) -> dict[tuple[str | None, str | None], Labels]:
        """What has the noise of references, by model and reference: any cell's comparison may have measured it."""
        found: dict[tuple[str | None, str | None], Labels] = {}
        for cell in self.record.cells:
            if cell.labels is not None and cell.labels.noise is not None:
                found.setdefault((cell.model, cell.reference), cell.labels)
        return found


@dataclass(frozen=True)
class RecordedCell:
    """A cell of a finished run, as checks judge it again."""

    entry: Cell
    run: _Run

    @property
    def model(self) -> Model:
        """What the record says of its model."""
        name = self.entry.model or ""
        return self.run.models.get(name, Model(name=name))

    @property
    def subject(self) -> Subject:
        """What messages say of it."""
        entry = self.entry
        return Subject(entry.model or "", entry.environment or "", entry.reference or "", tuple(entry.route or ()))

    def family(self, *, with_reference: bool = False) -> Family:
        """The cells of its model that were asked the same; of a run held against an earlier one the reference too."""
        has_earlier = self.run.record.run.reference_run is not None
        return family_of(self.entry.family, with_reference=with_reference or has_earlier)

    @property
    def has_reference(self) -> bool:
        """Whether its reference gave predictions in this run."""
        return self._reference_digest is not None

    @property
    def noise(self) -> float | None:
        """The reference's noise: its own measurement first."""
        measured = self._with_noise
        return None if measured is None else measured.noise

    @property
    def noise_from(self) -> str | None:
        """By which change it showed."""
        measured = self._with_noise
        return None if measured is None else measured.noise_from

    @property
    def _with_noise(self) -> Labels | None:
        labels = self.entry.labels
        if labels is not None and labels.noise is not None:
            return labels
        return self.run.noises.get((self.entry.model, self.entry.reference))

    def scores(self) -> NDArray[Any] | None:
        """Its scores; ``None`` where they were not kept."""
        return self.run.predictions.scores(self.entry.output_digest or "")

    def reference_scores(self) -> NDArray[Any]:
        """The reference's scores. Raises `DeclarationError` where they were not kept."""
        digest = self._reference_digest or ""
        found = self.run.expected(digest)
        if found is None:
            raise DeclarationError(
                f"the predictions of {self.entry.model} in {self.entry.reference}, the reference, are missing",
                cause=f"there is no {digest[:16]}... in the file beside the record",
                remedy="run again with --envrobust-json",
            )
        return found

    @property
    def _reference_digest(self) -> str | None:
        """Of the output that it is compared with; ``None`` where that is none of this run's."""
        entry = self.entry
        if self.run.record.run.reference_run is not None:
            return None
        if entry.reference_digest is not None:  # of several jobs each had a reference of its own
            return entry.reference_digest
        return self.run.digests.get((entry.model or "", entry.reference or ""))


def _by_cell(entries: Sequence[Cell]) -> list[list[Cell]]:
    found: dict[tuple[str, str], list[Cell]] = {}
    for entry in entries:
        if entry.name is not None:
            found.setdefault(entry.name, []).append(entry)
    return list(found.values())


def _assigned(entries: list[Cell], limits: Mapping[str, Limit]) -> Iterator[tuple[Cell, dict[str, Limit]]]:
    """Each entry of a cell that is judged again, with the limits that it is held against.

    A limit goes to the entries whose test asked its check; where no test of the cell did, to the first.
    """
    open_to_judge = [entry for entry in entries if entry.status in _JUDGED and entry.stage is None]
    # a known limitation or a stage's failure may be about these very labels
    whole = len(open_to_judge) == len(entries)
    first = [entry for entry in open_to_judge if entry.output_digest is not None][:1] if whole else []
    kinds = limit_kinds()
    for entry in open_to_judge:
        applying: dict[str, Limit] = {}
        for check in checks().values():
            asked = [each for each in open_to_judge if check.was_asked(each)] or first
            if any(entry is each for each in asked):
                applying |= _of(check, limits)
        if entry.is_reference:
            applying = {name: limit for name, limit in applying.items() if kinds[name].of_reference}
        if applying:
            yield entry, applying


def _of(check: Check[Any], limits: Mapping[str, Limit]) -> dict[str, Limit]:
    """Those of the limits that the check has."""
    return {kind.name: limits[kind.name] for kind in check.limits if kind.name in limits}


def _judged_again(cell: RecordedCell, limits: Mapping[str, Limit]) -> Cell:
    """The entry with the verdicts on these limits, and on recorded ones that stand."""
    entry = cell.entry
    missed_a_limit = any(check.missed(entry) for check in checks().values())
    failed_by_itself = entry.status is Status.FAILED and not missed_a_limit
    found = [check.judge_again(cell, _of(check, limits)) for check in checks().values()]
    changed = {name: value for each in found for name, value in each.fields.items()}
    verdict = gravest(verdict for each in found for verdict in each.verdicts)
    if verdict is None or failed_by_itself:
        return replace(entry, **changed)
    reason = None if verdict.status is Status.PASSED else verdict.message.split("\n", 1)[0]
    if reason is None:
        changed["notices"] = None
    return replace(entry, **changed, status=verdict.status, reason=reason)
