"""Cells made of plain arrays, as checks ask them: what `checks.cells` describes, without a run or a record behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.adequacy import Adequacy
from pytest_envrobust.comparison.fidelity import Fidelity
from pytest_envrobust.comparison.labels import compare_labels
from pytest_envrobust.comparison.steadiness import ComparedLabels
from pytest_envrobust.core.axes import Axes, Point
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import Unavailable
from pytest_envrobust.record.judged_part import family_of
from pytest_envrobust.record.schema import Cell, Model
from pytest_envrobust.timing.evidence import LatencyEvidence
from pytest_envrobust.timing.intervals import CONFIDENCE
from pytest_envrobust.timing.regression import EarlierTime
from pytest_envrobust.timing.sampling import Effort
from pytest_envrobust.verdicts.family import Family
from pytest_envrobust.verdicts.limits import LabelLimit
from pytest_envrobust.verdicts.verdict import Subject

CELL, REFERENCE = "onnx/ort-all/cpu", "torch/eager/cpu"
SUBJECT = Subject("signs", CELL, REFERENCE)
EYE: NDArray[np.float32] = np.eye(4, dtype=np.float32)
"""Four inputs of four classes, each input of its own class."""


def first_pixels(inputs: NDArray[Any], batch: int) -> NDArray[Any]:
    """A model that gives each input's four values back, whatever the batch."""
    return inputs.copy()


@dataclass(frozen=True)
class PlainEnvironment:
    """A model in one environment; ``count`` of its inputs are run here, the first ones."""

    id: str = REFERENCE
    all_scores: NDArray[Any] = field(default_factory=EYE.copy)
    is_recorded: bool = False
    count: int = 4

    @property
    def environment(self) -> Environment:
        return Environment.parse(self.id)

    @property
    def scores(self) -> NDArray[Any]:
        return self.all_scores[: self.count]


@dataclass(frozen=True)
class PlainCell(PlainEnvironment):
    """A cell under test. ``predict`` gives scores for inputs in batches; ``asked`` notes what was measured with which
    arguments. ``reordered`` has what it gives in another order, by whether in a fresh session; ``times`` has the points
    that it can be timed at.
    """

    id: str = CELL
    reference: PlainEnvironment = field(default_factory=PlainEnvironment)
    is_reference: bool = False
    batch: NDArray[Any] = field(default_factory=EYE.copy)
    predict: Callable[[NDArray[Any], int], NDArray[Any]] = first_pixels
    again: NDArray[Any] = field(default_factory=EYE.copy)
    reordered: Mapping[bool, NDArray[Any]] = field(default_factory=dict)
    noise: float | None = None
    unsteady: Mapping[str, Any] = field(default_factory=dict)
    class_names: Sequence[str] = ()
    truth: Sequence[int] = (0, 1, 2, 3)
    doubt: str = ""
    evidence: Mapping[str, str] = field(default_factory=dict)
    is_strict: bool = False
    label_reference: str | None = None
    known_flips: Mapping[int, str] = field(default_factory=dict)
    adequacy: Adequacy | None = None
    exact: tuple[Fidelity | None, str] = (None, "nothing can run in double precision")
    times: Mapping[Point, LatencyEvidence] = field(default_factory=dict)
    earlier_time: EarlierTime | None = None
    notices: Sequence[str] = ()
    asked: list[Any] = field(default_factory=list)

    @property
    def reference_scores(self) -> NDArray[Any]:
        return self.reference.all_scores[: self.count]

    @property
    def input_names(self) -> Sequence[str]:
        return [f"{place}.png" for place in range(len(self.batch))]

    def run_again(self) -> NDArray[Any]:
        return self.again

    @property
    def calls(self) -> int:
        return len(self.batch)

    def in_other_order(self, number: int, *, fresh: bool = False) -> NDArray[Any]:
        self.asked.append((number, fresh))
        return self.reordered.get(fresh, self.all_scores)

    def scores_at(self, batch: int, inputs: NDArray[Any] | None = None) -> NDArray[Any]:
        return self.predict(self.batch if inputs is None else inputs, batch)

    def compare_labels(self, limit: LabelLimit) -> ComparedLabels:
        self.asked.append(limit)
        names = self.input_names[: self.count]
        compared = compare_labels(self.scores, self.reference_scores, noise=self.noise, inputs=names)
        return ComparedLabels(compared, self.noise, **self.unsteady)

    @property
    def score_notices(self) -> Sequence[str]:
        return self.notices

    def fidelity(self) -> tuple[Fidelity | None, str]:
        self.asked.append("fidelity")
        return self.exact

    def effort(self, calls: int, confidence: float = CONFIDENCE) -> Effort:
        return Effort.at(confidence, 2.5, calls)

    def points(self, axes: Axes) -> Sequence[Point]:
        return axes.points(Point())

    def timed(self, point: Point, effort: Effort) -> LatencyEvidence:
        self.asked.append((point, effort))
        if point not in self.times:
            raise Unavailable(f"it cannot be brought to {point}", cause="its batch is fixed", remedy="export it anew")
        return self.times[point]


@dataclass(frozen=True)
class PlainRecordedCell:
    """A cell of a finished run; ``kept`` are its scores and ``expected`` its reference's."""

    entry: Cell
    model: Model = field(default_factory=lambda: Model(name="signs"))
    subject: Subject = SUBJECT
    has_reference: bool = True
    noise: float | None = None
    noise_from: str | None = None
    kept: NDArray[Any] | None = None
    expected: NDArray[Any] = field(default_factory=EYE.copy)

    def family(self, *, with_reference: bool = False) -> Family:
        return family_of(self.entry.family, with_reference=with_reference)

    def scores(self) -> NDArray[Any] | None:
        return self.kept

    def reference_scores(self) -> NDArray[Any]:
        return self.expected


def recorded(**parts: Any) -> Cell:
    """What a record says of the cell."""
    return Cell(**({"status": "passed", "model": "signs", "environment": CELL, "reference": REFERENCE} | parts))
