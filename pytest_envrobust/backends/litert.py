"""LiteRT, the interpreter of TensorFlow Lite files: XNNPACK, its own optimized kernels, its reference kernels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from numpy.typing import NDArray

from pytest_envrobust.backends import base
from pytest_envrobust.backends.base import Compiler, DeviceSupport, Job, Option, Session
from pytest_envrobust.core.lacking import said_by
from pytest_envrobust.core.requirements import LITERT, Requirement
from pytest_envrobust.frameworks import tflite
from pytest_envrobust.frameworks.outputs import single_output

# Which of LiteRT's sets of kernels each compiler takes: names of `OpResolverType` members.
_RESOLVERS = {
    "litert": "AUTO",
    "litert-noxnnpack": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "litert-ref": "BUILTIN_REF",
}


class LiteRTSession(Session):
    """An interpreter with its tensors allocated; the batch size is fixed."""

    def __init__(self, job: Job) -> None:
        native = tflite.Framework().load(job.source)
        self._interpreter = tflite.open_chosen(native, _RESOLVERS[job.compiler], job.threads)
        shape = tuple(size or 1 for size in job.input.shape)
        self.input = tflite.prepare(self._interpreter, shape)
        self._input_index: int = self._interpreter.get_input_details()[0]["index"]
        output: dict[str, Any] = self._interpreter.get_output_details()[0]
        self._output_index: int = output["index"]
        self._quantization: tuple[float, int] = output["quantization"]

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        """One call; integer scores come back as float32 by their scale and zero point."""
        self._interpreter.set_tensor(self._input_index, batch)
        self._interpreter.invoke()
        # `get_tensor` copies, so that the array is the caller's own.
        raw = self._interpreter.get_tensor(self._output_index)
        return tflite.dequantized(single_output(raw, rows=len(batch)), self._quantization)

    def evidence(self) -> dict[str, str]:
        """How many operators the model has and how many parts of it a delegate took over (XNNPACK: at least one)."""
        found = {"output": self._interpreter.choice.name}
        names = self._interpreter.operators()
        if names is None:
            return found
        delegates = names.count("DELEGATE")
        return {**found, "operators": str(len(names) - delegates), "delegate_nodes": str(delegates)}


_LACKING = said_by(
    r"unresolved custom op: (?P<names>\w+)",
    r"Select TensorFlow op.*Node number \d+ \(Flex(?P<names>\w+)\)",
    r"Didn't find op for builtin opcode '(?P<names>\w+)'",
)


class Backend(base.Backend):
    """LiteRT on the CPU."""

    engine: ClassVar[str] = "litert"
    requires: ClassVar[tuple[Requirement, ...]] = (LITERT,)
    compilers: ClassVar[tuple[Compiler, ...]] = (
        Compiler("litert", "LiteRT with XNNPACK, its default", ("tflite",), default=True),
        Compiler("litert-noxnnpack", "LiteRT's own optimized kernels, no delegate", ("tflite",)),
        Compiler("litert-ref", "LiteRT's reference kernels: plain loops, slow", ("tflite",)),
    )
    devices: ClassVar[Mapping[str, DeviceSupport]] = {"cpu": DeviceSupport()}
    no_ceiling: ClassVar[str] = (
        "LiteRT chooses its kernels by the processor's own features and has no setting that caps them"
    )

    def start(self, device: str, threads: int, options: Mapping[str, Option]) -> None:
        """Import LiteRT. The thread count is each interpreter's own and is set on opening."""
        import ai_edge_litert.interpreter  # noqa: F401

    def lacking(self, error: Exception) -> tuple[str, ...]:
        """As it names them itself."""
        return _LACKING(error)

    def load(self, job: Job) -> LiteRTSession:
        """Read the file and allocate its tensors. Raises `DeclarationError` for a file that cannot be used."""
        return LiteRTSession(job)
