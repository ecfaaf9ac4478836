"""TensorFlow: Keras models op by op, as graphs and through XLA; SavedModels as graphs and through XLA."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.backends import base
from pytest_envrobust.backends.base import CUDA_OPTIONS, Compiler, DeviceSupport, Job, Option, Session
from pytest_envrobust.core.errors import DeclarationError, Unavailable
from pytest_envrobust.core.lacking import said_by
from pytest_envrobust.core.requirements import KERAS, TENSORFLOW, Requirement
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.frameworks import keras, tensorflow
from pytest_envrobust.frameworks.outputs import single_output

_BOTH = ("keras", "tensorflow")


_LACKING = said_by(
    r"No registered '(?P<names>\w+)' OpKernel for ",
)


class Backend(base.Backend):
    """TensorFlow on the CPU, under instruction-set ceilings and on a CUDA device.

    A ceiling binds what oneDNN chooses at run time (convolutions and matrix products, whether or not TensorFlow's
    oneDNN operators are on) and the code that XLA generates. Kernels compiled ahead of time keep the instruction set
    of the TensorFlow package, AVX in the usual wheels.
    """

    engine: ClassVar[str] = "tensorflow"
    requires: ClassVar[tuple[Requirement, ...]] = (TENSORFLOW,)
    compilers: ClassVar[tuple[Compiler, ...]] = (
        Compiler(
            "eager",
            "Keras layers op by op, as Python calls them",
            ("keras",),
            ("keras",),
            default=True,
            requires=(KERAS,),
        ),
        # A SavedModel restores to graphs only: there is no eager way to execute it.
        Compiler("graph", "tf.function, or a SavedModel's serving function", _BOTH, _BOTH, default=True),
        Compiler("xla", "the same function compiled by XLA", _BOTH, _BOTH, compiles_on_open=True),
        Compiler(
            "float64",
            "eager in double precision, what the fidelity of others is told against",
            ("keras",),
            ("keras",),
            named_only=True,
            requires=(KERAS,),
        ),
    )
    devices: ClassVar[Mapping[str, DeviceSupport]] = {
        "cpu": DeviceSupport(),
        "cpu+sse41": DeviceSupport(
            {"ONEDNN_MAX_CPU_ISA": "SSE41"},
            # XLA takes `SSE4_1` without a word and then generates AVX code.
            absent={"xla": "XLA has no instruction-set ceiling below SSE4.2"},
        ),
        "cpu+avx2": DeviceSupport({"ONEDNN_MAX_CPU_ISA": "AVX2", "XLA_FLAGS": "--xla_cpu_max_isa=AVX2"}),
        "cpu+avx512": DeviceSupport({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "XLA_FLAGS": "--xla_cpu_max_isa=AVX512"}),
        "cuda:0": DeviceSupport(options=CUDA_OPTIONS),
    }

    def variables(self, device: str, threads: int, options: Mapping[str, Option]) -> dict[str, str]:
        """The device's own, Keras's backend and a log level that shows errors and warnings only.

        ``XLA_FLAGS`` are added to those that the user has set already.
        """
        own = super().variables(device, threads, options)
        variables = {"TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_BACKEND": "tensorflow", **own}
        if "autotune" in options:
            variables["TF_CUDNN_USE_AUTOTUNE"] = str(int(options["autotune"]))
            if not options["autotune"]:
                variables["XLA_FLAGS"] = "--xla_gpu_autotune_level=0"
        if "XLA_FLAGS" in variables:
            variables["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {variables['XLA_FLAGS']}".strip()
        return variables

    def start(self, device: str, threads: int, options: Mapping[str, Option]) -> None:
        """Import TensorFlow, set its thread pools' sizes and whether it multiplies in TF32.

        Raises `Unavailable` where TensorFlow sees no CUDA device, `DeclarationError` where this process has started
        TensorFlow before with another thread count.
        """
        import tensorflow as tf

        _set_threads(tf.config.threading, threads)
        if "tf32" in options:
            tf.config.experimental.enable_tensor_float_32_execution(bool(options["tf32"]))
        gpus = tf.config.list_physical_devices("GPU")
        if not device.startswith("cuda"):
            if gpus:
                tf.config.set_visible_devices([], "GPU")
            return
        number = int(device.partition(":")[2] or 0)
        if number >= len(gpus):
            raise Unavailable(
                f"device {device}",
                cause=f"TensorFlow sees {len(gpus)} CUDA devices",
                remedy="pip install tensorflow[and-cuda] on a machine with an NVIDIA driver",
            )
        tf.config.set_visible_devices(gpus[number], "GPU")
        # Other engines' workers share the device: take its memory as needed, not all of it at the start.
        tf.config.experimental.set_memory_growth(gpus[number], True)

    def lacking(self, error: Exception) -> tuple[str, ...]:
        """As it names them itself."""
        return _LACKING(error)

    def load(self, job: Job) -> Session:
        """Load the model, trace and compile it where the compiler does so, and run it once on zeros.

        Raises `DeclarationError` where the model cannot be read, does not take ``job.input`` or gives something else
        than one array of class scores.
        """
        model, declared = _load(job)
        shape = _checked_shape(declared, job.input)
        open_batch = job.input.with_batch(declared.shape[0] if declared else None)
        if job.compiler == "float64":
            return _DoubleSession(partial(keras.doubled(model), training=False), open_batch)
        if job.compiler == "eager":
            return _EagerSession(partial(model, training=False), open_batch)
        if job.compiler == "graph" and isinstance(model, tensorflow.SavedModel):
            return _GraphSession(model, open_batch, model.signature)
        return _trace(model, TensorSpec(shape, job.input.dtype, job.input.name), xla=job.compiler == "xla")


class _EagerSession(Session):
    """A Keras model called op by op."""

    def __init__(self, call: Callable[[Any], Any], spec: TensorSpec) -> None:
        import tensorflow as tf

        self.input = spec
        self._call = call
        self._tensor: Callable[[NDArray[Any]], Any] = tf.constant
        self.run(self._zeros())

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        """One call; on a CUDA device it ends when the scores are on the host."""
        return np.array(single_output(self._call(self._tensor(batch)), rows=len(batch)))

    def evidence(self) -> dict[str, str]:
        """Threads, oneDNN and the device that the scores came from, and what Python handed to the runtime."""
        with _dispatched() as operators:
            output = self._call(self._tensor(self._zeros()))
        return {**_process_evidence(), "device": _device_of(output), **_dispatch_evidence(operators)}

    def _zeros(self) -> NDArray[Any]:
        shape = tuple(size or 1 for size in self.input.shape)
        return np.zeros(shape, self.input.dtype)


class _DoubleSession(_EagerSession):
    """A Keras model rebuilt in double precision."""

    def __init__(self, call: Callable[[Any], Any], spec: TensorSpec) -> None:
        super().__init__(call, spec)
        scores = self.run(self._zeros())
        if scores.dtype != np.float64:
            raise DeclarationError(
                "the model does not run in double precision",
                cause=f"its scores are {scores.dtype}: a layer casts to that by itself",
            )


class _GraphSession(_EagerSession):
    """One concrete function, executed by TensorFlow's graph executor."""

    def __init__(self, call: Callable[[Any], Any], spec: TensorSpec, function: Any) -> None:
        self._function = function
        super().__init__(call, spec)

    def evidence(self) -> dict[str, str]:
        """As for eager, and the number of operators in the function's graph."""
        graph = self._function.graph.as_graph_def()
        bodies = (graph.node, *(function.node_def for function in graph.library.function))
        return {**super().evidence(), "graph_operators": str(sum(map(len, bodies)))}


class _XLASession(_GraphSession):
    """One concrete function that XLA compiles whole: TensorFlow fails rather than run it in another way."""

    def __init__(self, compiled: Any, spec: TensorSpec, function: Any) -> None:
        self._compiled = compiled
        super().__init__(function, spec, function)

    def evidence(self) -> dict[str, str]:
        """As for graph, and that the executed function carries XLA's mark, with the size of its HLO module."""
        import tensorflow as tf

        must_compile = self._function.function_def.attr["_XlaMustCompile"].b
        hlo = self._compiled.experimental_get_compiler_ir(tf.TensorSpec(self.input.shape, self.input.dtype))(
            stage="hlo"
        )
        return {
            **super().evidence(),
            "xla_must_compile": str(must_compile).lower(),
            "hlo_instructions": str(hlo.count(" = ")),
        }


def _load(job: Job) -> tuple[Any, TensorSpec | None]:
    """The model and the input that it declares."""
    if job.source.form == "keras":
        model = keras.Framework().load(job.source)
        return model, keras.declared_input(model)
    saved = tensorflow.Framework().load(job.source)
    return saved, saved.input


def _checked_shape(declared: TensorSpec | None, wanted: TensorSpec) -> tuple[int | None, ...]:
    """The shape to trace for: what is wanted, with the model's own batch size where that is fixed."""
    if declared is None:
        return wanted.shape
    if not declared.accepts(tuple(size or 1 for size in wanted.shape), wanted.dtype):
        raise DeclarationError(
            f"the model takes {declared}",
            cause=f"{wanted} was to be fed",
            remedy="give the source a preprocessing that makes the size, layout and dtype it takes",
        )
    return (declared.shape[0] or wanted.batch, *wanted.shape[1:])


def _trace(model: Any, spec: TensorSpec, *, xla: bool) -> _GraphSession:
    """Trace ``model`` for exactly one input; with ``xla``, compile it by running it once."""
    import tensorflow as tf

    call = model if isinstance(model, tensorflow.SavedModel) else partial(model, training=False)
    # A plain function: `tf.function` would follow a partial's or an object's signature into its arguments' names.
    compiled = tf.function(lambda images: call(images), jit_compile=xla or None, autograph=False)
    concrete = compiled.get_concrete_function(tf.TensorSpec(spec.shape, spec.dtype))
    return _XLASession(compiled, spec, concrete) if xla else _GraphSession(concrete, spec, concrete)


def _set_threads(threading: Any, threads: int) -> None:
    pools = (
        (threading.get_intra_op_parallelism_threads, threading.set_intra_op_parallelism_threads),
        (threading.get_inter_op_parallelism_threads, threading.set_inter_op_parallelism_threads),
    )
    for read, write in pools:
        if read() == threads:
            continue
        try:
            write(threads)
        except RuntimeError as error:
            raise DeclarationError(
                f"TensorFlow cannot be set to {threads} threads",
                cause=f"this process has started it with {read() or 'its default number'} already",
                remedy="run it in a worker process of its own",
            ) from error


@contextmanager
def _dispatched() -> Iterator[Counter[str]]:
    """Count the operators that Python hands to the runtime meanwhile: many in eager mode, one function otherwise."""
    counts: Counter[str] = Counter()
    try:
        from tensorflow.python.framework import op_callbacks
    except ImportError:  # internal to TensorFlow: without it there is one piece of evidence less
        yield counts
        return

    def count(kind: Any, *_: Any, graph: Any = None, **__: Any) -> None:
        if graph is None:
            name = kind.decode() if isinstance(kind, bytes) else str(kind)
            # A function's name carries a number that differs from process to process.
            counts["function" if name.startswith("__inference_") else name] += 1

    op_callbacks.add_op_callback(count)
    try:
        yield counts
    finally:
        op_callbacks.remove_op_callback(count)


def _dispatch_evidence(operators: Counter[str]) -> dict[str, str]:
    if not operators:
        return {}
    most = ", ".join(f"{name} {times}" for name, times in operators.most_common(3))
    return {"dispatched": str(operators.total()), "dispatched_most": most}


def _device_of(output: Any) -> str:
    """The device of the scores, such as ``CPU:0``."""
    while isinstance(output, (dict, list, tuple)):
        output = next(iter(output.values() if isinstance(output, dict) else output))
    return str(output.device).rpartition("device:")[2]


def _process_evidence() -> dict[str, str]:
    import tensorflow as tf

    pools = tf.config.threading
    facts = {
        "intra_op_threads": str(pools.get_intra_op_parallelism_threads()),
        "inter_op_threads": str(pools.get_inter_op_parallelism_threads()),
    }
    onednn = _onednn_operators()
    if onednn is not None:
        facts["onednn_operators"] = "on" if onednn else "off"
    if tf.config.list_logical_devices("GPU"):
        facts["tensor_float_32"] = str(tf.config.experimental.tensor_float_32_execution_enabled()).lower()
    return facts


@cache
def _onednn_operators() -> bool | None:
    """Whether TensorFlow puts oneDNN's operators in place of its own: tried on a convolution; ``None``: not known.

    By default it does so only on processors with instructions made for neural networks.
    """
    import tensorflow as tf

    try:
        from tensorflow.python.eager import context

        runtime = context.context()
        start, stop = runtime.enable_graph_collection, runtime.disable_graph_collection
        export = runtime.export_run_metadata
    except (ImportError, AttributeError):  # internal to TensorFlow
        return None

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def probe(images: Any, kernel: Any) -> Any:
        return tf.nn.conv2d(images, kernel, 1, "SAME")

    with tf.device("/CPU:0"):
        arguments = tf.zeros((1, 32, 32, 3)), tf.zeros((3, 3, 3, 8))
        start()
        try:
            probe(*arguments)
            collected = export()
        finally:
            stop()
    kinds = {node.op for graph in collected.partition_graphs for node in graph.node}
    if not any("Conv2D" in kind for kind in kinds):
        return None
    return any(kind.startswith("_Mkl") for kind in kinds)
