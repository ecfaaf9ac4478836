"""What a run has of a model: its inputs, the batch of each of its sources, what it knows of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from numpy.typing import NDArray

from pytest_envrobust.comparison.answers import Answer, answer_of
from pytest_envrobust.core.digests import output_digest
from pytest_envrobust.core.environment import SourceKey
from pytest_envrobust.core.lazy import Lazy, Memo
from pytest_envrobust.core.sources import Inspection, SourceRef
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.frameworks import frameworks
from pytest_envrobust.frameworks.base import BaseFramework
from pytest_envrobust.models.callables import FunctionPreprocess, Preprocessing
from pytest_envrobust.models.feeding import clipped_by_dtype, fed, reading_of, suited, turned
from pytest_envrobust.models.guessing import guessed_preprocess
from pytest_envrobust.models.imports import check_imports
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.models.model import Model
from pytest_envrobust.models.preprocess import Layout, Preprocess
from pytest_envrobust.models.preprocess_files import preprocess_beside
from pytest_envrobust.models.recorded import LoadedPredictions
from pytest_envrobust.models.truth import Truth, truth_of
from pytest_envrobust.record import schema
from pytest_envrobust.runs.cases import reference_of
from pytest_envrobust.runs.context import RunContext
from pytest_envrobust.runs.earlier import EarlierReference
from pytest_envrobust.runs.settings import NATIVE
from pytest_envrobust.workers.transport import Handle


class ModelRun:
    """A model's inputs, decoded once, and the batch of each of its sources; by the source's key what it has."""

    def __init__(self, model: Model, context: RunContext) -> None:
        self.model = model
        self.guesses: dict[str, str] = {}
        self.notices: list[str] = []
        self._context = context
        self._inputs = Lazy(model.input_set.load)
        self._class_names = Lazy(model.class_names)
        self._earlier = Lazy(self._find_earlier)
        self._truth = Lazy(self._find_truth)
        self._recorded: Memo[str, LoadedPredictions] = Memo()
        self._sources: Memo[str, SourceRef] = Memo()
        self._inspections: Memo[str, Inspection] = Memo()
        self._answers: Memo[str, Answer] = Memo()
        self._batches: Memo[str, NDArray[Any]] = Memo()
        self._guessed: Memo[str, Preprocess] = Memo()
        self._used: dict[str, Preprocessing] = {}
        self._handles: Memo[str, Handle] = Memo()
        self._files: Memo[str, Handle] = Memo()

    @property
    def name(self) -> str:
        """The model's name in this run."""
        return self._context.declared.name_of(self.model)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that it may have in the record of another run, in which others may have shared its own."""
        return self._context.declared.names_of(self.model)

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

    def recorded(self, key: str) -> tuple[str, LoadedPredictions]:
        """Path and content of the predictions recorded under that key, as wide as the widest of the model's."""
        sources = {name: self.model.source(name).recorded for name in self.model.recorded}
        found = {name: self._recorded.get(name, source.load) for name, source in sources.items() if source is not None}
        classes = max(loaded.scores.shape[1] for loaded in found.values())
        return str(self.model.source(key).target.path), found[key].widened(classes)

    def source(self, key: str) -> SourceRef:
        """What a worker needs to load that source. Raises `DeclarationError` where it would import another one."""

        def reference() -> SourceRef:
            source = self.model.source(key)
            check_imports(source.target, self._context.declared.folder_of(self.model))
            return source.reference(SourceKey.parse(key).framework)

        return self._sources.get(key, reference)

    def inspection(self, key: str) -> Inspection:
        """What that source says of itself."""
        return self._inspections.get(key, lambda: self._inspect(key))

    def answer(self, key: str, numbers: Callable[[], NDArray[Any]]) -> Answer:
        """How one number for each input is read that this source gives.

        It is decided once for all environments of the source, on the ``numbers`` (N, 1) for the model's own inputs.
        """

        def decide() -> Answer:
            declared, classes = self.model.source(key).decision, len(self.class_names) or None
            found = answer_of(numbers(), declared, classes)
            self._tell_chosen(key, "answer", found.text)
            return found

        return self._answers.get(key, decide)

    def batch(self, key: str, inputs: LoadedInputs | None = None) -> NDArray[Any]:
        """The inputs (by default the model's own) as that source takes them, shape (N, ...)."""
        if inputs is None or inputs is self.inputs:
            return self._batches.get(key, lambda: self._batch(key, self.inputs))
        return self._batch(key, inputs)

    def batch_by(self, key: str, preprocess: Preprocessing, inputs: LoadedInputs) -> NDArray[Any]:
        """Pictures as that source takes them, shape (N, ...), prepared by another preprocessing than its own."""
        layout = cast("Layout", _framework(key).layout)
        suiting = suited(preprocess, self._input(key))
        batch = inputs.batch(suiting, layout)
        if isinstance(suiting, FunctionPreprocess):
            batch = turned(batch, self._input(key), layout)
        return self.fed(key, batch, tells=False)

    def preprocess(self, key: str) -> Preprocessing | None:
        """How the model's own inputs are prepared for that source; ``None`` where they are fed as they are."""
        return self._preprocess(key, self.inputs)

    def handle(self, key: str) -> Handle:
        """The batch of the model's own inputs, where workers can map it; sources with equal batches share one."""

        def put() -> Handle:
            batch = self.batch(key)
            return self._files.get(output_digest(batch), lambda: self._context.scratch.put(batch))

        return self._handles.get(key, put)

    def part(self) -> schema.Model:
        """What the record says of the model: sources with their digests, inputs, guesses."""
        inputs, truth = self._inputs.done, self._truth.done
        return schema.Model(
            name=self.name,
            declared_in=self._context.declared.origin_of(self.model) or None,
            sources={key: self._source_part(key) for key in self.model.sources},
            inputs=None if inputs is None else list(inputs.names),
            input_digests=None if inputs is None else list(inputs.digests) or None,
            class_names=list(self.class_names) or None,
            truth=None if truth is None else list(truth.classes),
            truth_from=None if truth is None else truth.origin,
            guesses=dict(self.guesses) or None,
            notices=[
                *(inputs.notices if inputs else ()),
                *(truth.notices if truth else ()),
                *self._source_notices(),
                *self.notices,
            ]
            or None,
        )

    def _source_notices(self) -> Iterator[str]:
        """What a reader must know of the sources that were loaded, each said once."""
        found = (self._inspections.done(key) for key in self.model.sources)
        yield from dict.fromkeys(notice for each in found if each is not None for notice in each.notices)

    def _source_part(self, key: str) -> schema.Source:
        source = self.model.source(key)
        recorded, inspection, used = source.recorded, self._inspections.done(key), self._used.get(key)
        return schema.Source(
            target=str(source.target if recorded is None else recorded.path),
            label_offset=source.label_offset if recorded is None else recorded.label_offset,
            digest=None if inspection is None else inspection.digest,
            preprocess=None if used is None else _in_words(used, inspection),
            weights=source.weights or _name_of(source.weights_file),
            output=None if source.output == "" else str(source.output),
            signature=source.signature or None,
            decision=source.decision,
        )

    def _inspect(self, key: str) -> Inspection:
        found = self._context.session_builder.inspect(self.source(key))
        if found.output:
            self._tell_chosen(key, "output", found.output)
        return found

    def _tell_chosen(self, key: str, what: str, text: str) -> None:
        """Keep for the reports, and say, what was taken from what in a source."""
        if text not in self.guesses.values():
            self._context.say(f"{self.name}: {text}")
        self.guesses[f"{key} {what}"] = text

    def _find_earlier(self) -> EarlierReference | None:
        run, chosen = self._context.earlier, self._context.settings.reference
        return None if run is None else run.reference(self.names, self.inputs, chosen)

    def _find_truth(self) -> Truth | None:
        how = self.model.input_set.truth
        return None if how is None else truth_of(how, self.inputs.names, self.class_names)

    def _batch(self, key: str, inputs: LoadedInputs) -> NDArray[Any]:
        """The batch, and what is to be told of how it came about."""
        layout = cast("Layout", _framework(key).layout)
        preprocess = self._preprocess(key, inputs)
        batch = inputs.batch(preprocess, layout)
        if isinstance(preprocess, FunctionPreprocess):
            batch = turned(batch, self._input(key), layout)
        self._tell_of_integers(key, preprocess, inputs, layout)
        return self.fed(key, batch)

    def fed(self, key: str, batch: NDArray[Any], *, tells: bool = True) -> NDArray[Any]:
        """A batch of real values as that source's input takes it: a quantized one its own integers.

        ``tells`` says whether what gets lost is to be told.
        """
        made = fed(batch, self._input(key))
        if tells:
            self._tell(key, *made.notices)
        return made.batch

    def _input(self, key: str) -> TensorSpec | None:
        return self.inspection(key).input if key in self.model.native else None

    def _tell(self, key: str, *notices: str) -> None:
        """Say what a reader must know, once, and keep it for the record."""
        for notice in notices:
            text = notice if len(self.model.sources) == 1 else f"{key}: {notice}"
            if text not in self.notices:
                self.notices.append(text)
                self._context.say(f"{self.name}: {text}")

    def _tell_of_integers(
        self, key: str, preprocess: Preprocessing | None, inputs: LoadedInputs, layout: Layout
    ) -> None:
        """Say what becomes of the values where an integer dtype was declared for them."""
        spec, declared = self._input(key), self.model.preprocess(key)
        if spec is None or inputs.images is None or not isinstance(declared, Preprocess):
            return
        if reading := reading_of(declared, spec):
            self._tell(key, reading)
        if isinstance(preprocess, Preprocess) and preprocess.overflows:
            real = inputs.batch(replace(preprocess, dtype="float32"), layout)
            self._tell(key, *filter(None, [clipped_by_dtype(preprocess, real)]))

    def _preprocess(self, key: str, inputs: LoadedInputs) -> Preprocessing | None:
        """The source's own or, where the user holds it fixed, the reference's, laid out as the source takes it."""
        own = self._native_preprocess(key, inputs)
        whose = self._whose_preprocess(key)
        used = own if whose == key else self._native_preprocess(whose, inputs)
        if used is None:
            return None
        if whose != key and isinstance(used, Preprocess):
            used = replace(used, layout=own.layout if isinstance(own, Preprocess) else None)
        return self._used.setdefault(key, suited(used, self._input(key)))

    def _whose_preprocess(self, key: str) -> str:
        """The key of the source that says how inputs are prepared for that one."""
        settings = self._context.settings
        if settings.preprocess_from == NATIVE:
            return key
        reference = reference_of(self.model, self._context.catalogue, settings.reference).source
        return reference if reference in self.model.native else key

    def _native_preprocess(self, key: str, inputs: LoadedInputs) -> Preprocessing | None:
        declared = self.model.preprocess(key)
        if declared is None and inputs.images is not None:
            return self._guessed.get(key, lambda: self._guess(key))
        return declared

    def _guess(self, key: str) -> Preprocess:
        path = self.model.source(key).path
        guess = guessed_preprocess(
            self.inspection(key).input,
            _framework(key).layout,
            self._context.settings.preparation,
            found=None if path is None else preprocess_beside(path),
            pictures={image.shape[:2] for image in self.inputs.images or ()},
        )
        if guess.text not in self.guesses.values():
            self._context.say(f"{self.name}: {guess.text}")
        self.guesses[key] = guess.text
        return guess.preprocess


def _framework(key: str) -> BaseFramework:
    """The framework of a source."""
    return frameworks()[SourceKey.parse(key).framework]


def _name_of(file: str | Path | None) -> str | None:
    return None if file is None else f"file {Path(file).name}"


def _in_words(preprocess: Preprocessing, inspection: Inspection | None) -> str:
    spec = None if inspection is None else inspection.input
    if spec is None or spec.quantization is None:
        return str(preprocess)
    return f"{preprocess}, for {spec.dtype} of {spec.quantization}"
