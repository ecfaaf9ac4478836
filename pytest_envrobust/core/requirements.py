"""What an engine, framework or conversion step needs to have installed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Requirement:
    """A Python module, the distributions that can carry it, and the extra of ours that installs it."""

    module: str
    extra: str
    distributions: tuple[str, ...] = ()

    @property
    def candidates(self) -> tuple[str, ...]:
        return self.distributions or (self.module,)

    @property
    def remedy(self) -> str:
        return f"pip install pytest-envrobust[{self.extra}]"


TORCH = Requirement("torch", "torch")
ONNX = Requirement("onnx", "onnxruntime")
ONNXSCRIPT = Requirement("onnxscript", "torch")
ONNX2TORCH = Requirement("onnx2torch", "onnx2torch")
TF2ONNX = Requirement("tf2onnx", "tensorflow")
TENSORFLOW = Requirement("tensorflow", "tensorflow", ("tensorflow-cpu", "tensorflow"))
KERAS = Requirement("keras", "tensorflow")
LITERT = Requirement("ai_edge_litert", "tflite", ("ai-edge-litert",))
ONNXRUNTIME = Requirement("onnxruntime", "onnxruntime", ("onnxruntime", "onnxruntime-gpu"))
OPENVINO = Requirement("openvino", "openvino")
TVM = Requirement("tvm", "tvm", ("apache-tvm",))
