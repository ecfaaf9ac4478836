"""TensorFlow SavedModels: directories with a serving signature."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.digests import file_digests
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.requirements import TENSORFLOW, Requirement
from pytest_envrobust.core.sources import Inspection, SourceRef
from pytest_envrobust.core.suggestions import did_you_mean
from pytest_envrobust.core.telling import named_cause
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.frameworks._saved_model_guard import check_graph
from pytest_envrobust.frameworks.base import BaseFramework
from pytest_envrobust.frameworks.outputs import Choice, Output, choose, single_output

# Taken in this order: what TensorFlow's own tools write, then what `keras.Model.export` calls its endpoint.
_SIGNATURES = ("serving_default", "serve")


@dataclass(frozen=True)
class SavedModel:
    """A restored SavedModel: where it lies, what keeps its variables alive, the serving signature's function.

    ``output`` is the one of its outputs that holds the class scores.
    """

    path: Path
    restored: Any
    signature: Any
    output: Choice

    @property
    def parameter(self) -> str:
        """Name of the signature's one parameter."""
        return str(next(iter(self.signature.structured_input_signature[1])))

    @property
    def input(self) -> TensorSpec | None:
        """The signature's input; ``None`` where it leaves the number of dimensions open."""
        spec = self.signature.structured_input_signature[1][self.parameter]
        if spec.shape.rank is None:
            return None
        return TensorSpec(tuple(spec.shape.as_list()), spec.dtype.name, self.parameter)

    def __call__(self, tensor: Any) -> Any:
        """Call the serving signature on a tensor; the output tensor with the class scores."""
        return self.signature(**{self.parameter: tensor})[self.output.name]


class Framework(BaseFramework):
    """SavedModels, NHWC.

    A SavedModel holds traced graphs and no Python code, so running it is running a graph: restored functions stay
    graphs even under ``tf.config.run_functions_eagerly``. The plainest way to execute it is therefore ``graph``.
    """

    name: ClassVar[str] = "tensorflow"
    requires: ClassVar[tuple[Requirement, ...]] = (TENSORFLOW,)
    layout: ClassVar[str] = "NHWC"
    engine: ClassVar[str] = "tensorflow"
    reference_compiler: ClassVar[str] = "graph"

    def load(self, source: SourceRef) -> SavedModel:
        """The restored SavedModel. Raises `DeclarationError` where the directory is not one or cannot be read."""
        if source.kind != "file":
            raise DeclarationError(
                f"tensorflow source {source.target or source.kind!r} is not a SavedModel directory",
                cause="a tensorflow source is a directory on disk",
                remedy="write it with tf.saved_model.save, or declare a keras model as a keras source",
            )
        path = Path(source.target)
        restored = _restore(path)
        signature = _serving_signature(path, restored, source.signature)
        return SavedModel(path, restored, signature, _chosen_output(path, signature, source.output))

    def inspect(self, native: SavedModel) -> Inspection:
        """Digest of all files in the directory; the signature's input and class count."""
        return Inspection(_digest(native.path), native.input, _class_count(native), output=native.output.text)

    def run(self, native: SavedModel, batch: NDArray[Any]) -> NDArray[Any]:
        """Call the serving signature; scores of shape (N, classes). A fixed batch size is fed piece by piece."""
        import tensorflow as tf

        spec = native.input
        size = (spec.shape[0] if spec else None) or len(batch)
        pieces = [batch[start : start + size] for start in range(0, len(batch), size)]
        scores = [single_output(native(tf.constant(piece)), rows=len(piece)) for piece in pieces]
        return np.concatenate([np.array(each) for each in scores])


def _restore(path: Path) -> Any:
    import tensorflow as tf

    if not any((path / file).is_file() for file in ("saved_model.pb", "saved_model.pbtxt")):
        raise DeclarationError(
            f"{str(path)!r} is not a SavedModel",
            cause="there is no saved_model.pb in it" if path.is_dir() else "there is no such directory",
            remedy="name the directory that tf.saved_model.save or keras.Model.export wrote",
        )
    try:
        check_graph(path)
        return tf.saved_model.load(str(path))
    except DeclarationError:
        raise
    except Exception as error:
        raise DeclarationError(
            f"SavedModel {str(path)!r} cannot be read",
            cause=named_cause(error),
            remedy="export it again",
        ) from error


def _serving_signature(path: Path, restored: Any, wanted: str) -> Any:
    signatures = dict(getattr(restored, "signatures", {}))
    name = wanted or next((name for name in _SIGNATURES if name in signatures), "")
    if not name and len(signatures) == 1:
        name = next(iter(signatures))
    if name not in signatures:
        missing = f"has no signature {name!r}" if name else "has no serving signature"
        remedy = did_you_mean(name, signatures) or "save it with signatures={'serving_default': function}"
        raise DeclarationError(
            f"SavedModel {str(path)!r} {missing}",
            cause=f"its signatures: {', '.join(map(_described, sorted(signatures.items()))) or 'none'}",
            remedy=f"choose one: {_line_for(sorted(signatures)[0])}" if signatures and not name else remedy,
        )
    _check_parameters(path, name, signatures)
    return signatures[name]


def _check_parameters(path: Path, name: str, signatures: Mapping[str, Any]) -> None:
    """Raise `DeclarationError` where a signature does not take one array of numbers; another one may."""
    parameters = signatures[name].structured_input_signature[1]
    usable = [other for other in sorted(signatures) if other != name and _takes_images(signatures[other])]
    remedy = f"choose one that takes the images as an array: {_line_for(usable[0])}" if usable else ""
    listed = ", ".join(map(_described, sorted(signatures.items())))
    if len(parameters) != 1:
        raise DeclarationError(
            f"signature {name!r} of SavedModel {str(path)!r} takes {len(parameters)} inputs ({', '.join(parameters)})",
            cause=f"an image classifier takes one batch of images; its signatures: {listed}",
            remedy=remedy or "export a signature that takes the images alone",
        )
    if not _takes_images(signatures[name]):
        raise DeclarationError(
            f"signature {name!r} of SavedModel {str(path)!r} takes {_inputs_of(signatures[name])}",
            cause=f"that is text (encoded images), and arrays of pixels are fed; its signatures: {listed}",
            remedy=remedy or "export a signature that takes decoded images, (N, height, width, 3)",
        )


def _takes_images(signature: Any) -> bool:
    parameters = list(signature.structured_input_signature[1].values())
    return len(parameters) == 1 and parameters[0].dtype.name != "string"


def _described(named: tuple[str, Any]) -> str:
    name, signature = named
    return f"{name} takes {_inputs_of(signature)}"


def _inputs_of(signature: Any) -> str:
    specs = signature.structured_input_signature[1]
    return " and ".join(str(_output(name, spec)) for name, spec in specs.items()) or "nothing by name"


def _line_for(signature: str) -> str:
    return f"--envrobust-signature {signature}, or er.Source(..., signature={signature!r})"


def _output(name: str, spec: Any) -> Output:
    return Output(name, spec.dtype.name, None if spec.shape.rank is None else tuple(spec.shape.as_list()))


def _chosen_output(path: Path, signature: Any, wanted: str) -> Choice:
    outputs = [_output(name, spec) for name, spec in signature.structured_outputs.items()]
    if not outputs:
        raise DeclarationError(f"a signature of SavedModel {str(path)!r} returns nothing")
    return choose(outputs, wanted, f"SavedModel {str(path)!r}")


def _class_count(model: SavedModel) -> int | None:
    output = model.signature.structured_outputs[model.output.name]
    if output.shape.rank != 2 or output.shape[1] is None:
        return None
    return int(output.shape[1])


def _digest(directory: Path) -> str:
    listed = "".join(f"{name} {content}\n" for name, content in file_digests(directory).items())
    return hashlib.sha256(listed.encode()).hexdigest()
