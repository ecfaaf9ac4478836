"""What a run has of each model and of each cell: made when first needed, kept, failures too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.digest import output_digest
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import EnvrobustError, StageFailure, Unavailable
from pytest_envrobust.core.sources import Inspection, SourceRef
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.core.timing import Timing
from pytest_envrobust.frameworks import frameworks
from pytest_envrobust.models.guessing import guessed_preprocess
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.models.model import Model
from pytest_envrobust.models.preprocess import Preprocess
from pytest_envrobust.models.recorded import LoadedPredictions
from pytest_envrobust.models.truth import Truth, truth_of
from pytest_envrobust.planning.catalogue import Plan
from pytest_envrobust.timing.sampling import Paired, alone, interleaved
from pytest_envrobust.workers.transport import Handle
from pytest_envrobust.workers.workshop import LiveSession, Predictions, input_spec

if TYPE_CHECKING:
    from pytest_envrobust.integration.laboratory import Laboratory

Made = TypeVar("Made")


class Memo:
    """Makes each thing once; what failed fails again with the same error."""

    def __init__(self) -> None:
        self._made: dict[object, Any] = {}

    def __call__(self, key: object, make: Callable[[], Made]) -> Made:
        if key not in self._made:
            try:
                self._made[key] = make()
            except EnvrobustError as error:
                self._made[key] = error
        found: Made | EnvrobustError = self._made[key]
        if isinstance(found, EnvrobustError):
            raise found
        return found

    def done(self, key: object) -> Any:
        """What was made under that key; ``None`` where it was not made, or failed."""
        made = self._made.get(key)
        return None if isinstance(made, EnvrobustError) else made


class ModelRun:
    """A model's inputs, decoded once, and the batch of each of its sources."""

    def __init__(self, model: Model, laboratory: Laboratory) -> None:
        self.model = model
        self.guesses: dict[str, str] = {}
        self._laboratory = laboratory
        self._memo = Memo()

    @property
    def inputs(self) -> LoadedInputs:
        """The inputs, decoded."""
        return self._memo("inputs", self.model.input_set.load)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        return self.model.class_names()

    @property
    def truth(self) -> Truth | None:
        """The inputs' true classes, where the declaration says how to find them."""
        how = self.model.input_set.truth
        return None if how is None else self._memo("truth", lambda: truth_of(how, self.inputs.names, self.class_names))

    def recorded(self, framework: str) -> tuple[str, LoadedPredictions]:
        """Path and content of the predictions recorded for that framework, as wide as the widest of the model's."""
        sources = {name: self.model.source(name).recorded for name in self.model.recorded}
        found = {
            name: self._memo(("recorded", name), source.load) for name, source in sources.items() if source is not None
        }
        classes = max(loaded.scores.shape[1] for loaded in found.values())
        return str(self.model.source(framework).target.path), found[framework].widened(classes)

    def source(self, framework: str) -> SourceRef:
        """What a worker needs to load that source."""
        return self._memo(("source", framework), lambda: self.model.source(framework).reference(framework))

    def inspection(self, framework: str) -> Inspection:
        """What that source says of itself."""
        return self._memo(("inspection", framework), lambda: self._laboratory.workshop.inspect(self.source(framework)))

    def batch(self, framework: str, inputs: LoadedInputs | None = None) -> NDArray[Any]:
        """The inputs (by default the model's own) as that source takes them, shape (N, ...)."""
        if inputs is None or inputs is self.inputs:
            return self._memo(("batch", framework), lambda: self._batch(framework, self.inputs))
        return self._batch(framework, inputs)

    def handle(self, framework: str) -> Handle:
        """The batch of the model's own inputs, where workers can map it; sources with equal batches share one."""

        def put() -> Handle:
            batch = self.batch(framework)
            return self._memo(("file", output_digest(batch)), lambda: self._laboratory.scratch.put(batch))

        return self._memo(("handle", framework), put)

    def described(self) -> dict[str, Any]:
        """What the record says of the model: sources with their digests, inputs, guesses."""
        described: dict[str, Any] = {
            "name": self.model.name,
            "sources": {framework: self._described_source(framework) for framework in self.model.sources},
        }
        inputs: LoadedInputs | None = self._memo.done("inputs")
        if inputs is not None:
            described["inputs"] = list(inputs.names)
            if inputs.digests:
                described["input_digests"] = list(inputs.digests)
        if self.class_names:
            described["class_names"] = list(self.class_names)
        truth: Truth | None = self._memo.done("truth")
        if truth is not None:
            described |= {"truth": list(truth.classes), "truth_from": truth.origin}
        if self.guesses:
            described["guesses"] = self.guesses
        return described

    def _described_source(self, framework: str) -> dict[str, Any]:
        source = self.model.source(framework)
        recorded = source.recorded
        described: dict[str, Any] = {
            "target": str(source.target if recorded is None else recorded.path),
            "label_offset": source.label_offset if recorded is None else recorded.label_offset,
        }
        if inspection := self._memo.done(("inspection", framework)):
            described["digest"] = inspection.digest
        if preprocess := self._memo.done(("preprocess", framework)):
            described["preprocess"] = str(preprocess)
        if source.weights:
            described["weights"] = source.weights
        return described

    def _batch(self, framework: str, inputs: LoadedInputs) -> NDArray[Any]:
        return inputs.batch(self._preprocess(framework, inputs), frameworks()[framework].layout)  # type: ignore[arg-type]

    def _preprocess(self, framework: str, inputs: LoadedInputs) -> Preprocess | None:
        """The source's own or, where the user holds it fixed, the reference's, laid out as the source takes it."""
        own = self._native_preprocess(framework, inputs)
        whose = self._laboratory.preprocess_of(self.model, framework)
        used = own if whose == framework else self._native_preprocess(whose, inputs)
        if used is None:
            return None
        kept = used if whose == framework else replace(used, layout=own.layout if own is not None else None)
        return self._memo(("preprocess", framework), lambda: kept)

    def _native_preprocess(self, framework: str, inputs: LoadedInputs) -> Preprocess | None:
        declared = self.model.preprocess(framework)
        if declared is None and inputs.images is not None:
            return self._memo(("guess", framework), lambda: self._guess(framework))
        return declared

    def _guess(self, framework: str) -> Preprocess:
        settings = self._laboratory.settings
        inspection = self.inspection(framework)
        guess = guessed_preprocess(inspection.input, frameworks()[framework].layout, settings.preprocess, settings.size)
        if guess.text not in self.guesses.values():
            self._laboratory.say(f"{self.model.name}: {guess.text}")
        self.guesses[framework] = guess.text
        return guess.preprocess


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
    def predictions(self) -> Predictions:
        """Scores in the model's class order, (N, classes), for the model's own inputs; times; evidence."""
        return self._memo("predictions", self._predict)

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
            return self.predictions.scores.copy()
        if self.is_recorded:
            raise _nothing_runs(self.environment)
        if isinstance(inputs, LoadedInputs):
            inputs = self.model_run.batch(framework, inputs)
        with self._laboratory.scratch.lend(np.asarray(inputs)) as handle:
            return self._in_class_order(self.session.run(handle).scores)

    def sample(self, first: int, calls: int) -> Timing:
        """Time single calls on successive inputs."""
        return self.session.sample(self._handle, first, calls)

    def timed_with(self, reference: CellRun) -> Paired:
        """Times in interleaved pairs with the reference, once a run."""
        return self._memo(("paired", reference.environment), lambda: self._pairs(reference))

    def timed_alone(self) -> Timing:
        """Times by itself, once a run."""
        return self._memo("alone", self._alone)

    def noise(self) -> float | None:
        """Largest score difference between this environment and itself: run again, and with another thread count.

        ``None`` where nothing can be run again.
        """
        return None if self.is_recorded else self._memo("noise", self._noise)

    @property
    def _handle(self) -> Handle:
        return self.model_run.handle(self.environment.source_framework)

    def _open(self) -> LiveSession:
        if self.is_recorded:
            raise _nothing_runs(self.environment)
        workshop = self._laboratory.workshop
        plan = self.plan
        if plan.absent is not None:
            raise plan.absent
        framework = self.environment.source_framework
        self._laboratory.say(f"prepare {self.model_run.model.name} in {self.environment.id}")
        inspection = self.model_run.inspection(framework)
        spec = input_spec(self.model_run.batch(framework), inspection)
        return workshop.open(plan, self.model_run.source(framework), spec)

    def _predict(self) -> Predictions:
        _ = self.model_run.truth  # one that cannot be read is told at once
        found = self._recorded() if self.is_recorded else self._run()
        self._laboratory.kept.keep(output_digest(found.scores), found.scores)
        return found

    def _run(self) -> Predictions:
        found = self.session.run(self._handle)
        return replace(found, scores=self._in_class_order(found.scores))

    def _recorded(self) -> Predictions:
        path, loaded = self.model_run.recorded(self.environment.framework)
        scores = loaded.for_inputs(self.model_run.inputs.names, path)
        return Predictions(scores, Timing.of([], []), {"recorded": path})

    def _in_class_order(self, scores: NDArray[Any]) -> NDArray[Any]:
        offset = self.model_run.model.source(self.environment.source_framework).label_offset
        if offset >= scores.shape[1]:
            raise StageFailure(
                f"read the scores of {self.environment.id}",
                stage=Stage.RUN,
                status=Status.FAILED,
                cause=f"label_offset={offset} leaves no class of {scores.shape[1]}",
            )
        return scores[:, offset:]

    def _pairs(self, reference: CellRun) -> Paired:
        budget = self._laboratory.settings.time_budget
        self._get_ready()
        reference.session.pin()
        with self._laboratory.alone_on(self.environment.device):
            return interleaved(self.sample, reference.sample, budget=budget)

    def _get_ready(self) -> None:
        """Run all inputs before one is timed: nothing is prepared under the lock, what gives no scores is not timed."""
        self._memo("predictions", self._predict)

    def _alone(self) -> Timing:
        self._get_ready()
        with self._laboratory.alone_on(self.environment.device):
            return alone(self.sample, budget=self._laboratory.settings.time_budget)

    def _noise(self) -> float:
        scores = [self.predictions.scores]
        scores.append(self._in_class_order(self.session.run(self._handle).scores))
        threads = 2 if self._laboratory.workshop.threads == 1 else 1
        try:
            other = self.session.with_threads(threads)
            scores.append(self._in_class_order(other.run(self._handle).scores))
            other.close()
        except EnvrobustError:
            self._laboratory.say(f"{self.environment.id} could not be run with {threads} threads")
        differences = [_largest(scores[0], again) for again in scores[1:]]
        return max(differences)


def _nothing_runs(environment: Environment) -> Unavailable:
    return Unavailable(
        f"{environment.id} cannot run",
        cause="its predictions were recorded elsewhere, for the model's own inputs, without times",
    )


def _largest(one: NDArray[Any], other: NDArray[Any]) -> float:
    difference = np.abs(one.astype(np.float64) - other.astype(np.float64))
    finite = difference[np.isfinite(difference)]
    return float(finite.max()) if finite.size else 0.0
