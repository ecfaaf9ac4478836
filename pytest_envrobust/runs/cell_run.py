"""What a run has of a cell: its live session and its predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.axes import Point
from pytest_envrobust.core.digests import output_digest
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import StageFailure, Unavailable
from pytest_envrobust.core.lazy import Lazy
from pytest_envrobust.core.sources import input_spec
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.core.timing import Timing
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.models.plain_arrays import plain_array
from pytest_envrobust.planning.catalogue import Plan
from pytest_envrobust.runs.context import RunContext
from pytest_envrobust.runs.model_run import ModelRun
from pytest_envrobust.workers.sessions import LiveSession, SessionOutput
from pytest_envrobust.workers.transport import Handle

PIECE = 256
"""Inputs that are copied at once where they are run in another order."""


class CellRun:
    """A model in an environment: its live session and its predictions, each made once."""

    def __init__(self, model_run: ModelRun, environment: Environment, context: RunContext) -> None:
        self.model_run, self.environment = model_run, environment
        self._context = context
        native = model_run.model.native
        self._plan = Lazy(lambda: context.catalogue.plan(environment, native))
        self._session = Lazy(self._open)
        self._control = Lazy(self._open_control)
        self._predictions = Lazy(self._predict)
        self._digest = Lazy(lambda: output_digest(self.predictions.scores))
        self._parts: list[SessionOutput] = []

    @property
    def is_recorded(self) -> bool:
        """Whether its predictions were recorded elsewhere: there is no session, and no time."""
        return self.environment.is_recorded

    @property
    def plan(self) -> Plan:
        """How its environment is reached. Raises as `Catalogue.plan` does."""
        return self._plan.value

    @property
    def session(self) -> LiveSession:
        """The live session, prepared when first asked for."""
        return self._session.value

    @property
    def predictions(self) -> SessionOutput:
        """Scores in the model's class order, (N, classes), for the model's own inputs; times; evidence."""
        return self._predictions.value

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
        if self.has_predictions:
            return self.predictions.evidence
        return self._parts[-1].evidence if self._parts else None

    @property
    def has_predictions(self) -> bool:
        """Whether the predictions are there already."""
        return self._predictions.done is not None

    @property
    def digest(self) -> str:
        """Digest of the scores, the same for environments whose outputs are bit-identical."""
        return self._digest.value

    def predict(self, inputs: LoadedInputs | NDArray[Any]) -> NDArray[Any]:
        """Scores for other inputs: a batch as the source takes it, or inputs to be prepared for it."""
        key = self.environment.source
        if isinstance(inputs, LoadedInputs) and inputs is self.model_run.inputs:
            return np.array(self.predictions.scores)
        if self.is_recorded:
            raise _nothing_runs(self.environment)
        if isinstance(inputs, LoadedInputs):
            inputs = self.model_run.batch(key, inputs)
        batch = self.model_run.fed(key, plain_array(inputs), tells=False)
        with self._context.scratch.lend(batch) as handle:
            return self.in_class_order(self.session.run(handle).scores)

    def first_scores(self, count: int) -> NDArray[Any]:
        """Scores of the first ``count`` inputs, in the model's class order; of the others nothing is run.

        Where that is all of them, they are the predictions from then on.
        """
        is_all = count >= len(self.model_run.inputs)
        if self.has_predictions or self.is_recorded or (is_all and not self._parts):
            return self.predictions.scores[:count]
        done = sum(len(part.scores) for part in self._parts)
        if count > done:
            batch = self.model_run.batch(self.environment.source)
            with self._context.scratch.lend(batch[done:count]) as handle:
                self._parts.append(self._ordered(self.session.run(handle), own=count - done >= self.count))
        return self.predictions.scores if is_all else np.concatenate([part.scores for part in self._parts])[:count]

    def run_again(self, session: LiveSession | None = None) -> NDArray[Any]:
        """Scores of all inputs from another run of its session, or of another one of the same."""
        return self._ordered((session or self.session).run(self.handle)).scores

    def first_again(self, count: int, session: LiveSession | None = None) -> NDArray[Any]:
        """The same of the first ``count`` inputs."""
        if count >= len(self.model_run.inputs):
            return self.run_again(session)
        batch = self.model_run.batch(self.environment.source)
        with self._context.scratch.lend(batch[:count]) as handle:
            return self._ordered((session or self.session).run(handle)).scores

    def first_in_one_call(self, count: int) -> NDArray[Any] | None:
        """Scores of the first ``count`` inputs from one call; ``None`` where its session takes no such call."""
        if not self.session.takes_batch(count):
            return None
        batch = self.model_run.batch(self.environment.source)
        with self._context.scratch.lend(batch[:count]) as handle:
            return self._ordered(self.session.run(handle, count)).scores

    def in_other_order(
        self, count: int, calls: Callable[[int], NDArray[np.intp]], *, fresh: bool = False
    ) -> NDArray[Any]:
        """Scores of the first ``count`` inputs, (``count``, classes), whose calls are made in another order.

        Each call has the inputs that it has anyway. ``calls`` gives the order of so many; ``fresh`` means in a session
        that begins with them. It gets a piece at a time, as a copy of all inputs may not fit into memory.
        """
        batch, size = self.model_run.batch(self.environment.source), self._spec.batch
        rows = np.minimum(np.arange(-(-count // size) * size), count - 1).reshape(-1, size)
        order, at_once = calls(len(rows)), max(1, PIECE // size)
        found, session = [], self._prepared(self.base_point) if fresh else self.session
        try:
            for start in range(0, len(order), at_once):
                with self._context.scratch.lend(batch[rows[order[start : start + at_once]].ravel()]) as handle:
                    found.append(self._ordered(session.run(handle)).scores)
        finally:
            if fresh:
                session.close()
        by_call = np.concatenate(found).reshape(len(rows), size, -1)
        return by_call[np.argsort(order)].reshape(len(rows) * size, -1)[:count]

    def scores_of(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Scores of other inputs, as the source takes them, from its session."""
        with self._context.scratch.lend(np.ascontiguousarray(inputs)) as handle:
            return self.in_class_order(self.session.run(handle).scores)

    def scores_at(self, batch: int, inputs: NDArray[Any] | None = None) -> NDArray[Any]:
        """Scores of all inputs, or of others as the source takes them, run ``batch`` at a time.

        Raises `Unavailable` where the source, or what it is converted to, has another batch written into it.
        """
        point = Point(batch, self.session.threads)
        own = self.session if batch == self._spec.batch else None
        session = own or self._prepared(point)
        try:
            if inputs is None:
                return self.run_again(session)
            with self._context.scratch.lend(np.ascontiguousarray(inputs)) as handle:
                return self._ordered(session.run(handle)).scores
        finally:
            if own is None:
                session.close()

    def sample(self, first: int, calls: int) -> Timing:
        """Time single calls on successive inputs."""
        return self.session.sample(self.handle, first, calls)

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
        declared = self.model_run.inspection(self.environment.source).input
        if declared is not None and declared.shape[0] not in (None, point.batch):
            raise _takes_another(self.environment, point, f"its source takes batches of {declared.batch}")
        self._context.say(f"prepare {self.model_run.name} in {self.environment.id} for {point}")
        spec = self._spec.with_batch(point.batch)
        source = self.model_run.source(self.environment.source)
        session = self._context.session_builder.open(self.plan, source, spec, point.threads)
        if not session.takes_batch(point.batch):
            session.close()
            raise _takes_another(self.environment, point, "what it is converted to has another one written into it")
        return session

    @property
    def control(self) -> LiveSession:
        """A second session beside its own, in a worker that stays until the run's end: the A/A control."""
        return self._control.value

    @property
    def known_flips(self) -> dict[int, str]:
        """The reasons of the flips that the ledger lists, by the input's place."""
        ledger, names = self._context.settings.ledger, self.model_run.names
        found: dict[int, str] = {}
        for name in names:
            if any(entry.covers(name, self.environment.id) for entry in ledger.entries):
                # only here are the inputs' digests needed
                found |= ledger.known(name, self.environment.id, self.model_run.inputs.digests, date.today())
        return found

    @property
    def handle(self) -> Handle:
        """The model's own inputs as its source takes them, where workers can map them."""
        return self.model_run.handle(self.environment.source)

    def _open(self) -> LiveSession:
        if self.is_recorded:
            raise _nothing_runs(self.environment)
        builder = self._context.session_builder
        plan = self.plan
        if plan.absent is not None:
            raise plan.absent
        key = self.environment.source
        self._context.say(f"prepare {self.model_run.name} in {self.environment.id}")
        return builder.open(plan, self.model_run.source(key), self._spec)

    def _open_control(self) -> LiveSession:
        control = self.session.again()
        control.pin()
        return control

    @property
    def _spec(self) -> TensorSpec:
        key = self.environment.source
        return input_spec(self.model_run.batch(key), self.model_run.inspection(key))

    def _predict(self) -> SessionOutput:
        truth = self.model_run.read_truth()  # one that cannot be read is told at once
        if self.is_recorded:
            found = self._recorded()
        elif sum(len(part.scores) for part in self._parts) >= len(self.model_run.inputs) > 0:
            found = _joined(self._parts)
        else:
            found = self._ordered(self.session.run(self.handle))
        if truth is not None:
            truth.check_fits(found.scores.shape[1])
        return self._kept(found)

    def _kept(self, found: SessionOutput) -> SessionOutput:
        """The predictions, of which large ones stay in the file that they are kept in, mapped."""
        return replace(found, scores=self._context.predictions.keep(output_digest(found.scores), found.scores))

    def _ordered(self, found: SessionOutput, *, own: bool = True) -> SessionOutput:
        return replace(found, scores=self.in_class_order(found.scores, own=own))

    def _recorded(self) -> SessionOutput:
        path, loaded = self.model_run.recorded(self.environment.source)
        scores = loaded.for_inputs(self.model_run.inputs.names, path)
        return SessionOutput(scores, Timing.of([], []), {"recorded": path})

    def in_class_order(self, scores: NDArray[Any], *, own: bool = False) -> NDArray[Any]:
        """The scores without the leading classes that the source has and the model has not.

        One number for each input becomes scores of classes first. ``own``: they are for the model's own inputs, all
        that are run here: what the numbers are is told from those alone.
        """
        if scores.shape[1] == 1:
            own_numbers = (lambda: scores) if own else self._own_numbers
            scores = self.model_run.answer(self.environment.source, own_numbers).scores(scores)
        offset = self.model_run.model.source(self.environment.source).label_offset
        if offset >= scores.shape[1]:
            raise StageFailure(
                f"read the scores of {self.environment.id}",
                stage=Stage.RUN,
                status=Status.FAILED,
                cause=f"label_offset={offset} leaves no class of {scores.shape[1]}",
            )
        return scores[:, offset:]

    def _own_numbers(self) -> NDArray[Any]:
        """The one number that the source gives for each of the model's inputs that are run here, (`count`, 1)."""
        batch = self.model_run.batch(self.environment.source)
        with self._context.scratch.lend(batch[: self.count]) as handle:
            return self.session.run(handle).scores


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
