"""Variants given without a declaration: what each is called, and which of a model's sources it becomes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_envrobust.core.environment import CONVERTED, SourceKey, is_variant_name
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.frameworks import frameworks
from pytest_envrobust.models.guessing import framework_of
from pytest_envrobust.models.model import Model, Source

OPTION = "--envrobust-variant"
_SEPARATORS = "-_. "


def with_variants(model: Model, texts: Sequence[str]) -> Model:
    """The model with each of ``texts``, ``[NAME=]MODEL``, as another source.

    The first of a framework that the model has not is that framework's source. Any other is a variant, called by its
    name or, where none is given, by what its file's name has that the model's has not. Raises `DeclarationError` for
    one that cannot be read, or called like another.
    """
    sources = dict(model.sources)
    for text in texts:
        name, target = _parsed(text)
        try:
            framework, target = framework_of(target)
        except DeclarationError as error:
            raise DeclarationError(f"{OPTION}: {error.thing}", cause=error.cause, remedy=error.remedy) from None
        key = key_of(framework, target, {each: str(source.target) for each, source in sources.items()}, name)
        if key in sources:
            raise DeclarationError(
                f"{OPTION} {text}: there is a source {key!r} already", remedy=f"name this one: {OPTION} NAME={target}"
            )
        sources[key] = Source(target)
    return replace(model, sources=sources)


def key_of(framework: str, target: str, beside: Mapping[str, str], name: str = "") -> str:
    """The key of a source more, ``beside`` those of these keys and targets: ``tflite``, ``onnx:int8``.

    Where every name that its target suggests is taken it is the framework's, which is taken too.
    """
    if name:
        return str(SourceKey(framework, name))
    first = next((other for key, other in beside.items() if SourceKey.parse(key).framework == framework), None)
    if first is None:
        return framework
    keys = [str(SourceKey(framework, each)) for each in _names(target, first) if is_variant_name(each)]
    return next((key for key in keys if key not in beside), framework)


def _parsed(text: str) -> tuple[str, str]:
    """The name, empty where none is given, and what it names; a framework before ``=`` is no name."""
    name, separator, target = text.partition("=")
    if not separator or name in frameworks() or Path(text).exists():
        return "", text
    if not is_variant_name(name):
        SourceKey.parse(f"framework:{name}")
    return name, target


def _names(target: str, first: str) -> list[str]:
    """What a variant may be called, best first: ``net_int8.onnx`` beside ``net.onnx`` or ``net_fp32.onnx`` is ``int8``.

    Files of one name are called by their folders.
    """
    own, other, folder = _stem(target), _stem(first), Path(target).parent.name
    names = [_without_common_words(own, other), own] if own != other else []
    names += [folder, f"{folder}-{own}", own]
    return [_spelled(name) for name in names if name]


def _without_common_words(own: str, other: str) -> str:
    """What the name has behind the words that it shares with the other."""
    words, others = (re.split(r"([-_. ])", text) for text in (own, other))
    shared = next((place for place, pair in enumerate(zip(words, others)) if pair[0] != pair[1]), len(others))
    return "".join(words[shared:]).lstrip(_SEPARATORS)


def _stem(target: str) -> str:
    _, colon, attribute = target.rpartition(":")
    return attribute if colon and "/" not in attribute else Path(target).stem


def _spelled(name: str) -> str:
    """The name in the letters that a variant's may have."""
    return re.sub(r"[^\w.+-]+", "-", name, flags=re.ASCII).strip("-.+").replace(CONVERTED, "-2-")
