"""TensorFlow Lite files, read by LiteRT; TensorFlow itself is never loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.digests import file_digest
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.requirements import LITERT, Requirement
from pytest_envrobust.core.sources import Inspection, SourceRef
from pytest_envrobust.core.telling import telling_sentence
from pytest_envrobust.core.tensors import Quantization, TensorSpec
from pytest_envrobust.frameworks._tflite_signatures import ChosenInterpreter
from pytest_envrobust.frameworks.base import BaseFramework, NativeFile
from pytest_envrobust.frameworks.outputs import single_output


class Framework(BaseFramework):
    """TensorFlow Lite: NHWC batches, run by LiteRT's own kernels without a delegate."""

    name: ClassVar[str] = "tflite"
    requires: ClassVar[tuple[Requirement, ...]] = (LITERT,)
    suffixes: ClassVar[tuple[str, ...]] = (".tflite",)
    layout: ClassVar[str] = "NHWC"
    engine: ClassVar[str] = "litert"
    reference_compiler: ClassVar[str] = "litert-noxnnpack"

    def load(self, source: SourceRef) -> NativeFile:
        """The file, once LiteRT has read it. Raises `DeclarationError` for a file that it cannot use."""
        if source.kind != "file":
            raise DeclarationError(
                f"tflite source {source.target or source.kind!r} is not a file",
                cause="a tflite source is a .tflite file on disk",
            )
        native = NativeFile(Path(source.target), source.output, source.signature)
        open_chosen(native)
        return native

    def inspect(self, native: NativeFile) -> Inspection:
        """Digest of the file; input and class count. A quantized input's dtype is an integer."""
        interpreter = open_chosen(native)
        output = interpreter.get_output_details()[0]["shape_signature"]
        classes = int(output[1]) if len(output) == 2 and output[1] > 0 else None
        chosen = interpreter.choice.text
        return Inspection(file_digest(native.path), declared_input(interpreter), classes, output=chosen)

    def run(self, native: NativeFile, batch: NDArray[Any]) -> NDArray[Any]:
        """Run without a delegate, in pieces of the file's batch size; scores, dequantized, shape (N, classes)."""
        interpreter = open_chosen(native, "BUILTIN_WITHOUT_DEFAULT_DELEGATES")
        size = prepare(interpreter, batch.shape).batch
        pieces = (batch[start : start + size] for start in range(0, len(batch), size))
        return np.concatenate([invoke(interpreter, piece) for piece in pieces])


def open_chosen(native: NativeFile, resolver: str = "AUTO", threads: int = 1) -> ChosenInterpreter:
    """A LiteRT interpreter of the file, seen through what was chosen in it; see `open_interpreter`."""
    return ChosenInterpreter(open_interpreter(native.path, resolver, threads), native)


def open_interpreter(path: Path, resolver: str = "AUTO", threads: int = 1) -> Any:
    """A LiteRT interpreter of the file, tensors not allocated yet.

    ``resolver`` names a member of ``OpResolverType``: which kernels run. Raises `DeclarationError` where the file is
    absent or damaged.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    if not path.is_file():
        raise DeclarationError(f"tflite file {str(path)!r} does not exist", remedy="check the path")
    try:
        return Interpreter(
            model_path=str(path),
            num_threads=threads,
            experimental_op_resolver_type=OpResolverType[resolver],
        )
    except ValueError as error:
        raise DeclarationError(
            f"tflite file {str(path)!r} cannot be read",
            cause=telling_sentence(error),
            remedy="it is damaged or no tflite file: write it again",
        ) from error


def declared_input(interpreter: Any) -> TensorSpec:
    """The input as the file declares it, a quantized one with what its integers stand for.

    Dimensions that the file leaves open are ``None``.
    """
    detail = interpreter.get_input_details()[0]
    declared = detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"]
    shape = tuple(None if size < 0 else int(size) for size in declared)
    scale, zero_point = detail["quantization"]
    quantization = Quantization(float(scale), int(zero_point)) if scale else None
    return TensorSpec(shape, np.dtype(detail["dtype"]).name, str(detail["name"]), quantization)


def prepare(interpreter: Any, shape: tuple[int, ...]) -> TensorSpec:
    """Fill the dimensions that the file leaves open from ``shape``, allocate the tensors; the input it takes now.

    Raises `DeclarationError` where ``shape`` contradicts a dimension (other than the batch) that the file fixes.
    """
    declared = declared_input(interpreter)
    if not declared.accepts(shape, declared.dtype):
        raise DeclarationError(
            f"the tflite model takes {declared}",
            cause=f"batches of shape {shape} were to be fed",
            remedy="give the source a preprocessing that makes the size and layout it takes",
        )
    wanted = tuple(given if size is None else size for size, given in zip(declared.shape, shape))
    detail = interpreter.get_input_details()[0]
    if wanted != tuple(detail["shape"]):
        interpreter.resize_tensor_input(detail["index"], wanted)
    interpreter.allocate_tensors()
    return replace(declared, shape=wanted)


def invoke(interpreter: Any, batch: NDArray[Any]) -> NDArray[Any]:
    """Run once; scores of shape (N, classes), integer outputs as float32 by their scale and zero point."""
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], batch)
    interpreter.invoke()
    detail = interpreter.get_output_details()[0]
    scores = single_output(interpreter.get_tensor(detail["index"]), rows=len(batch))
    return dequantized(scores, detail["quantization"])


def dequantized(scores: NDArray[Any], quantization: tuple[float, int]) -> NDArray[Any]:
    """Integer scores as float32, ``(scores - zero_point) * scale``; floats, and integers without a scale, as is."""
    scale, zero_point = quantization
    if scores.dtype.kind == "f" or not scale:
        return scores
    return (scores.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
