"""OpenVINO on the CPU, as it comes, in float32 and in bfloat16, and below instruction-set ceilings.

As it comes it computes in bfloat16 where the processor has that, and in float32 elsewhere; the evidence says which.

A ceiling needs both variables: one limits the kernels of oneDNN, the other those of OpenVINO itself. Matrix
multiplications that OpenVINO gives to MLAS (``gemm_mlas`` in the evidence) follow neither.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pytest_envrobust.backends import base
from pytest_envrobust.core.errors import Unavailable
from pytest_envrobust.core.lacking import said_by
from pytest_envrobust.core.requirements import OPENVINO
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.frameworks.openvino import fed, import_openvino, keep_output, outputs_of, read_model
from pytest_envrobust.frameworks.outputs import Choice, choose, single_output

PRECISIONS = {"openvino-f32": "f32", "openvino-bf16": "bf16"}
"""What a compiler asks for; `openvino` asks for nothing."""


def _ceiling(level: str) -> base.DeviceSupport:
    return base.DeviceSupport(
        variables={"ONEDNN_MAX_CPU_ISA": level, "OV_CPU_MAX_ISA": level},
        absent={"openvino-bf16": f"{level} has no bfloat16 instructions: OpenVINO would run float32"},
    )


_LACKING = said_by(
    r"No conversion rule found for operations: (?P<names>.+)",
)


class Backend(base.Backend):
    """OpenVINO's CPU plugin: one stream, as many threads as asked for."""

    engine = "openvino"
    requires = (OPENVINO,)
    compilers = (
        base.Compiler(
            "openvino",
            "OpenVINO as it comes: bfloat16 where the processor has it, else float32",
            forms=("openvino",),
            default=True,
            compiles_on_open=True,
            named_inputs=True,
        ),
        base.Compiler(
            "openvino-f32", "OpenVINO, float32", forms=("openvino",), compiles_on_open=True, named_inputs=True
        ),
        base.Compiler(
            "openvino-bf16", "OpenVINO, bfloat16", forms=("openvino",), compiles_on_open=True, named_inputs=True
        ),
    )
    devices = {  # noqa: RUF012 - the contract declares it
        "cpu": base.DeviceSupport(),
        "cpu+sse41": _ceiling("SSE41"),
        "cpu+avx2": _ceiling("AVX2"),
        "cpu+avx512": _ceiling("AVX512_CORE"),
    }

    def start(self, device: str, threads: int, options: Mapping[str, base.Option]) -> None:
        """Import OpenVINO."""
        import_openvino()

    def lacking(self, error: Exception) -> tuple[str, ...]:
        """As it names them itself."""
        return _LACKING(error)

    def load(self, job: base.Job) -> base.Session:
        """Compile the IR for the CPU.

        Raises `Unavailable` where the plugin answers with another precision than the one asked for, as it does
        without a word on processors that lack bfloat16.
        """
        core = import_openvino().Core()
        wanted = PRECISIONS.get(job.compiler)
        hints: dict[str, Any] = {"INFERENCE_NUM_THREADS": job.threads, "NUM_STREAMS": 1}
        if wanted is not None:
            hints["INFERENCE_PRECISION_HINT"] = wanted
        compiled = core.compile_model(read_model(Path(job.source.target)), "CPU", hints)
        effective = _precision(compiled)
        if wanted is not None and effective != wanted:
            raise Unavailable(
                f"{job.compiler} cannot run here",
                cause=f"this processor runs the model in {effective}, not in {wanted}",
                remedy="run it on a processor with AVX-512 or AMX bfloat16",
            )
        output = choose(outputs_of(compiled), job.source.output, job.source.target)
        return OpenVinoSession(compiled, _input_of(compiled, job.input), output, as_it_comes=wanted is None)


class OpenVinoSession(base.Session):
    """A compiled model with one inference request."""

    def __init__(self, compiled: Any, spec: TensorSpec, output: Choice, *, as_it_comes: bool) -> None:
        self.input = spec
        self._output = output
        self._as_it_comes = as_it_comes
        self._compiled: Any = compiled
        self._request: Any = compiled.create_infer_request()

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        """One call; scores of shape (N, classes), copied out of the request."""
        found = self._request.infer(fed(batch), share_outputs=False)
        return single_output(list(found.values())[self._output.index], rows=len(batch))

    def evidence(self) -> dict[str, str]:
        """Properties read back from the compiled model, and how many nodes each kernel type executes."""
        properties = ("INFERENCE_NUM_THREADS", "NUM_STREAMS", "EXECUTION_DEVICES")
        found = {name.lower(): _text(self._compiled.get_property(name)) for name in properties}
        precision = found[base.PRECISION] = _precision(self._compiled)
        if self._as_it_comes and precision != "f32":
            found[base.NOTICE] = (
                f"as it comes OpenVINO computes in {precision} on this processor; openvino-f32 does not"
            )
        found["output"] = self._output.name
        kernels, precisions = _executed(self._compiled.get_runtime_model())
        found["kernels"] = _listed(kernels)
        found["precisions"] = _listed(precisions)
        return found

    def close(self) -> None:
        """Free the request and the compiled model."""
        self._request = self._compiled = None


def save_ir(onnx_file: Path, target: Path, spec: TensorSpec, output: str = "") -> None:
    """Read an ONNX file, fix the shapes of its inputs to ``spec`` and write ``target`` (``.xml``) and its ``.bin``.

    Weights keep their precision. Of several outputs the chosen one is kept.
    """
    openvino = import_openvino()
    model = keep_output(openvino.Core().read_model(str(onnx_file)), output, str(onnx_file))
    if model.is_dynamic():
        sizes = {model.input(part.name): part.shape for part in spec.parts} or {model.input(0): spec.shape}
        model.reshape({port: openvino.PartialShape(list(shape)) for port, shape in sizes.items()})
    openvino.save_model(model, str(target), compress_to_fp16=False)


def _input_of(compiled: Any, wanted: TensorSpec) -> TensorSpec:
    batch = compiled.input(0).get_partial_shape()[0]
    return wanted.with_batch(None if batch.is_dynamic else batch.get_length())


def _precision(compiled: Any) -> str:
    return str(compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())


def _executed(runtime_model: Any) -> tuple[Counter[str], Counter[str]]:
    """How many nodes run by each kernel type and in each precision, constants and input and output aside."""
    kernels: Counter[str] = Counter()
    precisions: Counter[str] = Counter()
    for node in runtime_model.get_ops():
        info = node.get_rt_info()
        kernel = str(info["primitiveType"].astype(str))
        # "unknown" stands for nodes that execute nothing: constants, inputs, views of another node's memory.
        if not kernel.startswith("unknown"):
            kernels[kernel] += 1
            precisions[str(info["runtimePrecision"].astype(str))] += 1
    return kernels, precisions


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
