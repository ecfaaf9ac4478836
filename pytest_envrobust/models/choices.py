"""What the command line chooses in the sources of its models: an output, a signature, a decision, a file of weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.models.model import Model, Source


@dataclass(frozen=True)
class Choices:
    """What was written for each of them, ``VALUE`` for all sources or ``SOURCE=VALUE`` for one, ``onnx:int8=prob``."""

    output: tuple[str, ...] = ()
    signature: tuple[str, ...] = ()
    decision: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()

    def in_model(self, model: Model) -> Model:
        """The model with them in its sources. Raises `DeclarationError` for what is no number where one is needed."""
        sources = {key: self._in_source(key, model.source(key), list(model.sources)) for key in model.sources}
        return replace(model, sources=sources)

    def _in_source(self, key: str, source: Source, keys: Sequence[str]) -> Source:
        found: dict[str, Any] = {
            "output": _chosen(self.output, key, keys, str),
            "signature": _chosen(self.signature, key, keys, str),
            "decision": _chosen(self.decision, key, keys, _number),
            "weights_file": _chosen(self.weights, key, keys, str) if source.path is None else None,
        }
        return replace(source, **{name: value for name, value in found.items() if value is not None})


def _chosen(texts: Sequence[str], key: str, keys: Sequence[str], read: Callable[[str], Any]) -> Any:
    """What was written for that source by name, or else for all; the last counts. ``None`` where nothing was."""
    for_all = None
    for_one = None
    for text in texts:
        whose, separator, value = text.partition("=")
        if separator and whose == key:
            for_one = read(value)
        elif not (separator and whose in keys):
            for_all = read(text)
    return for_all if for_one is None else for_one


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DeclarationError(
            f"--envrobust-decision {text}", cause="it is a number: 0.5 for a probability, 0 for a logit"
        ) from None
