"""What a model answers: which of its outputs are the class scores, and the form that they come in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.suggestions import did_you_mean

LOGITS = "logits"
"""The name that says by itself which of several outputs it is."""
_WHOLE_OR_TEXT = ("int", "uint", "bool", "string", "object", "str", "bytes")
Step = tuple[str, Any]
"""One step into what a model returned: ``item`` or ``attribute``, and its key."""
MAPS = "sequence of maps"
"""The dtype of an output that is a list of dicts from label to score, as scikit-learn's converters write it."""


@dataclass(frozen=True)
class Output:
    """An output as a model declares it; ``shape`` is ``None`` where its rank is open. ``dtype`` is numpy's name."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None = None

    def __str__(self) -> str:
        sizes = (
            "" if self.shape is None else f"[{', '.join('?' if size is None else str(size) for size in self.shape)}]"
        )
        return f"{self.name} {self.dtype}{sizes}"

    @property
    def is_label(self) -> bool:
        """Whether it is one label for each input: whole numbers or text, one a row."""
        one_each = self.shape is None or len(self.shape) <= 1 or set(self.shape[1:]) == {1}
        return one_each and self.dtype.startswith(_WHOLE_OR_TEXT)

    @property
    def is_rows(self) -> bool:
        """Whether it may be a row of scores for each input."""
        if self.dtype == MAPS:
            return True
        if self.dtype.startswith(_WHOLE_OR_TEXT):
            return False
        return self.shape is None or sum(size != 1 for size in self.shape[1:]) <= 1


@dataclass(frozen=True)
class Choice:
    """The output that is taken, by its place, and in words which of how many it is; no words where there is one."""

    index: int
    name: str
    text: str = ""


def choose(outputs: Sequence[Output], wanted: str, subject: str) -> Choice:
    """The output that holds the class scores: the one that is ``wanted`` by name or place, or the only one.

    Of several, one called ``logits`` is taken, and of a label beside its scores the scores. Raises `DeclarationError`
    where there is no such output or where none can be told from the others.
    """
    listed = ", ".join(map(str, outputs))
    index = _index(outputs, wanted) if wanted else _evident(outputs)
    if index is None and wanted:
        names = [output.name for output in outputs]
        raise DeclarationError(
            f"{subject} has no output {wanted!r}", cause=f"its outputs are {listed}", remedy=did_you_mean(wanted, names)
        )
    if index is None:
        likely = next((output for output in outputs if output.is_rows), outputs[0]).name
        raise DeclarationError(
            f"{subject} has {len(outputs)} outputs",
            cause=f"which of them are the class scores cannot be told: {listed}",
            remedy=f"choose one: --envrobust-output {likely}, or er.Source(..., output={likely!r})",
        )
    if len(outputs) == 1:
        return Choice(index, outputs[0].name)
    how = "as asked for" if wanted else "taken for the class scores; --envrobust-output says otherwise"
    return Choice(index, outputs[index].name, f"output {outputs[index].name} of {len(outputs)} ({listed}), {how}")


def _index(outputs: Sequence[Output], wanted: str) -> int | None:
    for index, output in enumerate(outputs):
        if output.name == wanted:
            return index
    # an exporter's suffix, as in logits:0, is not what a user calls it
    bare = [index for index, output in enumerate(outputs) if output.name.partition(":")[0] == wanted]
    if len(bare) == 1:
        return bare[0]
    if wanted.lstrip("-").isdecimal() and -len(outputs) <= int(wanted) < len(outputs):
        return int(wanted) % len(outputs)
    return None


def _evident(outputs: Sequence[Output]) -> int | None:
    if len(outputs) == 1:
        return 0
    named = [index for index, output in enumerate(outputs) if output.name.partition(":")[0].lower() == LOGITS]
    if len(named) == 1:
        return named[0]
    rows = [index for index, output in enumerate(outputs) if output.is_rows]
    if len(outputs) == 2 and len(rows) == 1 and outputs[1 - rows[0]].is_label:
        return rows[0]
    return None


def members_of(value: Any) -> list[tuple[str, Step, Any]]:
    """What a model returned: name, the step that leads to it, and the member itself; those that are ``None`` left out.

    Names are those of a mapping, a named tuple or a dataclass, and the places in other sequences.
    """
    if isinstance(value, Mapping):
        found = [(str(name), ("item", name), member) for name, member in value.items()]
    elif isinstance(value, (tuple, list)):
        names = getattr(value, "_fields", range(len(value)))
        found = [(str(name), ("item", place), member) for place, (name, member) in enumerate(zip(names, value))]
    else:
        names = [field.name for field in dataclasses.fields(value)]
        found = [(name, ("attribute", name), getattr(value, name)) for name in names]
    return [member for member in found if member[2] is not None]


def path_to(value: Any, wanted: str = "") -> tuple[Step, ...]:
    """The steps that lead from what a model returned to the class scores in it; see `choose`. None for a bare array."""
    if not _is_container(value):
        return ()
    members = members_of(value)
    if not members:
        raise DeclarationError("the model returned nothing", cause="class scores have the shape (N, classes)")
    if len(members) == 1 and not wanted:
        index = 0
    else:
        index = choose([_described(name, member) for name, _, member in members], wanted, "the model").index
    _, step, found = members[index]
    return (step, *path_to(found))


def follow(value: Any, path: Sequence[Step]) -> Any:
    """What the steps lead to."""
    for kind, key in path:
        value = value[key] if kind == "item" else getattr(value, key)
    return value


def single_output(value: Any, output: str = "", rows: int | None = None) -> NDArray[Any]:
    """The class scores that a model returned for ``rows`` inputs, as numpy, shape (N, classes).

    Of several outputs it is the one called ``output``, or else see `choose`. Further dimensions of size 1 are dropped:
    (N, classes, 1, 1). One number for each input is the shape (N, 1): floats are a score, whole numbers a label; what
    becomes of them is decided where all inputs are seen. Raises `DeclarationError` where there is another form.
    """
    found = follow(value, path_to(value, output))
    try:
        array = _from_maps(found) if _is_maps(found) else np.asarray(found)
    except Exception:
        array = np.empty(0, dtype=object)
    if array.dtype.kind == "b":
        array = array.astype(np.int64)
    wide = [axis for axis, size in enumerate(array.shape) if axis and size != 1]
    if array.dtype.kind not in "fiu" or len(wide) > 1 or not array.size:
        raise DeclarationError(
            f"the model returned {type(found).__name__} of shape {array.shape} and dtype {array.dtype}",
            cause="class scores have the shape (N, classes), and a label or a single score (N,)",
            remedy="choose another output with --envrobust-output, or give a model that returns one row of class "
            "scores for each input",
        )
    if array.ndim == 2:
        return array
    flat = array.reshape(array.shape[0] if array.ndim else 1, -1)
    return flat.reshape(1, -1) if rows == 1 and flat.shape[1] == 1 else flat


def _is_container(value: Any) -> bool:
    if isinstance(value, (Mapping, tuple, list)):
        return not _is_maps(value)
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _is_maps(value: Any) -> bool:
    """Whether it is a list of dicts from label to score, one for each input."""
    return (
        isinstance(value, (tuple, list))
        and len(value) > 0
        and all(isinstance(each, Mapping) and all(np.isscalar(score) for score in each.values()) for each in value)
    )


def _from_maps(maps: Sequence[Mapping[Any, Any]]) -> NDArray[np.float32]:
    """The scores in the labels' order, shape (N, classes)."""
    labels = sorted(maps[0])
    return np.array([[each[label] for label in labels] for each in maps], dtype=np.float32)


def _described(name: str, value: Any) -> Output:
    if _is_maps(value):
        return Output(name, MAPS)
    if _is_container(value):
        return Output(name, f"{type(value).__name__} of {len(value)}", (None, None, None))
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is None or dtype is None:
        return Output(name, type(value).__name__)
    kind = str(getattr(dtype, "name", dtype)).replace("torch.", "")
    return Output(name, kind, tuple(size if isinstance(size, int) else None for size in shape))
