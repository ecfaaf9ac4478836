"""What a run has of a cell: its live session, its predictions and times."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.adequacy import Adequacy
from pytest_envrobust.comparison.blocks import largest_difference_of
from pytest_envrobust.core.axes import Point
from pytest_envrobust.core.digests import output_digest
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import EnvrobustError, StageFailure, Unavailable
from pytest_envrobust.core.sources import input_spec
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.core.timing import Timing
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.planning.catalogue import Plan
from pytest_envrobust.runs.fault_seeding import adequacy_of
from pytest_envrobust.runs.memo import Memo
from pytest_envrobust.runs.model_run import ModelRun
from pytest_envrobust.runs.timing import time_cell
from pytest_envrobust.timing.evidence import LatencyEvidence
from pytest_envrobust.timing.sampling import Effort
from pytest_envrobust.workers.sessions import LiveSession, SessionOutput
from pytest_envrobust.workers.transport import Handle

if TYPE_CHECKING:
    from pytest_envrobust.runs.laboratory import Laboratory


OTHER_BATCH = 4
"""Inputs a call where the noise is measured of what is usually given one a call."""


class CellRun:
    """A model in an environment: its live session, its predictions and times."""

    def __init__(self, model_run: ModelRun, environment: Environment, laboratory: Laboratory) -> None:
        self.model_run, self.environment = model_run, environment
        self._laboratory = laboratory
        self._memo = Memo()

    @property
    def is_recorded(self) -> bool:
        """Whether its predictions were recorded elsewhere: there is no session, and no time."""
        return self.environment.is_recorded

    @property
    def plan(self) -> Plan:
        catalogue = self._laboratory.catalogue
        native = self.model_run.model.native
        return self._memo("plan", lambda: catalogue.plan(self.environment, native))

    @property
    def session(self) -> LiveSession:
        """The live session, prepared when first asked for."""
        return self._memo("session", self._open)

    @property
    def predictions(self) -> SessionOutput:
        """Scores in the model's class order, (N, classes), for the model's own inputs; times; evidence."""
        return self._memo("predictions", self._predict)

    @property
    def is_emulated(self) -> bool:
        """Whether its processor is."""
        return not self.is_recorded and self.plan.place.is_emulated

    @property
    def count(self) -> int:
        """How many of the model's inputs are run here: all of them, unless the device has a limit of its own."""
        total = len(self.model_run.inputs)
        most = None if self.is_recorded else self.plan.place.inputs
        return total if most is None else min(total, most)

    @property
    def scores(self) -> NDArray[Any]:
        """Scores in the model's class order, (`count`, classes), for the first of the model's inputs."""
        return self.first_scores(self.count)

    @property
    def evidence(self) -> Mapping[str, str] | None:
        """What proves that it ran as asked; ``None`` where nothing has run."""
        parts: list[SessionOutput] = self._memo.done("parts") or []
        if self.has_predictions:
            return self.predictions.evidence
        return parts[-1].evidence if parts else None

    @property
    def has_predictions(self) -> bool:
        """Whether the predictions are there already."""
        return self._memo.done("predictions") is not None

    @property
    def digest(self) -> str:
        """Digest of the scores, the same for environments whose outputs are bit-identical."""
        return self._memo("digest", lambda: output_digest(self.predictions.scores))

    def predict(self, inputs: LoadedInputs | NDArray[Any]) -> NDArray[Any]:
        """Scores for other inputs: a batch as the source takes it, or inputs to be prepared for it."""
        framework = self.environment.source_framework
        if isinstance(inputs, LoadedInputs) and inputs is self.model_run.inputs:
            return np.array(self.predictions.scores)
        if self.is_recorded:
            raise _nothing_runs(self.environment)
        if isinstance(inputs, LoadedInputs):
            inputs = self.model_run.batch(framework, inputs)
        with self._laboratory.scratch.lend(np.asarray(inputs)) as handle:
            return self.in_class_order(self.session.run(handle).scores)

    def first_scores(self, count: int) -> NDArray[Any]:
        """Scores of the first ``count`` inputs, in the model's class order; of the others nothing is run.

        Where that is all of them, they are the predictions from then on.
        """
        nothing_ran = self._memo.done("parts") is None
        if self.has_predictions or self.is_recorded or (nothing_ran and count >= len(self.model_run.inputs)):
            return self.predictions.scores[:count]
        parts: list[SessionOutput] = self._memo("parts", list)
        done = sum(len(part.scores) for part in parts)
        if count > done:
            batch = self.model_run.batch(self.environment.source_framework)
            with self._laboratory.scratch.lend(batch[done:count]) as handle:
                parts.append(self._ordered(self.session.run(handle)))
            if count >= len(batch):
                self._memo("predictions", lambda: self._kept(_joined(parts)))
                return self.predictions.scores
        return np.concatenate([part.scores for part in parts])

    def run_again(self) -> NDArray[Any]:
        """Scores of all inputs from another run of the same session."""
        return self._ordered(self.session.run(self.handle)).scores

    def scores_at(self, batch: int, inputs: NDArray[Any] | None = None) -> NDArray[Any]:
        """Scores of all inputs, or of others as the source takes them, run ``batch`` at a time.

        Raises `Unavailable` where the source, or what it is converted to, has another batch written into it.
        """
        point = Point(batch, self.session.threads)
        own = self.session if batch == self._spec.batch else None
        session = own or self._prepared(point)
        try:
            if inputs is None:
                return self._ordered(session.run(self.handle)).scores
            with self._laboratory.scratch.lend(np.ascontiguousarray(inputs)) as handle:
                return self._ordered(session.run(handle)).scores
        finally:
            if own is None:
                session.close()

    def sample(self, first: int, calls: int) -> Timing:
        """Time single calls on successive inputs."""
        return self.session.sample(self.handle, first, calls)

    def timed(self, reference: CellRun | None, point: Point, effort: Effort) -> LatencyEvidence:
        """Its time at a point of the axes, beside the reference or alone; each measured once a run.

        Raises `Unavailable` where it cannot take that batch.
        """

        def measure() -> LatencyEvidence:
            for run in (self, reference):
                if run is not None:
                    run.get_ready()
            return time_cell(self._laboratory, self, reference, point, effort)

        other = None if reference is None else reference.environment
        return self._memo(("timed", other, point, effort), measure)

    @property
    def base_point(self) -> Point:
        """The batch and the threads with which the labels are compared. Raises `Unavailable` where nothing runs."""
        threads = self.session.threads  # first: what cannot be opened has no source that could be asked for its batch
        return Point(self._spec.batch, threads)

    def session_at(self, point: Point) -> LiveSession:
        """A session that takes that batch with so many threads: its own one where that will do, else a new one.

        Raises `Unavailable` where the source, or what it is converted to, has another batch written into it.
        """
        own = self.session
        if point.threads == own.threads and own.takes_batch(point.batch):
            return own
        return self._prepared(point)

    def _prepared(self, point: Point) -> LiveSession:
        """A new session that is made for that batch, with so many threads."""
        declared = self.model_run.inspection(self.environment.source_framework).input
        if declared is not None and declared.shape[0] not in (None, point.batch):
            raise _takes_another(self.environment, point, f"its source takes batches of {declared.batch}")
        self._laboratory.say(f"prepare {self.model_run.model.name} in {self.environment.id} for {point}")
        spec = self._spec.with_batch(point.batch)
        source = self.model_run.source(self.environment.source_framework)
        session = self._laboratory.workshop.open(self.plan, source, spec, point.threads)
        if not session.takes_batch(point.batch):
            session.close()
            raise _takes_another(self.environment, point, "what it is converted to has another one written into it")
        return session

    @property
    def control(self) -> LiveSession:
        """A second session beside its own, in a worker that stays until the run's end: the A/A control."""

        def open_control() -> LiveSession:
            control = self.session.again()
            control.pin()
            return control

        return self._memo("control", open_control)

    def noise(self) -> float | None:
        """Largest score difference of this environment to itself: run again, with other threads, in other batches.

        ``None`` where nothing can be run again.
        """
        return None if self.is_recorded else self._memo("noise", self._noise)

    @property
    def known_flips(self) -> dict[int, str]:
        """The reasons of the flips that the ledger lists, by the input's place."""
        ledger, name = self._laboratory.settings.ledger, self.model_run.model.name
        if not any(entry.covers(name, self.environment.id) for entry in ledger.entries):
            return {}
        return ledger.known(name, self.environment.id, self.model_run.inputs.digests, date.today())

    @property
    def adequacy(self) -> Adequacy | None:
        """What the model's inputs can tell where this environment is the reference; ``None`` where nothing can be.

        Of several processes of a run the first that asks finds out, and the record knows it from there. The others do
        without, unless a verdict rests on it.
        """
        return self._memo("adequacy", self._adequacy)

    @property
    def known_adequacy(self) -> Adequacy | None:
        """The same where it was asked for already."""
        found: Adequacy | None = self._memo.done("adequacy")
        return found

    @property
    def handle(self) -> Handle:
        """The model's own inputs as its source takes them, where workers can map them."""
        return self.model_run.handle(self.environment.source_framework)

    def _adequacy(self) -> Adequacy | None:
        laboratory = self._laboratory
        task = f"adequacy {self.model_run.model.name} {self.digest}"
        needed = laboratory.settings.strict or laboratory.is_first_with(task)
        return adequacy_of(self, laboratory) if needed else None

    def _open(self) -> LiveSession:
        if self.is_recorded:
            raise _nothing_runs(self.environment)
        workshop = self._laboratory.workshop
        plan = self.plan
        if plan.absent is not None:
            raise plan.absent
        framework = self.environment.source_framework
        self._laboratory.say(f"prepare {self.model_run.model.name} in {self.environment.id}")
        return workshop.open(plan, self.model_run.source(framework), self._spec)

    @property
    def _spec(self) -> TensorSpec:
        framework = self.environment.source_framework
        return input_spec(self.model_run.batch(framework), self.model_run.inspection(framework))

    def _predict(self) -> SessionOutput:
        _ = self.model_run.truth  # one that cannot be read is told at once
        return self._kept(self._recorded() if self.is_recorded else self._ordered(self.session.run(self.handle)))

    def _kept(self, found: SessionOutput) -> SessionOutput:
        """The predictions, of which large ones stay in the file that they are kept in, mapped."""
        return replace(found, scores=self._laboratory.kept.keep(output_digest(found.scores), found.scores))

    def _ordered(self, found: SessionOutput) -> SessionOutput:
        return replace(found, scores=self.in_class_order(found.scores))

    def _recorded(self) -> SessionOutput:
        path, loaded = self.model_run.recorded(self.environment.framework)
        scores = loaded.for_inputs(self.model_run.inputs.names, path)
        return SessionOutput(scores, Timing.of([], []), {"recorded": path})

    def in_class_order(self, scores: NDArray[Any]) -> NDArray[Any]:
        """The scores without the leading classes that the source has and the model has not."""
        offset = self.model_run.model.source(self.environment.source_framework).label_offset
        if offset >= scores.shape[1]:
            raise StageFailure(
                f"read the scores of {self.environment.id}",
                stage=Stage.RUN,
                status=Status.FAILED,
                cause=f"label_offset={offset} leaves no class of {scores.shape[1]}",
            )
        return scores[:, offset:]

    def get_ready(self) -> None:
        """Run all inputs before one is timed: nothing is prepared under the lock, what gives no scores is not timed."""
        _ = self.scores

    def _noise(self) -> float:
        scores = self.predictions.scores
        differences = [largest_difference_of(scores, again) for again in self._harmlessly_changed()]
        return max((found for found in differences if math.isfinite(found)), default=0.0)

    def _harmlessly_changed(self) -> Iterator[NDArray[Any]]:
        """Scores of the same inputs: run again, with another thread count, in batches of another size."""
        yield self.run_again()
        threads = 2 if self._laboratory.workshop.threads == 1 else 1
        try:
            other = self.session.with_threads(threads)
            yield self._ordered(other.run(self.handle)).scores
            other.close()
        except EnvrobustError:
            self._laboratory.say(f"{self.environment.id} could not be run with {threads} threads")
        batch = OTHER_BATCH if self._spec.batch == 1 else 1
        try:
            yield self.scores_at(batch)
        except EnvrobustError:
            self._laboratory.say(f"{self.environment.id} could not be run at batch {batch}")


def _nothing_runs(environment: Environment) -> Unavailable:
    return Unavailable(
        f"{environment.id} cannot run",
        cause="its predictions were recorded elsewhere, for the model's own inputs, without times",
    )


def _joined(parts: Sequence[SessionOutput]) -> SessionOutput:
    scores = np.concatenate([part.scores for part in parts])
    return SessionOutput(scores, Timing.joined([part.timing for part in parts]), parts[-1].evidence)


def _takes_another(environment: Environment, point: Point, cause: str) -> Unavailable:
    return Unavailable(f"{environment.id} cannot be timed at batch {point.batch}", cause=cause)
