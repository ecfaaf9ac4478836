"""Assertions on a single environment: what must hold of it whatever the others give."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np

from pytest_envrobust.checks import invariants
from pytest_envrobust.checks.invariants import Invariant
from pytest_envrobust.core.errors import Unavailable
from pytest_envrobust.runs.cell_run import CellRun
from pytest_envrobust.runs.runner import Runner, hide_traceback

LARGEST_BATCH = 8
"""Inputs a call where those of one call are compared with those of several."""


class InvariantAssertions(Runner):
    """The part of a cell that asserts what holds of its environment alone.

    Each raises `EnvironmentMismatch`, an `AssertionError`, where the invariant is broken, `StageFailure` where the
    environment cannot run, and `Unavailable` where it cannot be asked so: a fixed batch, recorded predictions.
    """

    invariants: list[Invariant]

    @property
    @abstractmethod
    def reference(self) -> Runner:
        """The environment that this one is compared with."""

    @abstractmethod
    def _hold(self, invariant: Invariant) -> Invariant:
        """Settle the verdict on an invariant."""

    @hide_traceback
    def assert_repeatable(self) -> Invariant:
        """Assert that the same session gives the same scores again, bit for bit."""
        run = self._live("run again")
        return self._hold(
            invariants.same_scores(invariants.REPETITION, run.predictions.scores, run.run_again(), "when run again")
        )

    @hide_traceback
    def assert_batch_independent(self, *, batch: int = LARGEST_BATCH, max_abs_error: float | None = None) -> Invariant:
        """Assert that inputs in batches get the labels that they get one by one.

        ``max_abs_error`` bounds the difference of the scores too, in their own unit.
        """
        run = self._live("run in batches")
        single, several = run.scores_at(1), run.scores_at(batch)
        how = f"in batches of {batch}"
        return self._hold(invariants.same_labels(invariants.BATCH, single, several, how, max_abs_error))

    @hide_traceback
    def assert_position_independent(
        self, *, batch: int = LARGEST_BATCH, max_abs_error: float | None = None
    ) -> Invariant:
        """Assert that an input gets the same label wherever in a batch it stands."""
        run = self._live("run in batches")
        inputs = run.model_run.batch(run.environment.source_framework)
        moved = np.roll(run.scores_at(batch, np.roll(inputs, 1, axis=0)), -1, axis=0)
        how = f"one place further in batches of {batch}"
        return self._hold(invariants.same_labels(invariants.POSITION, run.scores_at(batch), moved, how, max_abs_error))

    @hide_traceback
    def assert_finite(self) -> Invariant:
        """Assert that no score is NaN or infinite."""
        return self._hold(invariants.finite(invariants.FINITE, self._run.predictions.scores))

    @hide_traceback
    def assert_probabilities(self) -> Invariant:
        """Assert that scores which claim to be probabilities are: between 0 and 1, each input's sum 1."""
        reference = self.reference.predict()
        return self._hold(invariants.probabilities(invariants.PROBABILITIES, self._run.predictions.scores, reference))

    @hide_traceback
    def assert_inputs_untouched(self) -> Invariant:
        """Assert that the model does not write into the inputs that it is given."""
        written = self._live("fed").predictions.evidence.get("input")
        said = f"the input was {written}" if written else "the input was the same after the call as before"
        return self._hold(Invariant(invariants.UNTOUCHED, not written, said))

    def _live(self, how: str) -> CellRun:
        if self._run.is_recorded:
            raise Unavailable(f"{self._run.environment.id} cannot be {how}", cause="its predictions were recorded")
        return self._run


CHECKS: dict[str, Callable[[InvariantAssertions], Invariant]] = {
    invariants.REPETITION: InvariantAssertions.assert_repeatable,
    invariants.BATCH: InvariantAssertions.assert_batch_independent,
    invariants.POSITION: InvariantAssertions.assert_position_independent,
    invariants.FINITE: InvariantAssertions.assert_finite,
    invariants.PROBABILITIES: InvariantAssertions.assert_probabilities,
    invariants.UNTOUCHED: InvariantAssertions.assert_inputs_untouched,
}
"""The assertion of each invariant, for checks without test code."""
