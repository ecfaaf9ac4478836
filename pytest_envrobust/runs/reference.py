"""What a run knows of an environment because others are compared with it: its noise, and what the inputs can tell."""

from __future__ import annotations

from pytest_envrobust.comparison.accuracy import doubt_of
from pytest_envrobust.comparison.adequacy import Adequacy
from pytest_envrobust.comparison.steadiness import LIKELY_CAUSES, OwnChange
from pytest_envrobust.core.errors import StageFailure
from pytest_envrobust.core.lazy import Lazy
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.models.guessing import is_guess
from pytest_envrobust.models.inputs import ALL_IDENTICAL
from pytest_envrobust.runs.cell_run import CellRun
from pytest_envrobust.runs.context import RunContext
from pytest_envrobust.runs.fault_seeding import adequacy_of
from pytest_envrobust.runs.steadiness import Steadiness


class Reference:
    """A cell that others of its model are compared with."""

    def __init__(self, run: CellRun, steadiness: Steadiness, context: RunContext) -> None:
        self.run = run
        self._steadiness, self._context = steadiness, context
        self._adequacy = Lazy(self._found_adequacy)

    def check_repeatable(self) -> None:
        """Run it again. Raises `StageFailure` where that changes its own labels: nothing can be compared with them."""
        if self.run.is_recorded:
            return
        change = self._steadiness.again(len(self.run.model_run.inputs))
        if change.changes_labels:
            raise StageFailure(
                f"the reference {self.run.environment.id} is not repeatable",
                stage=Stage.RUN,
                status=Status.FAILED,
                cause=f"its own {change}: nothing can be compared with them",
                remedy=f"{LIKELY_CAUSES}; or choose another reference with --envrobust-reference",
            )

    @property
    def changes(self) -> tuple[OwnChange, ...]:
        """How it differs from itself: run again, with other threads, in other batches; none where nothing can run."""
        return () if self.run.is_recorded else self._steadiness.changes(len(self.run.model_run.inputs))

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
