"""What was chosen in a TensorFlow Lite file: one of its signatures, one of its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.suggestions import did_you_mean
from pytest_envrobust.frameworks.base import NativeFile
from pytest_envrobust.frameworks.outputs import Choice, Output, choose

_SIGNATURE = "serving_default"


class ChosenInterpreter:
    """A LiteRT interpreter, seen through one signature and one output: its methods are the interpreter's own.

    The first part of a file is run by the interpreter itself, another signature's part by a runner that LiteRT has for
    it. Raises `DeclarationError` where there is no such signature or output, or where none can be told from the others.
    """

    def __init__(self, interpreter: Any, native: NativeFile) -> None:
        self._interpreter, self._runner = interpreter, None
        named = [(str(detail["name"]), detail) for detail in interpreter.get_output_details()]
        signature = _signature(interpreter, native)
        if signature:
            runner = interpreter.get_signature_runner(signature)
            if getattr(runner, "_subgraph_index", None) != 0:
                self._runner = runner
            self._inputs: list[tuple[str, Any]] = list(runner.get_input_details().items())
            named = sorted(runner.get_output_details().items())
        else:
            self._inputs = [(str(detail["name"]), detail) for detail in interpreter.get_input_details()]
        if len(self._inputs) != 1:
            names = ", ".join(name for name, _ in self._inputs)
            raise DeclarationError(
                f"tflite file {str(native.path)!r} takes {len(self._inputs)} inputs ({names})",
                cause="an image classifier takes one batch of images",
                remedy="convert a model that takes the images alone",
            )
        outputs = [_described(name, detail) for name, detail in named]
        self.choice: Choice = choose(outputs, native.output, f"tflite file {str(native.path)!r}")
        self._name, self._output = named[self.choice.index]
        self._batch: NDArray[Any] | None = None
        self._found: Any = None

    def get_input_details(self) -> list[Any]:
        """The one input."""
        if self._runner is None:
            return [_with_shape(self._interpreter.get_input_details(), self._inputs[0][1])]
        return [self._inputs[0][1]]

    def get_output_details(self) -> list[Any]:
        """The chosen output."""
        return [self._output]

    @property
    def is_first(self) -> bool:
        """Whether it is the file's first part, the one that other tools read."""
        return self._runner is None

    def resize_tensor_input(self, index: int, shape: Sequence[int]) -> None:
        """Take inputs of that shape from now on; a runner does so with each call."""
        if self._runner is None:
            self._interpreter.resize_tensor_input(index, shape)

    def allocate_tensors(self) -> None:
        """Make room for the tensors; a runner does so with each call."""
        if self._runner is None:
            self._interpreter.allocate_tensors()

    def set_tensor(self, index: int, batch: NDArray[Any]) -> None:
        """Give the input."""
        if self._runner is None:
            self._interpreter.set_tensor(index, batch)
        self._batch = batch

    def invoke(self) -> None:
        """Run once."""
        if self._runner is None:
            self._interpreter.invoke()
        else:
            self._found = self._runner(**{self._inputs[0][0]: self._batch})

    def get_tensor(self, index: int) -> NDArray[Any]:
        """The chosen output, a copy."""
        found = self._interpreter.get_tensor(index) if self._runner is None else self._found[self._name]
        return np.array(found)

    def operators(self) -> list[str] | None:
        """Names of the operators, as the interpreter tells them; ``None`` where it does not."""
        details = None if self._runner is not None else getattr(self._interpreter, "_get_ops_details", None)
        return None if details is None else [str(each["op_name"]) for each in details()]


def _signature(interpreter: Any, native: NativeFile) -> str:
    """The signature to run; empty for a file without any. Raises `DeclarationError` where it cannot be told."""
    known = interpreter.get_signature_list()
    if native.signature:
        if native.signature not in known:
            raise DeclarationError(
                f"tflite file {str(native.path)!r} has no signature {native.signature!r}",
                cause=f"its signatures: {_listed(known)}",
                remedy=did_you_mean(native.signature, known),
            )
        return native.signature
    if len(known) <= 1:
        return next(iter(known), "")
    if _SIGNATURE in known:
        return _SIGNATURE
    first = sorted(known)[0]
    raise DeclarationError(
        f"tflite file {str(native.path)!r} has {len(known)} signatures",
        cause=f"which of them is to run cannot be told: {_listed(known)}",
        remedy=f"choose one: --envrobust-signature {first}, or er.Source(..., signature={first!r})",
    )


def _listed(known: Any) -> str:
    return ", ".join(f"{name} takes {' and '.join(each['inputs'])}" for name, each in sorted(known.items())) or "none"


def _with_shape(details: Sequence[Any], wanted: Any) -> Any:
    """The input's details as they are now: its shape changes when it is resized."""
    return next(detail for detail in details if detail["index"] == wanted["index"])


def _described(name: str, detail: Any) -> Output:
    declared = detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"]
    shape = tuple(None if size < 0 else int(size) for size in declared)
    scale = detail["quantization"][0]
    return Output(name, "float32" if scale else np.dtype(detail["dtype"]).name, shape)
