"""A reference to a model's definition, in a form that a worker process can load, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_envrobust.core.errors import StageFailure
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.core.tensors import TensorSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class SourceRef:
    """Where a worker finds a definition of the model.

    ``form`` is what it is: a framework (``torch``, ``keras``, ``tensorflow``, ``tflite``, ``onnx``) or an engine's own
    form (``tvm``, ``openvino``). Of ``target`` and ``payload`` one is set: a file (``kind="file"``), an import path
    ``package.module:attribute`` (``kind="factory"``), or a pickled factory or model (``kind="pickle"``).
    ``digest`` is the content's, where it is known already. ``state`` is a file with the weights that the factory gave
    when it was first called: a factory that draws them, or computes them on another instruction set, gives others.
    ``variant`` tells the same factory with other weights on purpose (``int8``: rounded to that) from the plain one.
    ``output`` names the output that holds the class scores, or its place; ``signature`` the function of a file that has
    several; ``weights`` is a file with weights for what a factory gives. What is not said is empty.
    """

    form: str
    kind: str
    target: str = ""
    payload: bytes = b""
    digest: str = ""
    state: str = ""
    variant: str = ""
    output: str = ""
    signature: str = ""
    weights: str = ""

    @property
    def chosen(self) -> dict[str, str]:
        """What was chosen in it, which its content's digest does not know of."""
        found = {"output": self.output, "signature": self.signature}
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True)
class Inspection:
    """What a source says of itself once loaded: a digest of weights and structure, its input, its class count.

    ``notices`` are what a reader must know of it beside that.
    ``output`` says in words which of several outputs are taken for the class scores.
    """

    digest: str
    input: TensorSpec | None = None
    classes: int | None = None
    notices: tuple[str, ...] = ()
    output: str = ""


def input_spec(batch: NDArray[Any], inspection: Inspection) -> TensorSpec:
    """The concrete input for a source: the batch's shape and dtype, as many inputs a call as the source is made for.

    Raises `StageFailure` where the source says that it takes something else.
    """
    declared = inspection.input
    calls = declared.batch if declared is not None else 1
    spec = TensorSpec((calls, *batch.shape[1:]), str(batch.dtype), declared.name if declared else "input")
    if declared is not None and not declared.accepts(batch.shape, spec.dtype):
        raise StageFailure(
            "feed the model",
            stage=Stage.LOAD,
            status=Status.FAILED,
            cause=f"it takes {declared} and the preprocessing gives {spec}",
            remedy="declare the preprocessing (size, layout, dtype) that the source takes",
        )
    return spec
