"""Turning a source's factory (import path or pickled object) into the framework's own object, in a worker."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pickle
import sys
from collections.abc import Callable, Iterable
from typing import Any

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.sources import SourceRef

_produced: dict[tuple[str, str, str, bytes, str, str], Any] = {}


def produce(source: SourceRef, is_model: Callable[[Any], bool]) -> Any:
    """Import or unpickle what ``source`` names and, unless ``is_model(object)`` holds already, call it.

    A process calls a factory once for each variant: all that it does with a source, it does with the same object. Where
    the weights are known already (the source names a file with them), a factory with a method ``structure`` is asked
    for the model without them: the caller puts them in.

    Raises `DeclarationError` where the import path does not resolve or the factory gives something else than a model.
    Exceptions of the factory itself pass through.
    """
    key = (source.form, source.kind, source.target, source.payload, source.variant, source.weights)
    if key not in _produced:
        _produced[key] = _called(source, is_model)
    return _produced[key]


def _called(source: SourceRef, is_model: Callable[[Any], bool]) -> Any:
    found = _resolve(source)
    if is_model(found):
        return found
    name = source.target or getattr(found, "__qualname__", repr(found))
    if not callable(found):
        raise DeclarationError(
            f"source {name!r} is a {type(found).__name__}",
            cause=f"a {source.form} model or a function that returns one is needed",
        )
    without_weights = getattr(found, "structure", None)
    model = without_weights() if source.state and callable(without_weights) else found()
    if not is_model(model):
        raise DeclarationError(
            f"factory {name!r} returned a {type(model).__name__}", cause=f"a {source.form} model is needed"
        )
    return model


def _resolve(source: SourceRef) -> Any:
    if source.kind == "pickle":
        return pickle.loads(source.payload)
    module_name, _, attribute = source.target.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise
        raise DeclarationError(
            f"source {source.target!r} cannot be imported",
            cause=f"there is no module {error.name!r}",
            remedy="run pytest where the module can be imported, or set pythonpath in the ini file",
        ) from None
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise DeclarationError(
                f"source {source.target!r} cannot be found",
                cause=f"{module_name} has no attribute {attribute!r}",
            ) from None
    return found


def code_digest(classes: Iterable[type]) -> str:
    """One digest over the source files that define ``classes``: a change in the model's code is a new model."""
    files = set()
    for cls in classes:
        try:
            files.add(inspect.getfile(cls))
        except (TypeError, OSError):
            continue
    digest = hashlib.sha256()
    for file in sorted(files):
        with open(file, "rb") as stream:
            digest.update(stream.read())
    digest.update(sys.version.encode())
    return digest.hexdigest()
