"""ONNX files: checking, describing and running them in the plainest way."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.digests import file_digest
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.faults import Fault
from pytest_envrobust.core.named_inputs import declared_spec, feeds
from pytest_envrobust.core.requirements import ONNX
from pytest_envrobust.core.sources import Inspection, SourceRef
from pytest_envrobust.core.telling import telling_sentence
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.frameworks._floors import check_loader
from pytest_envrobust.frameworks._onnx_external_data import check_external_data, external_data
from pytest_envrobust.frameworks._onnx_faults import write_broken
from pytest_envrobust.frameworks._onnx_quantization import input_quantization
from pytest_envrobust.frameworks.base import BaseFramework, NativeFile, Run
from pytest_envrobust.frameworks.outputs import MAPS, Choice, Output, choose, single_output

EXPORT_AGAIN = "export the model again"


class Framework(BaseFramework):
    """Models stored as ``.onnx`` files, with or without external data beside them."""

    name = "onnx"
    requires = (ONNX,)
    suffixes = (".onnx",)
    layout = "NCHW"
    engine = "onnxruntime"
    reference_compiler = "ort-off"

    def load(self, source: SourceRef) -> NativeFile:
        """The file, once it has been read.

        Weights in external files are checked for place, presence and size but not read. Raises `DeclarationError`
        where the file or its external data is missing or cut short, or the data is not in the file's own folder.
        """
        if source.kind != "file":
            raise DeclarationError(
                f"the onnx source {source.target or source.kind!r} is not a file",
                cause="an ONNX model is given as the path of an .onnx file",
                remedy="save it with onnx.save and name that file",
            )
        path = Path(source.target)
        model = read_model(path)
        check_external_data(path, model)
        if next(external_data(model), None):
            check_loader(ONNX, path)
        return NativeFile(path, source.output)

    def inspect(self, native: Any) -> Inspection:
        """Digest of the file and its external data; its input; the class count where the output declares it.

        What onnx's checker says against the file is a notice: which engines take it is theirs to say.

        Raises `DeclarationError` where the model takes something else than tensors, or where which of its outputs are
        the class scores cannot be told.
        """
        path, model = native.path, read_model(native.path)
        chosen = chosen_output(path, model, native.output)
        shape = outputs_of(model)[chosen.index].shape or ()
        classes = shape[1] if len(shape) == 2 else None
        complaint = _complaint(path)
        notices = (f"onnx's checker refuses {path.name}: {complaint}",) if complaint else ()
        return Inspection(_digest(path, model), input_spec(path, model), classes, notices, chosen.text)

    def run(self, native: Any, batch: NDArray[Any]) -> NDArray[Any]:
        """Run the file once, with ONNX Runtime (graph optimizations off) or, without it, ONNX's own evaluator."""
        return _opened(native)(batch)

    @contextmanager
    def broken(self, native: Any, source: SourceRef, fault: Fault) -> Iterator[Run]:
        """The whole model is read and written again, with the fault in it, for the time of its runs."""
        with tempfile.TemporaryDirectory(prefix="envrobust-") as folder:
            path = Path(folder) / "broken.onnx"
            write_broken(native.path, path, fault)
            yield _opened(NativeFile(path, native.output), "ORT_ENABLE_ALL")


def _opened(native: NativeFile, level: str = "ORT_DISABLE_ALL") -> Run:
    """How its scores are computed: by ONNX Runtime at that level or, where there is none, by ONNX's own evaluator."""
    model = read_model(native.path)
    name = input_spec(native.path, model).name
    wanted = [chosen_output(native.path, model, native.output).name]
    try:
        import onnxruntime
    except ModuleNotFoundError:
        from onnx.reference import ReferenceEvaluator

        evaluator = ReferenceEvaluator(str(native.path))
        return lambda batch: single_output(list(evaluator.run(wanted, feeds(batch, name))), rows=len(batch))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    session = onnxruntime.InferenceSession(str(native.path), options, providers=["CPUExecutionProvider"])
    return lambda batch: single_output(session.run(wanted, feeds(batch, name)), rows=len(batch))


def read_model(path: Path) -> Any:
    """The ``ModelProto`` in the file, external data left where it is. Raises `DeclarationError` if unreadable."""
    import onnx

    undecodable = import_module("google.protobuf.message").DecodeError
    try:
        model = onnx.load(str(path), load_external_data=False)
    except FileNotFoundError:
        raise DeclarationError(
            f"{path} cannot be read", cause="there is no such file", remedy="check the path of the onnx source"
        ) from None
    except OSError as error:
        raise DeclarationError(
            f"{path} cannot be read", cause=error.strerror or str(error), remedy="check the path of the onnx source"
        ) from None
    except undecodable:
        raise DeclarationError(
            f"{path} is not an ONNX model",
            cause="its content cannot be decoded: cut short or corrupt",
            remedy=f"{EXPORT_AGAIN} or copy the whole file",
        ) from None
    if not model.ir_version or not model.graph.output:
        raise DeclarationError(
            f"{path} is not an ONNX model",
            cause="it is empty or cut short" if not model.ir_version else "its graph has no output",
            remedy=f"{EXPORT_AGAIN} or copy the whole file",
        )
    return model


def input_spec(path: Path, model: Any) -> TensorSpec:
    """Name, shape (``None`` for a free dimension), dtype and quantization of the input of a ``ModelProto``, or several.

    Raises `DeclarationError` where there is none, or one without a known rank.
    """
    # Up to IR version 3 weights are listed among the inputs too.
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if not inputs:
        raise DeclarationError(
            f"{path} takes no inputs", cause="a classifier takes images", remedy="export a model that takes the images"
        )
    return declared_spec([_tensor_spec(path, model, value) for value in inputs], str(path))


def _tensor_spec(path: Path, model: Any, value: Any) -> TensorSpec:
    from onnx.helper import tensor_dtype_to_np_dtype

    tensor = value.type.tensor_type
    if not tensor.elem_type or not tensor.HasField("shape"):
        raise DeclarationError(
            f"input {value.name!r} of {path} has no declared type and shape",
            cause="without them no batch can be made for it",
            remedy=f"{EXPORT_AGAIN} with an example input",
        )
    shape = tuple(_size(dimension) for dimension in tensor.shape.dim)
    dtype = np.dtype(tensor_dtype_to_np_dtype(tensor.elem_type))
    quantization = input_quantization(model.graph, value.name) if dtype.kind in "iu" else None
    return TensorSpec(shape, str(dtype), value.name, quantization)


def _size(dimension: Any) -> int | None:
    return int(dimension.dim_value) if dimension.HasField("dim_value") and dimension.dim_value > 0 else None


def outputs_of(model: Any) -> list[Output]:
    """The outputs as a ``ModelProto`` declares them."""
    return [_output(value) for value in model.graph.output]


def _output(value: Any) -> Output:
    from onnx import TensorProto
    from onnx.helper import tensor_dtype_to_np_dtype

    if not value.type.HasField("tensor_type"):
        return Output(value.name, MAPS if value.type.HasField("sequence_type") else "unknown")
    tensor = value.type.tensor_type
    if tensor.elem_type in (TensorProto.UNDEFINED, TensorProto.STRING):
        dtype = "string" if tensor.elem_type else "unknown"
    else:
        dtype = str(np.dtype(tensor_dtype_to_np_dtype(tensor.elem_type)))
    shape = tuple(_size(dimension) for dimension in tensor.shape.dim) if tensor.HasField("shape") else None
    return Output(value.name, dtype, shape)


def chosen_output(path: Path, model: Any, wanted: str) -> Choice:
    """Which output of a ``ModelProto`` holds the class scores; see `choose`."""
    return choose(outputs_of(model), wanted, str(path))


def with_one_output(path: Path, wanted: str) -> Any:
    """The whole ``ModelProto`` with the chosen output alone, and only the nodes that lead to it."""
    import onnx

    model = onnx.load(str(path))
    if len(model.graph.output) == 1 and not wanted:
        return model
    kept = chosen_output(path, model, wanted).name
    for value in [value for value in model.graph.output if value.name != kept]:
        model.graph.output.remove(value)
    maker = {name: place for place, node in enumerate(model.graph.node) for name in node.output}
    used: set[int] = set()
    needed = [kept]
    while needed:  # nodes may stand in any order
        place = maker.get(needed.pop())
        if place is not None and place not in used:
            used.add(place)
            needed += _read_by(model.graph.node[place])
    for place in reversed(range(len(model.graph.node))):
        if place not in used:
            del model.graph.node[place]
    return model


def _read_by(node: Any) -> set[str]:
    """Names of the tensors that a node reads, those of its inner graphs among them."""
    found = set(node.input)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            found.update(value.name for value in graph.output)
            found.update(*map(_read_by, graph.node))
    return found


def _complaint(path: Path) -> str:
    """What onnx's checker says against the file; empty where it says nothing. Engines may run it all the same."""
    import onnx

    try:
        onnx.checker.check_model(str(path))  # by path: also right above protobuf's limit of 2 GiB
    except Exception as error:  # a checker that cannot read what is newer than it raises what it likes
        return telling_sentence(error) or type(error).__name__
    return ""


def _digest(path: Path, model: Any) -> str:
    """One sha256 over the model file and then its external data files by name."""
    digest = hashlib.sha256()
    for file in [path, *(path.parent / name for name in sorted({info.location for info in external_data(model)}))]:
        digest.update(bytes.fromhex(file_digest(file)))
    return digest.hexdigest()
