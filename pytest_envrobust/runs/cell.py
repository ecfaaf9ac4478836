"""The cell under test: what the ``envrobust`` fixture gives to a test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict

from numpy.typing import NDArray

from pytest_envrobust.checks.assertions import CALL_ARGUMENT, insist
from pytest_envrobust.checks.invariants import Invariant
from pytest_envrobust.checks.labels import has_failed_for_sure, judge_labels
from pytest_envrobust.checks.latency import judge_latency
from pytest_envrobust.checks.scores import ScoreEvidence, judge_scores
from pytest_envrobust.comparison.adequacy import Adequacy
from pytest_envrobust.comparison.fidelity import score_errors
from pytest_envrobust.comparison.labels import LabelComparison, compare_labels
from pytest_envrobust.comparison.tally import Ties
from pytest_envrobust.core.axes import Axes, Point
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError, EnvrobustError, StageFailure, Unavailable
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.core.timing import Timing
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.runs.cases import Case
from pytest_envrobust.runs.cell_run import CellRun
from pytest_envrobust.runs.double_precision import fidelity_of
from pytest_envrobust.runs.earlier import EarlierReference
from pytest_envrobust.runs.invariants import InvariantAssertions
from pytest_envrobust.runs.reference import Reference
from pytest_envrobust.runs.registry import Registry
from pytest_envrobust.runs.runner import HasInputs, Runner, hide_traceback
from pytest_envrobust.runs.timing import TimingTask, effort_for
from pytest_envrobust.timing.evidence import LatencyEvidence, TimedPoint
from pytest_envrobust.timing.regression import EarlierTime
from pytest_envrobust.timing.sampling import Effort
from pytest_envrobust.verdicts.limits import (
    BOUND,
    MAX_ABS_ERROR,
    MAX_FIDELITY_RATIO,
    MAX_LATENCY_MS,
    MAX_LATENCY_P90_MS,
    MAX_LATENCY_P99_MS,
    MAX_LATENCY_RATIO,
    MAX_LATENCY_REGRESSION,
    MAX_RELATIVE_ERROR,
    MIN_LABEL_AGREEMENT,
    TIES,
    TO_REFERENCE,
    LabelLimit,
    Layer,
    Limit,
    Thresholds,
    label_limit,
    resolve,
)
from pytest_envrobust.verdicts.verdict import Verdict, closing_lines

FIRST_LOOK = 32
"""Inputs after which a comparison that may stop early looks at its labels for the first time, then at twice as many."""
KEPT_THUMBNAILS = 60
"""Flipped inputs of a cell that the report can show a picture of."""


class Subject(TypedDict):
    """Model, environments, route and command line that a verdict's message names."""

    model: str
    environment: Environment
    reference: Environment | str
    route: tuple[str, ...]
    rerun: str


class Cell(InvariantAssertions):
    """The cell under test, for one test item: assertions, predictions, and what they were judged on."""

    def __init__(
        self,
        case: Case,
        registry: Registry,
        *,
        layers: Sequence[Layer] = (),
        axes: Axes | None = None,
        rerun: str = "",
    ) -> None:
        super().__init__(registry.cell_run(case.model, case.environment))
        self.case = case
        self.verdicts: list[Verdict] = []
        self.comparison: LabelComparison | None = None
        self.known: Mapping[int, str] = {}
        self.scores: ScoreEvidence | None = None
        self.invariants: list[Invariant] = []
        self.noise: float | None = None
        self.latency: LatencyEvidence | None = None
        self.points: list[TimedPoint] = []
        self.used = False
        self._settings = registry.context.settings
        self._axes = self._settings.timing.axes.behind(case.model.axes).behind(axes or Axes())
        self._registry, self._layers, self._rerun = registry, layers, rerun

    @property
    def reference(self) -> Runner:
        """The environment that this one is compared with."""
        return Runner(self._reference_run)

    @property
    def is_reference(self) -> bool:
        """Whether this cell is the one that others are compared with."""
        return self.case.environment == self.case.reference

    @property
    def route(self) -> tuple[str, ...]:
        """The steps from the source to the engine: source, conversions, compiler."""
        return self.case.way

    @hide_traceback
    def predict(self, inputs: LoadedInputs | HasInputs | NDArray[Any] | None = None) -> NDArray[Any]:
        """Scores, shape (N, classes), in the model's class order, as plain numpy; see `Runner.predict`."""
        scores = super().predict(inputs)
        self.used = True
        return scores

    @hide_traceback
    def call(self) -> Timing:
        """Run one input once and return the time it took in the worker."""
        timing = super().call()
        self.used = True
        return timing

    @hide_traceback
    def assert_labels_agree(
        self,
        *,
        min_agreement: float | None = None,
        bound: bool | None = None,
        ties: Ties | None = None,
    ) -> LabelComparison:
        """Assert that enough top-1 labels on the model's inputs are the reference's.

        The limit is ``min_agreement`` or, where it is ``None``, that of marker, conftest, command line or ini, or
        1.0. With ``bound`` what the inputs show must reach it, not the share of these inputs alone: too few of them are
        inconclusive. ``ties="ignore"`` leaves ties out. Raises `EnvironmentMismatch`, an `AssertionError`, which names
        the flipped inputs; `StageFailure` where one of both environments cannot run.
        """
        limit = self._label_limit(min_agreement, bound, ties)
        self.known = self._run.known_flips
        earlier = self._earlier
        if earlier is None:
            self.comparison, self.noise = self._compared(limit)
        else:
            self.noise = earlier.noise
            self.comparison = self._compare_with(earlier.scores[: self._run.count], self.noise)
        self.used = self.used or earlier is not None or not self.is_reference
        subject = self._subject if earlier is None else {**self._subject, "reference": earlier.name}
        self._keep_thumbnails(self.comparison)
        verdict = judge_labels(
            self.comparison,
            limit,
            class_names=self._run.model_run.class_names,
            known=self.known,
            adequacy=self._adequacy,
            strict=self._settings.strict and not self.is_reference,
            total=self._run.count,
            **subject,
        )
        self._settle([verdict])
        return self.comparison

    @hide_traceback
    def assert_scores_agree(
        self,
        *,
        max_abs_error: float | None = None,
        max_relative_error: float | None = None,
        max_fidelity_ratio: float | None = None,
    ) -> ScoreEvidence:
        """Assert that the scores themselves lie near the reference's, or are as faithful to double precision as those.

        Limits that are not given are those of marker, conftest, command line or ini; without any the errors are
        recorded only. The ratio is inconclusive where no source of the model can run in double precision. Raises
        `EnvironmentMismatch` or `StageFailure`.
        """
        asked = {
            MAX_ABS_ERROR: max_abs_error,
            MAX_RELATIVE_ERROR: max_relative_error,
            MAX_FIDELITY_RATIO: max_fidelity_ratio,
        }
        limits = [limit for name, value in asked.items() if (limit := self._limit(name, value)) is not None]
        actual = self._run.scores
        expected = self._expected(self._reference_run)[: len(actual)]
        self._check_classes(actual, expected)
        self.scores = ScoreEvidence(score_errors(actual, expected))
        if any(limit.name == MAX_FIDELITY_RATIO for limit in limits):
            self.scores = fidelity_of(self.scores, self._registry, self.case, actual, expected)
        self.used = self.used or not self.is_reference
        self._settle([judge_scores(self.scores, limit, **self._subject) for limit in limits])
        return self.scores

    @hide_traceback
    def assert_latency(
        self,
        *,
        max_ms: float | None = None,
        max_p90_ms: float | None = None,
        max_p99_ms: float | None = None,
        max_ratio: float | None = None,
        max_regression: float | None = None,
        batch_sizes: Sequence[int] | None = None,
        threads: Sequence[int] | None = None,
    ) -> LatencyEvidence:
        """Measure the time of a call, in turns with the reference and its A/A control, and assert the limits on it.

        Limits that are not given are those of marker, conftest, command line or ini; without any the time is
        recorded only. ``batch_sizes`` and ``threads`` are what it is measured with beside the run's own; a limit on
        the ratio holds at each of these points, the others at the run's own, which is what is returned. An interval
        that a limit lies in is inconclusive: the test is reported as such, and fails under ``--envrobust-strict``.
        Raises `EnvironmentMismatch` or `StageFailure`.
        """
        asked = {
            MAX_LATENCY_MS: max_ms,
            MAX_LATENCY_P90_MS: max_p90_ms,
            MAX_LATENCY_P99_MS: max_p99_ms,
            MAX_LATENCY_RATIO: max_ratio,
            MAX_LATENCY_REGRESSION: max_regression,
        }
        limits = [limit for name, value in asked.items() if (limit := self._limit(name, value)) is not None]
        axes = self._axes.behind(Axes.of(batch_sizes, threads, CALL_ARGUMENT))
        effort = effort_for(limits, self._settings.timing.budget)
        self.latency = self._timed(self._run.base_point, effort)
        self.points = self._timed_points(axes, effort)
        self.used = True
        self._settle([verdict for limit in limits for verdict in self._judged(limit)])
        return self.latency

    @hide_traceback
    def measure_latency(self, *, calls: int = 0) -> LatencyEvidence:
        """Measure the time of a call as `assert_latency` does, and hold it against no limit.

        At least ``calls`` calls, as far as the time budget goes. Raises `StageFailure`.
        """
        self.latency = self._timed(self._run.base_point, Effort(self._settings.timing.budget, calls=calls))
        self.used = True
        return self.latency

    def _hold(self, invariant: Invariant) -> Invariant:
        self.used = True
        self.invariants.append(invariant)
        message = f"{self.model.name} in {self.environment}: {invariant.name}: {invariant.said}"
        if not invariant.holds:
            message = "\n".join([message, *closing_lines(self.route, self._rerun)])
        self._settle([Verdict(Status.PASSED if invariant.holds else Status.FAILED, message)])
        return invariant

    @property
    def _subject(self) -> Subject:
        """What a verdict's message speaks of."""
        return {
            "model": self.model.name,
            "environment": self.environment,
            "reference": self.case.reference,
            "route": self.route,
            "rerun": self._rerun,
        }

    @property
    def _reference(self) -> Reference:
        return self._registry.reference(self.case)

    @property
    def _reference_run(self) -> CellRun:
        return self._reference.run

    def _limit(self, name: str, argument: float | None) -> Limit | None:
        call: Mapping[str, float] = {} if argument is None else {name: argument}
        layers: list[Layer] = [Thresholds.of(call, CALL_ARGUMENT), *self._layers]
        return resolve(name, self.environment.id, layers)

    @property
    def label_reference(self) -> str | None:
        """What the labels are compared with, where that is an earlier run's reference."""
        return None if self._earlier is None else self._earlier.name

    @property
    def _earlier(self) -> EarlierReference | None:
        return self._run.model_run.earlier

    def _label_limit(self, share: float | None, bound: bool | None, ties: Ties | None) -> LabelLimit:
        given = {MIN_LABEL_AGREEMENT: share, BOUND: bound, TIES: ties}
        call = Thresholds.of({name: value for name, value in given.items() if value is not None}, CALL_ARGUMENT)
        return label_limit(self.environment.id, [call, *self._layers])

    @property
    def _adequacy(self) -> Adequacy | None:
        """What the inputs can tell; not asked of the reference itself, nor where an earlier run stands for it."""
        if self.is_reference or self._earlier is not None:
            return None
        return self._reference.adequacy

    def _compared(self, limit: LabelLimit) -> tuple[LabelComparison, float | None]:
        """The comparison with the reference, and the noise that its flips were held against.

        Of all inputs or, where that may stop early, of as many as decide.
        """
        total = count = self._run.count
        expected = self._expected(self._reference_run)[:total]
        if self._settings.stops_early and not self.is_reference:
            batch = self._run.base_point.batch
            count = min(total, -(-FIRST_LOOK // batch) * batch)
        while True:
            comparison, noise = self._classed(self._run.first_scores(count), expected[:count])
            if count >= total or has_failed_for_sure(comparison, limit, total, self.known):
                return comparison, noise
            count = min(total, 2 * count)

    def _classed(self, actual: NDArray[Any], expected: NDArray[Any]) -> tuple[LabelComparison, float | None]:
        """The comparison, its flips held against the reference's own noise where there are any; and that noise."""
        comparison = self._compare_with(expected, actual=actual)
        if comparison.real and not self.is_reference and (noise := self._reference.noise) is not None:
            return self._compare_with(expected, noise, actual=actual), noise
        return comparison, None

    def _compare_with(
        self, expected: NDArray[Any], noise: float | None = None, actual: NDArray[Any] | None = None
    ) -> LabelComparison:
        actual = self._run.scores if actual is None else actual
        self._check_classes(actual, expected)
        return compare_labels(actual, expected, inputs=self.inputs.names[: len(actual)], noise=noise)

    def _check_classes(self, actual: NDArray[Any], expected: NDArray[Any]) -> None:
        if actual.shape[1:] != expected.shape[1:]:
            raise DeclarationError(
                f"{self.model.name} has {actual.shape[1]} classes in {self.environment.id} "
                f"and {expected.shape[1]} in {self.label_reference or self.case.reference.id}",
                cause="their labels cannot be compared",
                remedy="declare the extra leading classes: Source(..., label_offset=1)",
            )

    def _keep_thumbnails(self, comparison: LabelComparison) -> None:
        """Keep a small picture of inputs that flipped, for the report."""
        inputs = self.inputs
        if inputs.images is not None:
            for flip in comparison.flips[:KEPT_THUMBNAILS]:
                self._registry.context.predictions.keep_thumbnail(inputs.digests[flip.index], inputs.images[flip.index])

    def _expected(self, reference: CellRun) -> NDArray[Any]:
        subject = f"the reference {reference.environment.id}"
        try:
            return reference.predictions.scores
        except StageFailure as error:
            raise error.about(subject) from None
        except EnvrobustError as error:
            raise StageFailure(
                f"{subject} cannot run",
                stage=Stage.LOAD,
                status=Status.FAILED,
                cause=error.headline,
                remedy="choose another with --envrobust-reference",
            ) from None

    def _timed_points(self, axes: Axes, effort: Effort) -> list[TimedPoint]:
        """The further points of the axes; one that the cell cannot be brought to comes with the reason."""
        found = []
        for point in axes.points(self._run.base_point)[1:]:
            try:
                found.append(TimedPoint(point, self._timed(point, effort)))
            except Unavailable as error:
                found.append(TimedPoint(point, reason=error.headline))
        return found

    def _timed(self, point: Point, effort: Effort) -> LatencyEvidence:
        reference = self._reference_run
        # against an emulator's time, that of a real processor says nothing
        if self.is_reference or reference.is_recorded or self._run.is_emulated != reference.is_emulated:
            return self._registry.timer.time(TimingTask(self._run, None, point, effort))
        self._expected(reference)
        return self._registry.timer.time(TimingTask(self._run, reference, point, effort))

    def _judged(self, limit: Limit) -> Iterator[Verdict]:
        if limit.name in TO_REFERENCE and self.is_reference:
            return
        assert self.latency is not None
        earlier = self._earlier_time if limit.name == MAX_LATENCY_REGRESSION else None
        yield judge_latency(self.latency, limit, earlier=earlier, **self._subject)
        for timed in self.points if limit.name in TO_REFERENCE else ():
            if timed.evidence is not None:
                yield judge_latency(timed.evidence, limit, point=timed.point, **self._subject)

    @property
    def _earlier_time(self) -> EarlierTime | None:
        baseline = self._registry.baseline
        if baseline is None:
            return None
        return baseline.time_of(self._run, self._reference_run, self._settings.timing.threads)

    def _settle(self, verdicts: Sequence[Verdict]) -> None:
        """Keep the verdicts, and raise where one of them must fail the test: all that failed are told at once."""
        self.verdicts += verdicts
        strict = self._settings.strict
        failing = [
            verdict
            for verdict in verdicts
            if verdict.status is Status.FAILED or (strict and verdict.status is not Status.PASSED)
        ]
        if failing:
            insist(replace(failing[0], message="\n".join(verdict.message for verdict in failing)))
