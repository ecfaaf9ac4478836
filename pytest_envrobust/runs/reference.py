"""What a run knows of an environment because others are compared with it: its noise, and what the inputs can tell."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from pytest_envrobust.comparison.accuracy import doubt_of
from pytest_envrobust.comparison.adequacy import Adequacy
from pytest_envrobust.comparison.blocks import largest_difference_of
from pytest_envrobust.core.errors import EnvrobustError
from pytest_envrobust.core.lazy import Lazy
from pytest_envrobust.models.guessing import is_guess
from pytest_envrobust.models.inputs import ALL_IDENTICAL
from pytest_envrobust.runs.cell_run import CellRun
from pytest_envrobust.runs.context import RunContext
from pytest_envrobust.runs.fault_seeding import adequacy_of

OTHER_BATCH = 4
"""Inputs a call where the noise is measured of what is usually given one a call."""


class Reference:
    """A cell that others of its model are compared with."""

    def __init__(self, run: CellRun, context: RunContext) -> None:
        self.run = run
        self._context = context
        self._noise = Lazy(self._measured_noise)
        self._adequacy = Lazy(self._found_adequacy)

    @property
    def noise(self) -> float | None:
        """Largest score difference of the environment to itself: run again, with other threads, in other batches.

        ``None`` where nothing can be run again.
        """
        return None if self.run.is_recorded else self._noise.value

    @property
    def adequacy(self) -> Adequacy | None:
        """What the model's inputs can tell; ``None`` where nothing can be.

        Of several processes of a run the first that asks finds out, and the record knows it from there. The others do
        without, unless a verdict rests on it.
        """
        return self._adequacy.value

    @property
    def doubt(self) -> str:
        """What speaks against its labels' showing anything: inputs that are all one, or the true classes.

        Empty where nothing does.
        """
        model_run = self.run.model_run
        if model_run.inputs.are_all_identical:
            return ALL_IDENTICAL.format(len(model_run.inputs))
        truth, scores = model_run.read_truth(), self.run.predictions.scores
        if truth is None or not truth.is_known:
            return ""
        guess = model_run.guesses.get(self.run.environment.source, "")
        return doubt_of(scores, truth.classes, is_guessed=is_guess(guess))

    @property
    def known_adequacy(self) -> Adequacy | None:
        """The same where it was asked for already."""
        return self._adequacy.done

    def _found_adequacy(self) -> Adequacy | None:
        task = f"adequacy {self.run.model_run.name} {self.run.digest}"
        needed = self._context.settings.strict or self._context.is_first_with(task)
        return adequacy_of(self.run, self._context) if needed else None

    def _measured_noise(self) -> float:
        scores = self.run.predictions.scores
        differences = [largest_difference_of(scores, again) for again in self._harmlessly_changed()]
        return max((found for found in differences if math.isfinite(found)), default=0.0)

    def _harmlessly_changed(self) -> Iterator[NDArray[Any]]:
        """Scores of the same inputs: run again, with another thread count, in batches of another size."""
        run, name = self.run, self.run.environment.id
        yield run.run_again()
        threads = 2 if self._context.session_builder.threads == 1 else 1
        try:
            other = run.session.with_threads(threads)
            yield run.run_again(other)
            other.close()
        except EnvrobustError:
            self._context.say(f"{name} could not be run with {threads} threads")
        batch = OTHER_BATCH if run.base_point.batch == 1 else 1
        try:
            yield run.scores_at(batch)
        except EnvrobustError:
            self._context.say(f"{name} could not be run at batch {batch}")
