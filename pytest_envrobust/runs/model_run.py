"""What a run has of a model: its inputs, the batch of each of its sources, what it knows of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from pytest_envrobust.core.digests import output_digest
from pytest_envrobust.core.lazy import Lazy, Memo
from pytest_envrobust.core.sources import Inspection, SourceRef
from pytest_envrobust.frameworks import frameworks
from pytest_envrobust.models.guessing import guessed_preprocess
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.models.model import Model
from pytest_envrobust.models.preprocess import Preprocess
from pytest_envrobust.models.recorded import LoadedPredictions
from pytest_envrobust.models.truth import Truth, truth_of
from pytest_envrobust.record import schema
from pytest_envrobust.runs.cases import reference_of
from pytest_envrobust.runs.context import RunContext
from pytest_envrobust.runs.earlier import EarlierReference
from pytest_envrobust.runs.settings import NATIVE
from pytest_envrobust.workers.transport import Handle


class ModelRun:
    """A model's inputs, decoded once, and the batch of each of its sources; by framework what a source has."""

    def __init__(self, model: Model, context: RunContext) -> None:
        self.model = model
        self.guesses: dict[str, str] = {}
        self._context = context
        self._inputs = Lazy(model.input_set.load)
        self._class_names = Lazy(model.class_names)
        self._earlier = Lazy(self._find_earlier)
        self._truth = Lazy(self._find_truth)
        self._recorded: Memo[str, LoadedPredictions] = Memo()
        self._sources: Memo[str, SourceRef] = Memo()
        self._inspections: Memo[str, Inspection] = Memo()
        self._batches: Memo[str, NDArray[Any]] = Memo()
        self._guessed: Memo[str, Preprocess] = Memo()
        self._used: dict[str, Preprocess] = {}
        self._handles: Memo[str, Handle] = Memo()
        self._files: Memo[str, Handle] = Memo()

    @property
    def name(self) -> str:
        """The model's name in this run."""
        return self._context.declared.name_of(self.model)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that it may have in the record of another run, in which others may have shared its own."""
        return tuple(dict.fromkeys((self.name, self._context.declared.full_name_of(self.model))))

    @property
    def inputs(self) -> LoadedInputs:
        """The inputs, decoded."""
        return self._inputs.value

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes; empty where the model declares none."""
        return self._class_names.value

    @property
    def earlier(self) -> EarlierReference | None:
        """The earlier run's reference for these inputs, where the user named such a run."""
        return self._earlier.value

    def read_truth(self) -> Truth | None:
        """The inputs' true classes, where the declaration says how to find them. Raises `DeclarationError`."""
        return self._truth.value

    def recorded(self, framework: str) -> tuple[str, LoadedPredictions]:
        """Path and content of the predictions recorded for that framework, as wide as the widest of the model's."""
        sources = {name: self.model.source(name).recorded for name in self.model.recorded}
        found = {name: self._recorded.get(name, source.load) for name, source in sources.items() if source is not None}
        classes = max(loaded.scores.shape[1] for loaded in found.values())
        return str(self.model.source(framework).target.path), found[framework].widened(classes)

    def source(self, framework: str) -> SourceRef:
        """What a worker needs to load that source."""
        return self._sources.get(framework, lambda: self.model.source(framework).reference(framework))

    def inspection(self, framework: str) -> Inspection:
        """What that source says of itself."""
        return self._inspections.get(framework, lambda: self._context.session_builder.inspect(self.source(framework)))

    def batch(self, framework: str, inputs: LoadedInputs | None = None) -> NDArray[Any]:
        """The inputs (by default the model's own) as that source takes them, shape (N, ...)."""
        if inputs is None or inputs is self.inputs:
            return self._batches.get(framework, lambda: self._batch(framework, self.inputs))
        return self._batch(framework, inputs)

    def preprocess(self, framework: str) -> Preprocess | None:
        """How the model's own inputs are prepared for that source; ``None`` where they are fed as they are."""
        return self._preprocess(framework, self.inputs)

    def handle(self, framework: str) -> Handle:
        """The batch of the model's own inputs, where workers can map it; sources with equal batches share one."""

        def put() -> Handle:
            batch = self.batch(framework)
            return self._files.get(output_digest(batch), lambda: self._context.scratch.put(batch))

        return self._handles.get(framework, put)

    def part(self) -> schema.Model:
        """What the record says of the model: sources with their digests, inputs, guesses."""
        inputs, truth = self._inputs.done, self._truth.done
        return schema.Model(
            name=self.name,
            declared_in=self._context.declared.origin_of(self.model) or None,
            sources={framework: self._source_part(framework) for framework in self.model.sources},
            inputs=None if inputs is None else list(inputs.names),
            input_digests=None if inputs is None else list(inputs.digests) or None,
            class_names=list(self.class_names) or None,
            truth=None if truth is None else list(truth.classes),
            truth_from=None if truth is None else truth.origin,
            guesses=dict(self.guesses) or None,
        )

    def _source_part(self, framework: str) -> schema.Source:
        source = self.model.source(framework)
        recorded, inspection, used = source.recorded, self._inspections.done(framework), self._used.get(framework)
        return schema.Source(
            target=str(source.target if recorded is None else recorded.path),
            label_offset=source.label_offset if recorded is None else recorded.label_offset,
            digest=None if inspection is None else inspection.digest,
            preprocess=None if used is None else str(used),
            weights=source.weights or None,
        )

    def _find_earlier(self) -> EarlierReference | None:
        run, chosen = self._context.earlier, self._context.settings.reference
        return None if run is None else run.reference(self.names, self.inputs, chosen)

    def _find_truth(self) -> Truth | None:
        how = self.model.input_set.truth
        return None if how is None else truth_of(how, self.inputs.names, self.class_names)

    def _batch(self, framework: str, inputs: LoadedInputs) -> NDArray[Any]:
        return inputs.batch(self._preprocess(framework, inputs), frameworks()[framework].layout)  # type: ignore[arg-type]

    def _preprocess(self, framework: str, inputs: LoadedInputs) -> Preprocess | None:
        """The source's own or, where the user holds it fixed, the reference's, laid out as the source takes it."""
        own = self._native_preprocess(framework, inputs)
        whose = self._whose_preprocess(framework)
        used = own if whose == framework else self._native_preprocess(whose, inputs)
        if used is None:
            return None
        kept = used if whose == framework else replace(used, layout=own.layout if own is not None else None)
        return self._used.setdefault(framework, kept)

    def _whose_preprocess(self, framework: str) -> str:
        """The framework whose source says how inputs are prepared for that framework's source."""
        settings = self._context.settings
        if settings.preprocess_from == NATIVE:
            return framework
        reference = reference_of(self.model, self._context.catalogue, settings.reference).source_framework
        return reference if reference in self.model.native else framework

    def _native_preprocess(self, framework: str, inputs: LoadedInputs) -> Preprocess | None:
        declared = self.model.preprocess(framework)
        if declared is None and inputs.images is not None:
            return self._guessed.get(framework, lambda: self._guess(framework))
        return declared

    def _guess(self, framework: str) -> Preprocess:
        settings = self._context.settings
        inspection = self.inspection(framework)
        guess = guessed_preprocess(inspection.input, frameworks()[framework].layout, settings.preprocess, settings.size)
        if guess.text not in self.guesses.values():
            self._context.say(f"{self.name}: {guess.text}")
        self.guesses[framework] = guess.text
        return guess.preprocess
