"""OpenVINO's own files: an ``.xml`` with its weights in a ``.bin`` beside it."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.digests import file_digest
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.named_inputs import declared_spec, feeds
from pytest_envrobust.core.requirements import OPENVINO, Requirement
from pytest_envrobust.core.sources import Inspection, SourceRef
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.frameworks.base import BaseFramework, NativeFile
from pytest_envrobust.frameworks.outputs import Output, choose, single_output

TELEMETRY = "openvino_telemetry"


class Framework(BaseFramework):
    """OpenVINO's intermediate representation, run by its CPU plugin in float32."""

    name: ClassVar[str] = "openvino"
    requires: ClassVar[tuple[Requirement, ...]] = (OPENVINO,)
    suffixes: ClassVar[tuple[str, ...]] = (".xml",)
    layout: ClassVar[str] = "NCHW"
    engine: ClassVar[str] = "openvino"
    reference_compiler: ClassVar[str] = "openvino-f32"

    def load(self, source: SourceRef) -> NativeFile:
        """The file, once OpenVINO has read it. Raises `DeclarationError` where it or its weights are not there."""
        if source.kind != "file":
            raise DeclarationError(
                f"openvino source {source.target or source.kind!r} is not a file",
                cause="an openvino source is an .xml file on disk",
                remedy="write it with openvino.save_model",
            )
        native = NativeFile(Path(source.target), source.output)
        read_model(native.path)
        return native

    def inspect(self, native: NativeFile) -> Inspection:
        """Digest of the file and its weights; its input; the class count where the output declares it."""
        model = read_model(native.path)
        digest = hashlib.sha256(
            b"".join(bytes.fromhex(file_digest(file)) for file in (native.path, weights_of(native.path)))
        )
        chosen = choose(outputs_of(model), native.output, str(native.path))
        shape = outputs_of(model)[chosen.index].shape or ()
        classes = shape[1] if len(shape) == 2 else None
        return Inspection(digest.hexdigest(), _input_of(native.path, model), classes, output=chosen.text)

    def run(self, native: NativeFile, batch: NDArray[Any]) -> NDArray[Any]:
        """Run the file once on the CPU, in float32 with one thread; scores of shape (N, classes)."""
        model = read_model(native.path)
        output = choose(outputs_of(model), native.output, str(native.path)).index
        exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
        compiled = import_openvino().Core().compile_model(model, "CPU", exact)
        found = compiled.create_infer_request().infer(fed(batch), share_outputs=False)
        return single_output(list(found.values())[output], rows=len(batch))


def import_openvino() -> Any:
    """OpenVINO, imported without its telemetry, which would otherwise report the import over the network."""
    if "openvino" in sys.modules or TELEMETRY in sys.modules:
        import openvino

        return openvino
    # OpenVINO does without the telemetry package where it cannot be imported.
    sys.modules[TELEMETRY] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        del sys.modules[TELEMETRY]
    return openvino


def weights_of(path: Path) -> Path:
    """The file with the weights that belong to an ``.xml``."""
    return path.with_suffix(".bin")


def read_model(path: Path) -> Any:
    """The model in the file. Raises `DeclarationError` where it or its weights are missing or cannot be read."""
    if not path.is_file():
        raise DeclarationError(f"{path} cannot be read", cause="there is no such file")
    if not weights_of(path).is_file():
        raise DeclarationError(
            f"{path} is incomplete",
            cause=f"its weights, {weights_of(path).name}, are not beside it",
            remedy="copy the .bin along with the .xml",
        )
    try:
        return import_openvino().Core().read_model(str(path))
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise DeclarationError(
            f"{path} cannot be read by OpenVINO",
            cause=lines[-1] if lines else type(error).__name__,
            remedy="write it again with openvino.save_model; the .bin must be of the same model",
        ) from error


def outputs_of(model: Any) -> list[Output]:
    """The outputs of a model, compiled or not."""
    return [
        Output(_name(port, place), str(np.dtype(port.get_element_type().to_dtype())), _shape(port))
        for place, port in enumerate(model.outputs)
    ]


def keep_output(model: Any, wanted: str, subject: str) -> Any:
    """The model with the output alone that holds the class scores; see `choose`."""
    if len(model.outputs) == 1 and not wanted:
        return model
    kept = choose(outputs_of(model), wanted, subject).index
    for place, result in enumerate(list(model.get_results())):
        if place != kept:
            model.remove_result(result)
    return model


def fed(batch: NDArray[Any]) -> dict[str, NDArray[Any]] | dict[int, NDArray[Any]]:
    """What a request is given: the one input, or each of several by its name."""
    return feeds(batch) if batch.dtype.names else {0: batch}


def _input_of(path: Path, model: Any) -> TensorSpec:
    """The input that the file declares, or several. Raises `DeclarationError` where they cannot be told apart."""
    if not model.inputs:
        raise DeclarationError(f"{path} takes no inputs", remedy="convert a model that takes the images")
    if len(model.inputs) > 1 and not all(port.get_names() for port in model.inputs):
        raise DeclarationError(
            f"{path} takes {len(model.inputs)} inputs",
            cause="some of them have no name to be fed by",
            remedy="name them before it is saved: model.input(0).set_names({'image'})",
        )
    return declared_spec([_port_spec(path, port, place) for place, port in enumerate(model.inputs)], str(path))


def _port_spec(path: Path, port: Any, place: int) -> TensorSpec:
    shape = _shape(port)
    if shape is None:
        raise DeclarationError(f"an input of {path} has no declared rank", remedy="convert it with its inputs' shapes")
    return TensorSpec(shape, str(np.dtype(port.get_element_type().to_dtype())), _name(port, place))


def _name(port: Any, place: int) -> str:
    names = sorted(port.get_names())
    return names[0] if names else str(place)


def _shape(port: Any) -> tuple[int | None, ...] | None:
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return None
    return tuple(None if size.is_dynamic else size.get_length() for size in shape)
