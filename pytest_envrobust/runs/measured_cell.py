"""What checks measure of a cell: scores held against the reference's, times, what it gives when run otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from pytest_envrobust.comparison.adequacy import Adequacy
from pytest_envrobust.comparison.answers import aligned
from pytest_envrobust.comparison.fidelity import Fidelity
from pytest_envrobust.comparison.labels import LabelComparison
from pytest_envrobust.comparison.notices import pair_notices
from pytest_envrobust.comparison.steadiness import ComparedLabels
from pytest_envrobust.core.axes import Axes, Point
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError, EnvrobustError, StageFailure
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.runs.cases import Case
from pytest_envrobust.runs.cell_run import CellRun
from pytest_envrobust.runs.double_precision import fidelity_of
from pytest_envrobust.runs.labelling import compared_labels, compared_until_sure
from pytest_envrobust.runs.registry import Registry
from pytest_envrobust.runs.steadiness import order_of
from pytest_envrobust.runs.timing import TimingTask
from pytest_envrobust.timing.evidence import LatencyEvidence
from pytest_envrobust.timing.intervals import CONFIDENCE
from pytest_envrobust.timing.regression import EarlierTime
from pytest_envrobust.timing.sampling import Effort
from pytest_envrobust.verdicts.labels import has_failed_for_sure
from pytest_envrobust.verdicts.limits import LabelLimit

KEPT_THUMBNAILS = 60
"""Flipped inputs of a cell that the report can show a picture of."""


class MeasuredEnvironment:
    """A model in one environment, as `checks.cells` describes it."""

    def __init__(self, run: CellRun) -> None:
        self.run = run

    @property
    def environment(self) -> Environment:
        """Which it is."""
        return self.run.environment

    @property
    def is_recorded(self) -> bool:
        """Whether its predictions were recorded elsewhere."""
        return self.run.is_recorded

    @property
    def scores(self) -> NDArray[Any]:
        """For those of the model's inputs that are run here, (`count`, classes)."""
        return self.run.scores

    @property
    def all_scores(self) -> NDArray[Any]:
        """For all of the model's inputs, (N, classes)."""
        return self.run.predictions.scores


class MeasuredCell(MeasuredEnvironment):
    """The cell under test, as `checks.cells` describes it; ``axes`` are what it is timed with."""

    def __init__(self, case: Case, registry: Registry, axes: Axes) -> None:
        super().__init__(registry.cell_run(case.model, case.environment))
        self._case, self._registry, self._axes = case, registry, axes
        self._settings = registry.context.settings

    @property
    def is_reference(self) -> bool:
        """Whether the others are compared with it."""
        return self._case.environment == self._case.reference

    @cached_property
    def reference(self) -> MeasuredEnvironment:
        """What it is compared with."""
        return MeasuredEnvironment(self._registry.reference(self._case).run)

    @property
    def reference_scores(self) -> NDArray[Any]:
        """The reference's scores for the inputs that are run here. Raises `StageFailure`, which names the reference.

        Also where its own labels change when it is run again.
        """
        expected = self._repeatable_reference_scores()[: self.count]
        self._check_classes(self.scores, expected)
        return expected

    @property
    def count(self) -> int:
        """How many of the model's inputs are run here."""
        return self.run.count

    @property
    def input_names(self) -> Sequence[str]:
        """Names of the model's inputs."""
        return self.run.model_run.inputs.names

    @property
    def truth(self) -> Sequence[int]:
        """The true class of each input that is run here, -1 where it is unknown.

        Raises `DeclarationError` where nothing says it of any.
        """
        truth = self.run.model_run.read_truth()
        if truth is None:
            self._case.model.check_knows_truth()
            return []
        return truth.classes[: self.count]

    @property
    def class_names(self) -> Sequence[str]:
        """Names of the model's classes; empty where none are declared."""
        return self.run.model_run.class_names

    @property
    def batch(self) -> NDArray[Any]:
        """The model's inputs as its source takes them."""
        return self.run.model_run.batch(self.environment.source)

    @property
    def evidence(self) -> Mapping[str, str]:
        """What proves that it ran as asked; all inputs are run first, where they were not."""
        return self.run.predictions.evidence

    @property
    def is_strict(self) -> bool:
        """Whether an inconclusive verdict fails a test."""
        return self._settings.strict

    def run_again(self) -> NDArray[Any]:
        """Scores of all inputs from another run of the same session, right behind one."""
        if not self.run.session.is_open:
            self.run.run_again()  # one that was closed in between begins as it first began
        return self.run.run_again()

    @property
    def calls(self) -> int:
        """How many calls all inputs take."""
        return -(-len(self.input_names) // self.run.base_point.batch)

    def in_other_order(self, number: int, *, fresh: bool = False) -> NDArray[Any]:
        """Scores of all inputs, whose calls are made in another order: 0 is backwards, others are drawn by chance.

        ``fresh``: in a session that begins with them.
        """
        return self.run.in_other_order(len(self.input_names), order_of(number), fresh=fresh)

    def scores_at(self, batch: int, inputs: NDArray[Any] | None = None) -> NDArray[Any]:
        """Scores of all inputs, or of others, run so many at a time. Raises `Unavailable` where the batch is fixed."""
        return self.run.scores_at(batch, inputs)

    def compare_labels(self, limit: LabelLimit) -> ComparedLabels:
        """The labels held against the reference's, and the noise that tells ties, where a flip made it worth measuring.

        Of all inputs or, where the run may stop early, of as many as show that ``limit`` is not kept. Raises
        `StageFailure` where the reference cannot run, or its own labels change when it is run again.
        """
        earlier = self.run.model_run.earlier
        found = self._compared(limit) if earlier is None else self._classed(self.scores, earlier.scores, earlier.noise)
        if earlier is None and not self.is_reference:
            self._registry.decompose(self._case)
        self._keep_thumbnails(found.comparison)
        said = self._registry.said_of_pairs(self.run)
        return replace(found, remarks=(*found.remarks, f"{self.environment.id}: {said}")) if said else found

    @property
    def label_reference(self) -> str | None:
        """The earlier run's reference that labels are compared with; ``None`` for the cell's own reference."""
        earlier = self.run.model_run.earlier
        return None if earlier is None else earlier.name

    @property
    def known_flips(self) -> Mapping[int, str]:
        """The reasons of known flips, by the input's place."""
        return self.run.known_flips

    @property
    def adequacy(self) -> Adequacy | None:
        """What the inputs can tell; not asked of the reference itself, nor where an earlier run stands for it."""
        if self.is_reference or self.label_reference is not None:
            return None
        return self._registry.reference(self._case).adequacy

    @property
    def doubt(self) -> str:
        """What speaks against the reference's being right at all; not asked where an earlier run stands for it."""
        if self.is_reference or self.label_reference is not None:
            return ""
        return self._registry.reference(self._case).doubt

    @property
    def score_notices(self) -> Sequence[str]:
        """What explains that its scores differ from the reference's."""
        names = self.environment.id, self.reference.environment.id
        return pair_notices(self.scores, self.reference_scores, *names)

    def fidelity(self) -> tuple[Fidelity | None, str]:
        """Errors against double precision and the environment that ran in it; or ``None``, and why there are none."""
        return fidelity_of(self._registry, self._case, self.scores, self.reference_scores)

    def effort(self, calls: int, confidence: float = CONFIDENCE) -> Effort:
        """How long it is timed at most, for intervals of that confidence; at least so many calls, as far as the time
        budget goes.
        """
        return Effort.at(confidence, self._settings.timing.budget, calls)

    def points(self, axes: Axes) -> Sequence[Point]:
        """Where on the axes it is timed, its own point first."""
        return self._axes.behind(axes).points(self.run.base_point)

    def timed(self, point: Point, effort: Effort) -> LatencyEvidence:
        """Its time at a point, in turns with the reference. Raises `Unavailable` where it cannot be brought there."""
        reference = self.reference.run
        # against an emulator's time, that of a real processor says nothing
        if self.is_reference or reference.is_recorded or self.run.is_emulated != reference.is_emulated:
            return self._registry.timer.time(TimingTask(self.run, None, point, effort))
        self._all_reference_scores()  # a reference that cannot run is told as such, not as a failure of the timing
        return self._registry.timer.time(TimingTask(self.run, reference, point, effort))

    @property
    def earlier_time(self) -> EarlierTime | None:
        """What the saved run measured of it that regressions are told from."""
        baseline = self._registry.baseline
        if baseline is None:
            return None
        return baseline.time_of(self.run, self.reference.run, self._settings.timing.threads)

    def _compared(self, limit: LabelLimit) -> ComparedLabels:
        total, expected = self.count, self._repeatable_reference_scores()

        def compared(count: int) -> ComparedLabels:
            return self._classed(self.run.first_scores(count), expected)

        # what was recorded is there already: nothing would be saved, and there is no batch to ask for
        if not self._settings.stops_early or self.is_reference or self.run.is_recorded:
            return compared(total)
        known = self.known_flips
        return compared_until_sure(
            compared,
            lambda found: has_failed_for_sure(found.comparison, limit, total, known),
            total,
            self.run.base_point.batch,
        )

    def _classed(
        self, actual: NDArray[Any], expected: NDArray[Any], earlier_noise: float | None = None
    ) -> ComparedLabels:
        """The first inputs compared, flips held against the noise of each side.

        ``expected`` are the scores of all inputs; ``earlier_noise`` is an earlier reference's.
        """
        actual, expected = aligned(actual, expected)
        self._check_classes(actual, expected)
        names, own = self.input_names[: len(actual)], self._registry.steadiness(self.run)
        has_earlier = self.label_reference is not None
        is_itself = self.is_reference and not has_earlier
        return compared_labels(
            actual,
            expected,
            names,
            (self.environment.id, self.label_reference or self._case.reference.id),
            None if is_itself or self.run.is_recorded else own,
            None if is_itself or has_earlier else self._registry.reference(self._case),
            earlier_noise,
        )

    def _check_classes(self, actual: NDArray[Any], expected: NDArray[Any]) -> None:
        if actual.shape[1:] != expected.shape[1:]:
            raise DeclarationError(
                f"{self._case.model_name} has {actual.shape[1]} classes in {self.environment.id} "
                f"and {expected.shape[1]} in {self.label_reference or self._case.reference.id}",
                cause="their labels cannot be compared",
                remedy="declare the extra leading classes: Source(..., label_offset=1)",
            )

    def _keep_thumbnails(self, comparison: LabelComparison) -> None:
        """Keep a small picture of inputs that flipped, for the report."""
        inputs = self.run.model_run.inputs
        if inputs.images is not None:
            for flip in comparison.flips[:KEPT_THUMBNAILS]:
                self._registry.context.predictions.keep_thumbnail(inputs.digests[flip.index], inputs.images[flip.index])

    def _repeatable_reference_scores(self) -> NDArray[Any]:
        """The same. Raises `StageFailure` too where the reference's own labels change when it is run again."""
        scores = self._all_reference_scores()
        self._registry.reference(self._case).check_repeatable()
        return scores

    def _all_reference_scores(self) -> NDArray[Any]:
        """Scores of all inputs. Raises `StageFailure`, which names the reference, where it cannot run."""
        reference = self.reference
        subject = f"the reference {reference.environment.id}"
        try:
            return reference.all_scores
        except EnvrobustError as error:
            if isinstance(error, StageFailure) and error.status is not Status.UNSUPPORTED:
                raise error.about(subject) from None
            raise StageFailure(
                f"{subject} cannot run",
                stage=Stage.LOAD,
                status=Status.FAILED,
                cause=error.headline,
                remedy="choose another with --envrobust-reference",
            ) from None
