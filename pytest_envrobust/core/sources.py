"""A reference to a model's definition, in a form that a worker process can load, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_envrobust.core.errors import StageFailure
from pytest_envrobust.core.named_inputs import spec_of
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.core.suggestions import did_you_mean
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
    ``variant`` tells the same factory with other weights on purpose (``broken``: with a fault) from the plain one.
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
    ``needs`` are the names of what a call must be given and ``may_take`` of what it can be given beside, where a
    source tells these and not their shapes.
    """

    digest: str
    input: TensorSpec | None = None
    classes: int | None = None
    notices: tuple[str, ...] = ()
    output: str = ""
    needs: tuple[str, ...] = ()
    may_take: tuple[str, ...] = ()


def input_spec(batch: NDArray[Any], inspection: Inspection) -> TensorSpec:
    """The concrete input for a source: the batch's shape and dtype, as many inputs a call as the source is made for.

    Raises `StageFailure` where the source says that it takes something else.
    """
    declared = inspection.input
    calls = declared.batch if declared is not None else 1
    spec = spec_of(batch, calls, declared.name if declared else "input")
    _check_names(spec, inspection)
    if declared is not None and not declared.takes(spec):
        raise _not_fed(
            f"it takes {declared} and the preprocessing gives {spec}"
            if not spec.parts
            else f"it takes {declared}, and is given {spec}",
            "declare the preprocessing (size, layout, dtype) that the source takes"
            if not spec.parts
            else "give each array the shape and dtype of its input: array.astype('float32')",
        )
    return spec


def _check_names(spec: TensorSpec, inspection: Inspection) -> None:
    """Raise `StageFailure` where what is given by name, or as the one input, is not what the source takes."""
    declared = inspection.input
    if declared is not None:
        needs: tuple[str, ...] = tuple(part.name for part in declared.parts) or (declared.name,)
    else:
        needs = inspection.needs
    if not spec.parts:
        if len(needs) > 1:
            example = ", ".join(f'"{name}": ...' for name in needs)
            raise _not_fed(
                f"it takes {len(needs)} inputs ({', '.join(needs)}) and is given one",
                f"give arrays by name, inputs={{{example}}}, or a .npz file of these names; pictures of a folder "
                "are the one input of a model",
            )
        return
    known = (*needs, *inspection.may_take)
    given = [part.name for part in spec.parts]
    missing, strange = [name for name in needs if name not in given], [name for name in given if name not in known]
    if not known or not (missing or strange):
        return
    if len(known) == 1:
        raise _not_fed(
            f"its one input is {known[0]}, and arrays for {', '.join(given)} are given",
            f"give one array alone: numpy.save('inputs.npy', arrays[{given[0]!r}])",
        )
    near = next(filter(None, (did_you_mean(name, [n for n in known if n not in given]) for name in strange)), "")
    raise _not_fed(
        f"its inputs are {', '.join(known)}, and {', '.join(given)} are given",
        near or "name the arrays as the model names its inputs",
    )


def _not_fed(cause: str, remedy: str) -> StageFailure:
    return StageFailure("feed the model", stage=Stage.LOAD, status=Status.FAILED, cause=cause, remedy=remedy)
