"""The cell under test: what the ``envrobust`` fixture gives to a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypedDict, TypeVar

from numpy.typing import NDArray

from pytest_envrobust.comparison.labels import LabelComparison, compare_labels
from pytest_envrobust.core.axes import Axes, Point
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError, EnvrobustError, StageFailure, Unavailable
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.core.timing import Timing
from pytest_envrobust.integration.cases import Case
from pytest_envrobust.integration.cell_run import CellRun
from pytest_envrobust.integration.earlier import EarlierReference
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.models.model import Model
from pytest_envrobust.timing.evidence import LatencyEvidence, TimedPoint
from pytest_envrobust.timing.regression import EarlierTime
from pytest_envrobust.timing.sampling import Effort
from pytest_envrobust.verdicts.assertions import CALL_ARGUMENT, EnvironmentMismatch, insist
from pytest_envrobust.verdicts.labels import judge_labels
from pytest_envrobust.verdicts.latency import judge_latency
from pytest_envrobust.verdicts.limits import (
    MAX_LATENCY_MS,
    MAX_LATENCY_P90_MS,
    MAX_LATENCY_P99_MS,
    MAX_LATENCY_RATIO,
    MAX_LATENCY_REGRESSION,
    MIN_LABEL_AGREEMENT,
    TO_REFERENCE,
    Layer,
    Limit,
    Thresholds,
    resolve,
)
from pytest_envrobust.verdicts.verdict import Verdict

if TYPE_CHECKING:
    from pytest_envrobust.integration.laboratory import Laboratory

KEPT_THUMBNAILS = 60
"""Flipped inputs of a cell that the report can show a picture of."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Subject(TypedDict):
    """Model, environments, route and command line that a verdict's message names."""

    model: str
    environment: Environment
    reference: Environment | str
    route: tuple[str, ...]
    rerun: str


def plainly(method: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Let errors that were raised on purpose show the user's line and the message, none of this package's frames."""

    @wraps(method)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        __tracebackhide__ = True
        try:
            return method(*args, **kwargs)
        except (EnvrobustError, EnvironmentMismatch) as error:
            raise error.with_traceback(None) from None

    return call


class Runner:
    """A model in an environment, ready to predict: a cell's reference, and the base of the cell itself."""

    def __init__(self, run: CellRun) -> None:
        self._run = run

    @property
    def model(self) -> Model:
        return self._run.model_run.model

    @property
    def environment(self) -> Environment:
        return self._run.environment

    @property
    @plainly
    def inputs(self) -> LoadedInputs:
        """The model's inputs: names, and decoded images or an array."""
        return self._run.model_run.inputs

    @plainly
    def predict(self, inputs: LoadedInputs | NDArray[Any] | None = None) -> NDArray[Any]:
        """Scores, shape (N, classes), in the model's class order, as plain numpy.

        ``inputs`` are the model's own where none are given; an array is fed as it is, shape (N, ...) in the layout and
        dtype that the source takes. Raises `StageFailure` where a stage fails.
        """
        return self._run.predict(self.inputs if inputs is None else inputs)

    @plainly
    def call(self) -> Timing:
        """Run one input once and return the time it took in the worker."""
        return self._run.sample(0, 1)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.model.name} in {self.environment.id}>"


class Cell(Runner):
    """The cell under test, for one test item: assertions, predictions, and what they were judged on."""

    def __init__(
        self,
        case: Case,
        laboratory: Laboratory,
        *,
        layers: Sequence[Layer] = (),
        axes: Axes | None = None,
        rerun: str = "",
    ) -> None:
        super().__init__(laboratory.cell_run(case.model, case.environment))
        self.case = case
        self.verdicts: list[Verdict] = []
        self.comparison: LabelComparison | None = None
        self.noise: float | None = None
        self.latency: LatencyEvidence | None = None
        self.points: list[TimedPoint] = []
        self.used = False
        self._axes = laboratory.axes(case.model).behind(axes or Axes())
        self._laboratory, self._layers, self._rerun = laboratory, layers, rerun

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

    @plainly
    def predict(self, inputs: LoadedInputs | NDArray[Any] | None = None) -> NDArray[Any]:
        """Scores, shape (N, classes), in the model's class order, as plain numpy; see `Runner.predict`."""
        scores = super().predict(inputs)
        self.used = True
        return scores

    @plainly
    def call(self) -> Timing:
        """Run one input once and return the time it took in the worker."""
        timing = super().call()
        self.used = True
        return timing

    @plainly
    def assert_labels_agree(self, *, min_agreement: float | None = None) -> LabelComparison:
        """Assert that enough top-1 labels on the model's inputs are the reference's.

        The limit is ``min_agreement`` or, where it is ``None``, that of marker, conftest, command line or ini, or
        1.0. Raises `EnvironmentMismatch`, an `AssertionError`, which names the flipped inputs; `StageFailure` where
        one of both environments cannot run.
        """
        limit = self._limit(MIN_LABEL_AGREEMENT, min_agreement)
        earlier = self._earlier
        self.comparison = self._compare() if earlier is None else self._compare_with(earlier.scores, earlier.noise)
        self.used = self.used or earlier is not None or not self.is_reference
        subject = self._subject if earlier is None else {**self._subject, "reference": earlier.name}
        self._keep_thumbnails(self.comparison)
        self._settle([judge_labels(self.comparison, limit, class_names=self._run.model_run.class_names, **subject)])
        return self.comparison

    @plainly
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
        effort = self._laboratory.effort(limits)
        self.latency = self._timed(self._run.base_point, effort)
        self.points = self._timed_points(axes, effort)
        self.used = True
        self._settle([verdict for limit in limits for verdict in self._judged(limit)])
        return self.latency

    @plainly
    def measure_latency(self, *, calls: int = 0) -> LatencyEvidence:
        """Measure the time of a call as `assert_latency` does, and hold it against no limit.

        At least ``calls`` calls, as far as the time budget goes. Raises `StageFailure`.
        """
        self.latency = self._timed(self._run.base_point, Effort(self._laboratory.settings.timing.budget, calls=calls))
        self.used = True
        return self.latency

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
    def _reference_run(self) -> CellRun:
        return self._laboratory.reference_run(self.case)

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

    def _compare(self) -> LabelComparison:
        reference = self._reference_run
        comparison = self._compare_with(self._expected(reference))
        if comparison.real and not self.is_reference and (noise := reference.noise()) is not None:
            comparison = self._compare_with(self._expected(reference), noise)
        return comparison

    def _compare_with(self, expected: NDArray[Any], noise: float | None = None) -> LabelComparison:
        actual = self._run.predictions.scores
        if actual.shape[1:] != expected.shape[1:]:
            raise DeclarationError(
                f"{self.model.name} has {actual.shape[1]} classes in {self.environment.id} "
                f"and {expected.shape[1]} in {self.label_reference or self.case.reference.id}",
                cause="their labels cannot be compared",
                remedy="declare the extra leading classes: Source(..., label_offset=1)",
            )
        self.noise = noise
        return compare_labels(actual, expected, inputs=self.inputs.names, noise=noise)

    def _keep_thumbnails(self, comparison: LabelComparison) -> None:
        """Keep a small picture of inputs that flipped, for the report."""
        inputs = self.inputs
        if inputs.images is not None:
            for flip in comparison.flips[:KEPT_THUMBNAILS]:
                self._laboratory.kept.keep_thumbnail(inputs.digests[flip.index], inputs.images[flip.index])

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
        if self.is_reference or reference.is_recorded:
            return self._run.timed(None, point, effort)
        self._expected(reference)
        return self._run.timed(reference, point, effort)

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
        baseline = self._laboratory.baseline
        if baseline is None:
            return None
        return baseline.time_of(self._run, self._reference_run, self._laboratory.settings.timing.threads)

    def _settle(self, verdicts: Sequence[Verdict]) -> None:
        """Keep the verdicts, and raise where one of them must fail the test: all that failed are told at once."""
        self.verdicts += verdicts
        strict = self._laboratory.settings.strict
        failing = [
            verdict
            for verdict in verdicts
            if verdict.status is Status.FAILED or (strict and verdict.status is not Status.PASSED)
        ]
        if failing:
            insist(replace(failing[0], message="\n".join(verdict.message for verdict in failing)))
