"""An earlier run whose reference's predictions are the reference here: one machine compared with another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.record.document import read_record
from pytest_envrobust.record.predictions import Predictions
from pytest_envrobust.record.schema import Model, Record, ReferenceRun


@dataclass(frozen=True, eq=False)
class EarlierReference:
    """Scores, (N, classes), in the order of this run's inputs; how they are named; the noise that was measured."""

    name: str
    scores: NDArray[Any]
    noise: float | None = None


@dataclass(frozen=True, eq=False)
class EarlierRun:
    """A record and the predictions beside it."""

    path: Path
    record: Record
    predictions: Predictions

    @classmethod
    def read(cls, path: Path) -> EarlierRun:
        """Read both. Raises `DeclarationError` where the record is none, or its predictions are not there."""
        record, predictions = read_record(path), Predictions.beside(path)
        if not predictions.names:
            raise DeclarationError(
                f"reference run {str(path)!r} has no predictions beside it",
                cause=f"{str(predictions.path)!r} is missing or empty",
                remedy="keep the .npz beside the .json",
            )
        return cls(path, record, predictions)

    def part(self) -> ReferenceRun:
        """What this run's record says of that one."""
        run = self.record.run
        return ReferenceRun(path=str(self.path), started=run.started, machine=run.machine, versions=run.versions)

    def reference(self, names: Sequence[str], inputs: LoadedInputs, chosen: Environment | None) -> EarlierReference:
        """The reference's predictions for this run's inputs: those of the ``chosen`` environment, or of its own.

        ``names`` are those that the model may have there. Inputs are found by their digests and, where another decoder
        gave other pixels, by their names. Raises `DeclarationError` where the model, the environment, its predictions
        or an input is missing there.
        """
        model = next((name for name in names if self.record.model(name) is not None), names[0])
        cells, entry = list(self.record.cells_of(model)), self.record.model(model)
        if entry is None or not cells:
            there = ", ".join(each.name for each in self.record.models) or "none"
            raise self._lacks(
                f"has no model {model!r}",
                f"its models are {there}",
                "to compare two files, give both in one run: --envrobust-model FIRST --envrobust-variant OTHER",
            )
        wanted = chosen.id if chosen is not None else next(cell.reference for cell in cells if cell.reference)
        digests = [cell.output_digest for cell in cells if cell.environment == wanted]
        digest = next(filter(None, digests), None)
        scores = None if digest is None else self.predictions.scores(digest)
        if scores is None:
            raise self._lacks(f"has no predictions of {model} in {wanted}", "it did not run there, or they were lost")
        noises = [cell.labels.noise for cell in cells if cell.labels is not None and cell.labels.noise is not None]
        rows = self._rows(model, entry, inputs)
        return EarlierReference(f"{wanted} of {self.path.name}", scores[rows], max(noises, default=None))

    def _rows(self, model: str, entry: Model, inputs: LoadedInputs) -> list[int]:
        by_digest = {digest: row for row, digest in enumerate(entry.input_digests or ())}
        by_name = {name: row for row, name in enumerate(entry.inputs or ())}
        digests = inputs.digests or ("",) * len(inputs)
        found = [by_digest.get(digest, by_name.get(name)) for digest, name in zip(digests, inputs.names)]
        rows = [row for row in found if row is not None]
        if len(rows) < len(found):
            first = inputs.names[found.index(None)]
            raise self._lacks(
                f"lacks {len(found) - len(rows)} of the {len(found)} inputs of {model}", f"the first is {first!r}"
            )
        return rows

    def _lacks(self, what: str, cause: str, remedy: str = "") -> DeclarationError:
        return DeclarationError(f"reference run {str(self.path)!r} {what}", cause=cause, remedy=remedy)
