"""Declaring a model: its sources, its inputs, the names of its classes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pytest_envrobust.core.axes import Axes
from pytest_envrobust.core.environment import SourceKey
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.core.suggestions import did_you_mean
from pytest_envrobust.core.telling import named_cause
from pytest_envrobust.frameworks import frameworks
from pytest_envrobust.models.callables import Preprocessing, PreprocessLike, declared_preprocess
from pytest_envrobust.models.class_names import read_class_names
from pytest_envrobust.models.inputs import Inputs, given_inputs
from pytest_envrobust.models.recorded import RecordedInputs, RecordedPredictions

_IMPORT_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def is_import_path(text: str) -> bool:
    """Whether it is written as ``package.module:attribute``."""
    return bool(_IMPORT_PATH.fullmatch(text))


@dataclass(frozen=True, eq=False)
class Source:
    """A framework's own definition of a model.

    ``target`` is a file (a SavedModel: a directory), an import path ``package.module:attribute`` of a model or of a
    function that returns one, or such a function or model itself. ``preprocess`` replaces that of the inputs.
    ``label_offset`` is how many leading classes this source has that the model has not (1 for the background class of
    1001-class models). ``weights`` says in words which weights it has, for the record.

    ``output`` chooses the output that holds the class scores, by name or place, where there are several, and
    ``signature`` the function of a SavedModel or TensorFlow Lite file. ``decision`` is the value above which one score
    for each input means class 1: 0.5 for a probability, 0 for a logit; guessed where it is not given.
    ``weights_file`` is loaded into what a factory returns: ``.safetensors`` or a state dict for torch, ``.weights.h5``
    for keras.
    """

    target: Any
    preprocess: PreprocessLike | None = None
    label_offset: int = 0
    weights: str = ""
    output: str | int = ""
    signature: str = ""
    decision: float | None = None
    weights_file: str | Path | None = None

    def __post_init__(self) -> None:
        if self.weights_file is not None and (self.path is not None or self.recorded is not None):
            raise DeclarationError(
                f"weights_file={str(self.weights_file)!r} for {str(self.target)!r}",
                cause="weights are loaded into what a factory returns, and a file has its own",
                remedy="name a function that returns the network: Source('package.module:factory', weights_file=...)",
            )
        if not isinstance(self.label_offset, int) or self.label_offset < 0:
            raise DeclarationError(f"label_offset={self.label_offset!r}", cause="it counts leading classes: 0 or more")

    @property
    def is_factory(self) -> bool:
        return isinstance(self.target, str) and is_import_path(self.target)

    @property
    def recorded(self) -> RecordedPredictions | None:
        """The predictions that stand in a model's place, where the source is no model."""
        return self.target if isinstance(self.target, RecordedPredictions) else None

    @property
    def path(self) -> Path | None:
        """The file or directory, where the source is one."""
        return Path(self.target) if isinstance(self.target, (str, Path)) and not self.is_factory else None

    def resolved(self, base: Path) -> Source:
        """The same source with relative paths taken from ``base``: its own, or those of a target that has some."""
        if self.path is not None:
            return replace(self, target=base / self.path)
        weights = None if self.weights_file is None else base / self.weights_file
        resolve = getattr(self.target, "resolved", None)
        target = self.target if resolve is None else resolve(base)
        return replace(self, target=target, weights_file=weights)

    def check(self, key: str) -> None:
        """Raise `DeclarationError` where a file is named that is not there."""
        if self.recorded is not None:
            self.recorded.check()
        check_files = getattr(self.target, "check_files", None)
        if check_files is not None:
            check_files()
        if self.weights_file is not None and not Path(self.weights_file).is_file():
            raise DeclarationError(f"{key} weights {str(self.weights_file)!r}", cause="there is no such file")
        if self.path is not None and not self.path.exists():
            raise DeclarationError(f"{key} source {str(self.path)!r}", cause="there is no such file or directory")

    def reference(self, framework: str) -> SourceRef:
        """What a worker needs to load it. Raises `DeclarationError` for an object that cannot be sent there."""
        if self.path is not None:
            found = SourceRef(framework, "file", target=str(self.path))
        elif self.is_factory:
            found = SourceRef(framework, "factory", target=self.target)
        else:
            found = SourceRef(framework, "pickle", payload=_pickled(self.target, framework))
        weights = "" if self.weights_file is None else str(self.weights_file)
        return replace(found, output=str(self.output), signature=self.signature, weights=weights)


@dataclass(frozen=True, eq=False)
class Model:
    """A named classifier: native sources, inputs, and (for the reports) the names of its classes.

    ``sources`` maps a framework to a `Source` or to what `Source` takes as its target; the first is the reference's
    unless ``reference``, an environment's id, says otherwise. A variant, another source in the same framework, has its
    name behind a colon: ``{"onnx": "fp32.onnx", "onnx:int8": "int8.onnx"}``. ``inputs`` are `ImageFolder` or `Arrays`,
    an array, or a path; a model whose sources are all `RecordedPredictions` needs none. ``labels`` are class names: a
    sequence, or a file as `read_class_names` takes it. ``batch_sizes`` and ``threads`` are what its time is measured
    with, beside the run's own.

    Raises `DeclarationError` for an unknown framework, no source at all, or a name that cannot be selected.
    """

    name: str
    sources: Mapping[str, Any]
    inputs: Inputs | NDArray[Any] | Sequence[Any] | Mapping[str, Any] | str | Path | None = None
    labels: Sequence[str] | str | Path | None = None
    reference: str | None = None
    batch_sizes: Sequence[int] = ()
    threads: Sequence[int] = ()
    axes: Axes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip() or "[" in self.name or "::" in self.name:
            raise DeclarationError(f"model name {self.name!r}", cause="a name is text without '[' and '::'")
        if not self.sources:
            raise DeclarationError(f"model {self.name!r} has no source", remedy="give one: sources={'torch': ...}")
        for name in self.sources:
            _check_key(str(name), self.name)
        sources = {name: item if isinstance(item, Source) else Source(item) for name, item in self.sources.items()}
        object.__setattr__(self, "sources", sources)
        object.__setattr__(self, "axes", Axes.of(self.batch_sizes, self.threads, f"model {self.name!r}"))
        inputs = self._recorded_inputs() if self.inputs is None else self._given_inputs()
        object.__setattr__(self, "inputs", inputs)

    @property
    def input_set(self) -> Inputs:
        assert isinstance(self.inputs, Inputs)
        return self.inputs

    @property
    def native(self) -> tuple[str, ...]:
        """The keys of the sources that can run: frameworks and variants."""
        return tuple(name for name, source in self.sources.items() if source.recorded is None)

    @property
    def recorded(self) -> tuple[str, ...]:
        """The keys of those that are predictions recorded elsewhere."""
        return tuple(name for name, source in self.sources.items() if source.recorded is not None)

    def source(self, key: str) -> Source:
        """The source of that key, ``onnx`` or ``onnx:int8``."""
        source: Source = self.sources[key]
        return source

    def preprocess(self, key: str) -> Preprocessing | None:
        """The preprocessing of that source: its own, or that of the inputs. Raises `DeclarationError` for none such."""
        return declared_preprocess(self.source(key).preprocess or self.input_set.preprocess)

    def resolved(self, base: Path) -> Model:
        """The same model with relative paths taken from ``base``."""
        sources = {name: source.resolved(base) for name, source in self.sources.items()}
        labels = base / self.labels if isinstance(self.labels, (str, Path)) else self.labels
        return replace(self, sources=sources, inputs=self.input_set.resolved(base), labels=labels)

    def _given_inputs(self) -> Inputs:
        try:
            return given_inputs(self.inputs)
        except DeclarationError as error:
            raise DeclarationError(
                f"model {self.name!r}: {error.thing}", cause=error.cause, remedy=error.remedy
            ) from None

    def _recorded_inputs(self) -> RecordedInputs:
        recorded = [source.recorded for source in self.sources.values() if source.recorded is not None]
        if len(recorded) < len(self.sources):
            raise DeclarationError(
                f"model {self.name!r} has no inputs", remedy="give them: inputs=er.ImageFolder('tests/images', ...)"
            )
        return RecordedInputs(recorded[0])

    def check_knows_truth(self) -> None:
        """Raise `DeclarationError` where nothing says what the true classes of the inputs are."""
        if self.input_set.truth is None:
            raise DeclarationError(
                f"the accuracy of model {self.name!r} cannot be told",
                cause="nothing says what the true classes of its inputs are",
                remedy=(
                    "declare truth= of the inputs ('folders', a .csv file, a pattern of their names or a class for "
                    "each), or --envrobust-truth beside --envrobust-model"
                ),
            )

    def check(self) -> None:
        """Raise `DeclarationError` for what can be seen to be wrong before anything is loaded."""
        try:
            for key, source in self.sources.items():
                source.check(key)
                self.preprocess(key)
            self.input_set.check()
            self.class_names()
        except DeclarationError as error:
            raise DeclarationError(
                f"model {self.name!r}: {error.thing}", cause=error.cause, remedy=error.remedy
            ) from None

    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the model's order; empty where none are declared."""
        if self.labels is None:
            return ()
        if not isinstance(self.labels, (str, Path)):
            return tuple(self.labels)
        return read_class_names(Path(self.labels))


def _check_key(text: str, model: str) -> None:
    """Raise `DeclarationError` where it names no framework, or no variant that there can be."""
    try:
        key = SourceKey.parse(text)
    except DeclarationError as error:
        thing = f"model {model!r} has a source for {text!r}"
        raise DeclarationError(thing, cause=error.cause, remedy=error.remedy) from None
    if key.framework not in frameworks():
        raise DeclarationError(
            f"model {model!r} has a source for {text!r}",
            cause=f"frameworks are {', '.join(frameworks())}",
            remedy=did_you_mean(key.framework, frameworks()),
        )


def _pickled(target: object, framework: str) -> bytes:
    import sys

    import cloudpickle

    module = sys.modules.get(getattr(target, "__module__", None) or "")
    # A worker has no conftest of this name to import from, and its name would not tell which one is meant.
    by_value = module is not None and module.__name__.rpartition(".")[2] in ("conftest", "__main__")
    if by_value:
        cloudpickle.register_pickle_by_value(module)
    try:
        payload: bytes = cloudpickle.dumps(target)
    except Exception as error:
        raise DeclarationError(
            f"{framework} source {target!r} cannot be sent to a worker process",
            cause=named_cause(error),
            remedy="give an import path, 'package.module:function', instead",
        ) from None
    finally:
        if by_value:
            cloudpickle.unregister_pickle_by_value(module)
    return payload
