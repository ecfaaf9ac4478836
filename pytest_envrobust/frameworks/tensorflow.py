"""TensorFlow SavedModels: directories with a serving signature."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.digests import file_digests
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.requirements import TENSORFLOW, Requirement
from pytest_envrobust.core.sources import Inspection, SourceRef
from pytest_envrobust.core.telling import named_cause
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.frameworks.base import BaseFramework, single_output

# Taken in this order: what TensorFlow's own tools write, then what `keras.Model.export` calls its endpoint.
_SIGNATURES = ("serving_default", "serve")


@dataclass(frozen=True)
class SavedModel:
    """A restored SavedModel: where it lies, what keeps its variables alive, and the serving signature's function."""

    path: Path
    restored: Any
    signature: Any

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
        """Call the serving signature on a tensor; a dict of output tensors by name."""
        return self.signature(**{self.parameter: tensor})


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
        return SavedModel(path, restored, _serving_signature(path, restored))

    def inspect(self, native: SavedModel) -> Inspection:
        """Digest of all files in the directory; the signature's input and class count."""
        return Inspection(_digest(native.path), native.input, _class_count(native))

    def run(self, native: SavedModel, batch: NDArray[Any]) -> NDArray[Any]:
        """Call the serving signature; scores of shape (N, classes). A fixed batch size is fed piece by piece."""
        import tensorflow as tf

        spec = native.input
        size = (spec.shape[0] if spec else None) or len(batch)
        pieces = [batch[start : start + size] for start in range(0, len(batch), size)]
        return np.concatenate([np.array(single_output(native(tf.constant(piece)))) for piece in pieces])


def _restore(path: Path) -> Any:
    import tensorflow as tf

    if not any((path / file).is_file() for file in ("saved_model.pb", "saved_model.pbtxt")):
        raise DeclarationError(
            f"{str(path)!r} is not a SavedModel",
            cause="there is no saved_model.pb in it" if path.is_dir() else "there is no such directory",
            remedy="name the directory that tf.saved_model.save or keras.Model.export wrote",
        )
    try:
        return tf.saved_model.load(str(path))
    except Exception as error:
        raise DeclarationError(
            f"SavedModel {str(path)!r} cannot be read",
            cause=named_cause(error),
            remedy="export it again",
        ) from error


def _serving_signature(path: Path, restored: Any) -> Any:
    signatures = dict(getattr(restored, "signatures", {}))
    name = next((name for name in _SIGNATURES if name in signatures), None)
    if name is None and len(signatures) == 1:
        name = next(iter(signatures))
    if name is None:
        known = ", ".join(sorted(signatures)) or "none"
        raise DeclarationError(
            f"SavedModel {str(path)!r} has no serving signature",
            cause=f"its signatures: {known}",
            remedy="save it with signatures={'serving_default': function}",
        )
    parameters = signatures[name].structured_input_signature[1]
    if len(parameters) != 1:
        raise DeclarationError(
            f"SavedModel {str(path)!r} takes {len(parameters)} inputs ({', '.join(parameters)})",
            cause="an image classifier takes one batch of images",
            remedy="export a signature that takes the images alone",
        )
    return signatures[name]


def _class_count(model: SavedModel) -> int | None:
    outputs = list(model.signature.structured_outputs.values())
    if len(outputs) != 1 or outputs[0].shape.rank != 2:
        return None
    size = outputs[0].shape[1]
    return None if size is None else int(size)


def _digest(directory: Path) -> str:
    listed = "".join(f"{name} {content}\n" for name, content in file_digests(directory).items())
    return hashlib.sha256(listed.encode()).hexdigest()
