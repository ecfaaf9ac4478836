"""What an engine, framework or conversion step needs to have installed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Floor:
    """The first version whose loader of files has no known hole, and what is wrong with earlier ones, in words."""

    version: str
    flaw: str


@dataclass(frozen=True)
class Requirement:
    """A Python module, the distributions that can carry it, and the extra of ours that installs it, if one does."""

    module: str
    extra: str
    distributions: tuple[str, ...] = ()
    floor: Floor | None = None

    @property
    def candidates(self) -> tuple[str, ...]:
        return self.distributions or (self.module,)

    @property
    def remedy(self) -> str:
        return f"pip install pytest-envrobust[{self.extra}]"


TORCH = Requirement(
    "torch",
    "torch",
    floor=Floor("2.10", "can be made to run code by a file that it reads as plain data (weights_only)"),
)
ONNX = Requirement("onnx", "onnxruntime", floor=Floor("1.21", "follows links from a model's external data to any file"))
ONNXSCRIPT = Requirement("onnxscript", "torch")
ONNX2TORCH = Requirement("onnx2torch", "onnx2torch")
TF2ONNX = Requirement("tf2onnx", "tensorflow")
TENSORFLOW = Requirement("tensorflow", "tensorflow", ("tensorflow-cpu", "tensorflow"))
KERAS = Requirement(
    "keras", "tensorflow", floor=Floor("3.11.3", "runs code that a model file brings, in spite of safe_mode")
)
LITERT = Requirement("ai_edge_litert", "tflite", ("ai-edge-litert",))
ONNXRUNTIME = Requirement("onnxruntime", "onnxruntime", ("onnxruntime", "onnxruntime-gpu"))
OPENVINO = Requirement("openvino", "openvino")
TVM = Requirement("tvm", "tvm", ("apache-tvm",))


@dataclass(frozen=True)
class Interpreter:
    """A Python of its own for conversion steps whose packages cannot be installed beside those of the engines.

    ``commands`` make one in a folder ``NAME``; ``{torch}`` in them stands for the version of torch that is here.
    """

    name: str
    requires: tuple[Requirement, ...]
    commands: tuple[str, ...]

    @property
    def option(self) -> str:
        """The option that says where it is."""
        return f"--envrobust-interpreter {self.name}={self.name}/bin/python"


NUMPY = Requirement("numpy", "")
LITERT_TORCH = Requirement("litert_torch", "", ("litert-torch",))
ONNX2TF = Requirement("onnx2tf", "")

INTERPRETERS = {
    "litert-torch": Interpreter(
        "litert-torch",
        requires=(NUMPY, TORCH, LITERT_TORCH),
        commands=(
            "python3.11 -m venv litert-torch",
            "litert-torch/bin/pip install torch=={torch} litert-torch==0.10.0",
        ),
    ),
    "onnx2tf": Interpreter(
        "onnx2tf",
        requires=(NUMPY, ONNX, TENSORFLOW, ONNX2TF),
        commands=("python3.12 -m venv onnx2tf", "onnx2tf/bin/pip install 'onnx2tf[tensorflow]==2.6.9'"),
    ),
}
"""Those that steps can name, by name."""
