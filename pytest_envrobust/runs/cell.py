"""The cell under test: what the ``envrobust`` fixture gives to a test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from numpy.typing import NDArray

from pytest_envrobust.checks import (
    accuracy,
    calibration,
    finite,
    labels,
    latency,
    order,
    position,
    probabilities,
    repetition,
    scores,
    untouched,
)
from pytest_envrobust.checks import batch as batches
from pytest_envrobust.checks._invariant import BATCH
from pytest_envrobust.checks._invariant import MAX_ABS_ERROR as LARGEST_DIFFERENCE
from pytest_envrobust.checks.assertions import raise_unless_passed
from pytest_envrobust.checks.base import Asked, Check, Result, all_verdicts
from pytest_envrobust.checks.registry import check_named
from pytest_envrobust.checks.thresholds import CALL_ARGUMENT, Layer, Thresholds, limits_of
from pytest_envrobust.comparison.calibration import Calibration
from pytest_envrobust.comparison.invariants import Invariant
from pytest_envrobust.comparison.labels import LabelComparison
from pytest_envrobust.comparison.tally import Ties
from pytest_envrobust.core.axes import Axes
from pytest_envrobust.core.status import Status
from pytest_envrobust.core.timing import Timing
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.record import schema
from pytest_envrobust.record.judged_part import family_of
from pytest_envrobust.runs.cases import Case
from pytest_envrobust.runs.cell_run import CellRun
from pytest_envrobust.runs.measured_cell import MeasuredCell
from pytest_envrobust.runs.registry import Registry
from pytest_envrobust.runs.runner import HasInputs, Runner, hide_traceback
from pytest_envrobust.timing.evidence import LatencyEvidence
from pytest_envrobust.verdicts.accuracy import AccuracyEvidence
from pytest_envrobust.verdicts.family import Family
from pytest_envrobust.verdicts.limits import (
    ACCURACY_BOUND,
    BOUND,
    MAX_ABS_ERROR,
    MAX_ACCURACY_DROP,
    MAX_CLASSES_OFF,
    MAX_FIDELITY_RATIO,
    MAX_LATENCY_MS,
    MAX_LATENCY_P90_MS,
    MAX_LATENCY_P99_MS,
    MAX_LATENCY_RATIO,
    MAX_LATENCY_REGRESSION,
    MAX_RELATIVE_ERROR,
    MIN_ACCURACY,
    MIN_LABEL_AGREEMENT,
    TIES,
    Limit,
)
from pytest_envrobust.verdicts.scores import ScoreEvidence
from pytest_envrobust.verdicts.verdict import Subject, Verdict

Evidence = TypeVar("Evidence")


class Cell(Runner):
    """The cell under test, for one test item: assertions, predictions, and what they were judged on.

    ``layers`` are the limits that were set for it, in order of precedence; ``axes`` what its time is measured with
    beside the run's own; ``rerun`` is a command line that runs this cell alone.
    """

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
        settings = registry.context.settings
        self.case = case
        self.results: list[Result[Any]] = []
        self.used = False
        all_axes = settings.timing.axes.behind(case.model.axes).behind(axes or Axes())
        self._measured = MeasuredCell(case, registry, all_axes)
        self._families, self._has_earlier = registry.context.families, registry.context.earlier is not None
        self._layers, self._rerun, self._is_strict = layers, rerun, settings.strict

    @property
    def reference(self) -> Runner:
        """The environment that this one is compared with."""
        return Runner(self.reference_run)

    @property
    def is_reference(self) -> bool:
        """Whether this cell is the one that others are compared with."""
        return self._measured.is_reference

    @property
    def route(self) -> tuple[str, ...]:
        """The steps from the source to the engine: source, conversions, compiler."""
        return self.case.way

    @property
    def run(self) -> CellRun:
        """What the run has of this cell."""
        return self._run

    @property
    def reference_run(self) -> CellRun:
        """What the run has of the reference."""
        return self._measured.reference.run

    @property
    def verdicts(self) -> Iterator[Verdict]:
        """All verdicts on it so far."""
        return all_verdicts(self.results)

    @hide_traceback
    def predict(self, inputs: LoadedInputs | HasInputs | NDArray[Any] | None = None) -> NDArray[Any]:
        """Scores, shape (N, classes), in the model's class order, as plain numpy; see `Runner.predict`."""
        found = super().predict(inputs)
        self.used = True
        return found

    @hide_traceback
    def call(self) -> Timing:
        """Run one input once and return the time it took in the worker."""
        timing = super().call()
        self.used = True
        return timing

    @hide_traceback
    def check(self, name: str, **limits: Any) -> Any:
        """Make a check by its name, one from outside too, and return its evidence.

        Limits that are not given are those of marker, conftest, command line or ini. Raises `EnvironmentMismatch`,
        `StageFailure`, or `DeclarationError` where there is no such check or limit.
        """
        return self._checked(check_named(name), limits)

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
        limits = {MIN_LABEL_AGREEMENT: min_agreement, BOUND: bound, TIES: ties}
        return self._checked(labels.CHECK, limits).comparison

    @hide_traceback
    def assert_accuracy(
        self,
        *,
        min_accuracy: float | None = None,
        max_accuracy_drop: float | None = None,
        bound: bool | None = None,
    ) -> AccuracyEvidence:
        """Assert that enough inputs are labeled right, or not many fewer than by the reference.

        Limits that are not given are those of marker, conftest, command line or ini; without any the accuracy is
        recorded only. With ``bound`` what the inputs show must keep them, not the shares of these inputs alone: too
        few of them are inconclusive. The reference has no drop. Raises `EnvironmentMismatch` or `StageFailure`, and
        `DeclarationError` where the true classes are not known.
        """
        limits = {MIN_ACCURACY: min_accuracy, MAX_ACCURACY_DROP: max_accuracy_drop, ACCURACY_BOUND: bound}
        return self._checked(accuracy.CHECK, limits)

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
        limits = {
            MAX_ABS_ERROR: max_abs_error,
            MAX_RELATIVE_ERROR: max_relative_error,
            MAX_FIDELITY_RATIO: max_fidelity_ratio,
        }
        return self._checked(scores.CHECK, limits)

    @hide_traceback
    def assert_calibrated(self, *, max_classes_off: int | None = None) -> Calibration | None:
        """Assert that no class's scores are off from the reference's systematically, beyond what all classes are.

        As a bias of one class makes them, or two classes that are swapped, where no input is near these. The limit is
        ``max_classes_off`` or, where it is ``None``, that of marker, conftest, command line or ini, or 0. Inconclusive,
        and ``None``, where nothing can be told. Raises `EnvironmentMismatch` or `StageFailure`.
        """
        return self._checked(calibration.CHECK, {MAX_CLASSES_OFF: max_classes_off})

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
        limits = {
            MAX_LATENCY_MS: max_ms,
            MAX_LATENCY_P90_MS: max_p90_ms,
            MAX_LATENCY_P99_MS: max_p99_ms,
            MAX_LATENCY_RATIO: max_ratio,
            MAX_LATENCY_REGRESSION: max_regression,
        }
        axes = Axes.of(batch_sizes, threads, CALL_ARGUMENT)
        return self._checked(latency.CHECK, limits, {latency.AXES: axes}).own

    @hide_traceback
    def measure_latency(self, *, calls: int = 0) -> LatencyEvidence:
        """Measure the time of a call as `assert_latency` does, and hold it against no limit.

        At least ``calls`` calls, as far as the time budget goes, and at the cell's own point of the axes alone. Raises
        `StageFailure`.
        """
        found = self._measured.timed(self._run.base_point, self._measured.effort(calls))
        self.results.append(latency.alone(found, self._family(latency.CHECK, {})))
        self.used = True
        return found

    @hide_traceback
    def assert_repeatable(self) -> Invariant:
        """Assert that the same session gives the same scores again, bit for bit."""
        return self._checked(repetition.CHECK)

    @hide_traceback
    def assert_order_independent(self) -> Invariant:
        """Assert that an input gets the same scores, but for rounding, whatever was run before it.

        In the same session and in a fresh one. Raises `Unavailable` where one call takes all inputs.
        """
        return self._checked(order.CHECK)

    @hide_traceback
    def assert_batch_independent(self, *, batch: int | None = None, max_abs_error: float | None = None) -> Invariant:
        """Assert that inputs in batches, of 8 or of ``batch``, get the labels and scores that they get one by one.

        ``max_abs_error`` bounds the difference of the scores, in their own unit; without it rounding must explain it.
        """
        return self._checked(batches.CHECK, arguments={BATCH: batch, LARGEST_DIFFERENCE: max_abs_error})

    @hide_traceback
    def assert_position_independent(self, *, batch: int | None = None, max_abs_error: float | None = None) -> Invariant:
        """Assert that an input gets the same label and scores wherever in a batch it stands, and beside which others.

        ``max_abs_error`` is as for `assert_batch_independent`.
        """
        return self._checked(position.CHECK, arguments={BATCH: batch, LARGEST_DIFFERENCE: max_abs_error})

    @hide_traceback
    def assert_finite(self) -> Invariant:
        """Assert that no score is NaN or infinite."""
        return self._checked(finite.CHECK)

    @hide_traceback
    def assert_probabilities(self) -> Invariant:
        """Assert that scores which claim to be probabilities are: between 0 and 1, each input's sum 1."""
        return self._checked(probabilities.CHECK)

    @hide_traceback
    def assert_inputs_untouched(self) -> Invariant:
        """Assert that the model does not write into the inputs that it is given."""
        return self._checked(untouched.CHECK)

    def _checked(
        self,
        check: Check[Evidence],
        limits: Mapping[str, Any] | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> Evidence:
        """Measure, judge, keep what came of it, and raise where a verdict must fail the test."""
        if check.needs_truth:
            self.case.model.check_knows_truth()
        all_limits = self._limits(check, _given(limits))
        asked = Asked(all_limits, _given(arguments), self._family(check, all_limits))
        evidence = check.measure(self._measured, asked)
        self.used = self.used or check.compares(evidence, is_reference=self.is_reference)
        result = Result(check, evidence, check.judge(evidence, asked, self._subject))
        self.results.append(result)
        self._raise_if_failing(result.verdicts)
        return evidence

    def _limits(self, check: Check[Any], given: Mapping[str, Any]) -> dict[str, Limit]:
        layers: list[Layer] = [Thresholds.of_call(given), *self._layers]
        found = limits_of(check, self.environment.id, layers)
        not_here = {kind.name for kind in check.limits if self.is_reference and not kind.of_reference}
        return {name: limit for name, limit in found.items() if name not in not_here}

    def family(self, check: str = "") -> schema.Family:
        """The cells of its model that are asked that check, or whatever this one was asked."""
        asked = check or next((result.check.name for result in self.results), "")
        return self._families.of(self.case, asked)

    def _family(self, check: Check[Any], limits: Mapping[str, Limit]) -> Family:
        """The cells that a verdict is one of; against an earlier run the reference is a cell as any other."""
        with_reference = check.judges_reference(limits) or self._has_earlier
        return family_of(self.family(check.name), with_reference=with_reference)

    @property
    def _subject(self) -> Subject:
        """What a verdict's message speaks of."""
        case = self.case
        return Subject(case.model_name, case.environment.id, case.reference.id, self.route, self._rerun)

    def _raise_if_failing(self, verdicts: Sequence[Verdict]) -> None:
        """Raise where one of them must fail the test: all that failed are told at once."""
        failing = [
            verdict
            for verdict in verdicts
            if verdict.status is Status.FAILED or (self._is_strict and verdict.status is not Status.PASSED)
        ]
        if failing:
            raise_unless_passed(replace(failing[0], message="\n".join(verdict.message for verdict in failing)))


def _given(values: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (values or {}).items() if value is not None}
