"""What checks may ask of a cell: of one that is being measured, and of one in the record of a run that is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from pytest_envrobust.comparison.adequacy import Adequacy
from pytest_envrobust.comparison.fidelity import Fidelity
from pytest_envrobust.comparison.steadiness import ComparedLabels
from pytest_envrobust.core.axes import Axes, Point
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.record.schema import Cell, Model
from pytest_envrobust.timing.evidence import LatencyEvidence
from pytest_envrobust.timing.intervals import CONFIDENCE
from pytest_envrobust.timing.regression import EarlierTime
from pytest_envrobust.timing.sampling import Effort
from pytest_envrobust.verdicts.family import Family
from pytest_envrobust.verdicts.limits import LabelLimit
from pytest_envrobust.verdicts.verdict import Subject


class MeasuredEnvironment(Protocol):
    """A model in one environment, as far as checks measure it. Scores have the shape (N, classes)."""

    @property
    def environment(self) -> Environment:
        """Which it is."""

    @property
    def is_recorded(self) -> bool:
        """Whether its predictions were recorded elsewhere: nothing can be run."""

    @property
    def scores(self) -> NDArray[Any]:
        """For those of the model's inputs that are run here, the first ones, in the model's class order."""

    @property
    def all_scores(self) -> NDArray[Any]:
        """For all of the model's inputs, also where fewer are usually run here."""


class MeasuredCell(MeasuredEnvironment, Protocol):
    """The cell under test, as far as checks measure it. What it raises is what the assertion raises."""

    @property
    def is_reference(self) -> bool:
        """Whether the others are compared with it."""

    @property
    def reference(self) -> MeasuredEnvironment:
        """What it is compared with."""

    @property
    def reference_scores(self) -> NDArray[Any]:
        """The reference's scores for the inputs that are run here. Raises `StageFailure`, which names the reference."""

    @property
    def count(self) -> int:
        """How many of the model's inputs are run here."""

    @property
    def input_names(self) -> Sequence[str]:
        """Names of the model's inputs."""

    @property
    def truth(self) -> Sequence[int]:
        """The true class of each input that is run here, -1 where it is unknown.

        Raises `DeclarationError` where nothing says it of any.
        """

    @property
    def class_names(self) -> Sequence[str]:
        """Names of the model's classes; empty where none are declared."""

    @property
    def batch(self) -> NDArray[Any]:
        """The model's inputs as its source takes them."""

    @property
    def evidence(self) -> Mapping[str, str]:
        """What proves that it ran as asked; all inputs are run first, where they were not."""

    @property
    def is_strict(self) -> bool:
        """Whether an inconclusive verdict fails a test."""

    def run_again(self) -> NDArray[Any]:
        """Scores of all inputs from another run of the same session, right behind one."""

    @property
    def calls(self) -> int:
        """How many calls all inputs take."""

    def in_other_order(self, number: int, *, fresh: bool = False) -> NDArray[Any]:
        """Scores of all inputs, whose calls are made in another order: 0 is backwards, others are drawn by chance.

        ``fresh``: in a session that begins with them.
        """

    def scores_at(self, batch: int, inputs: NDArray[Any] | None = None) -> NDArray[Any]:
        """Scores of all inputs, or of others, run so many at a time. Raises `Unavailable` where the batch is fixed."""

    def compare_labels(self, limit: LabelLimit) -> ComparedLabels:
        """The labels held against the reference's, and the noise that tells ties, where a flip made it worth measuring.

        Where a run may stop early, no more inputs are compared than show that ``limit`` is not kept. Raises
        `StageFailure` where the reference's own labels change when it is run again.
        """

    @property
    def label_reference(self) -> str | None:
        """The earlier run's reference that labels are compared with; ``None`` for the cell's own reference."""

    @property
    def known_flips(self) -> Mapping[int, str]:
        """The reasons of known flips, by the input's place."""

    @property
    def adequacy(self) -> Adequacy | None:
        """What the inputs can tell; ``None`` where that is not known."""

    @property
    def doubt(self) -> str:
        """What speaks against the reference's being right about the inputs at all; empty where nothing does."""

    @property
    def score_notices(self) -> Sequence[str]:
        """What explains that its scores differ from the reference's, in one line each."""

    def fidelity(self) -> tuple[Fidelity | None, str]:
        """Errors against double precision and the environment that ran in it; or ``None``, and why there are none."""

    def effort(self, calls: int, confidence: float = CONFIDENCE) -> Effort:
        """How long it is timed at most, for intervals of that confidence; at least so many calls, as far as the time
        budget goes.
        """

    def points(self, axes: Axes) -> Sequence[Point]:
        """Where on the axes it is timed, its own point first."""

    def timed(self, point: Point, effort: Effort) -> LatencyEvidence:
        """Its time at a point, in turns with the reference. Raises `Unavailable` where it cannot be brought there."""

    @property
    def earlier_time(self) -> EarlierTime | None:
        """What the saved run measured of it that regressions are told from."""


class RecordedCell(Protocol):
    """A cell of a finished run, as far as checks judge it again."""

    @property
    def entry(self) -> Cell:
        """What the record says of it."""

    @property
    def model(self) -> Model:
        """What the record says of its model."""

    @property
    def subject(self) -> Subject:
        """What messages say of it."""

    def family(self, *, with_reference: bool = False) -> Family:
        """The cells of its model that were asked the same, itself included; the reference too where it was judged.

        One cell where the record does not say.
        """

    @property
    def has_reference(self) -> bool:
        """Whether its reference gave predictions in this run."""

    @property
    def noise(self) -> float | None:
        """The reference's noise, where any cell measured it."""

    @property
    def noise_from(self) -> str | None:
        """By which change that noise showed, where the record says so."""

    def scores(self) -> NDArray[Any] | None:
        """Its scores; ``None`` where they were not kept."""

    def reference_scores(self) -> NDArray[Any]:
        """The reference's scores. Raises `DeclarationError` where they were not kept."""
