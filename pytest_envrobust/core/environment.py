"""An environment: one point of framework × compiler × device, and which of a model's sources it begins with."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_envrobust.core.errors import DeclarationError

CONVERTED = "-to-"
RECORDED, ELSEWHERE = "recorded", "elsewhere"
"""Compiler and device of predictions that were recorded elsewhere: nothing runs here."""
VARIANT = r"[A-Za-z0-9_](?:(?!-to-)[\w.+-])*"
"""What a variant may be called, as a regular expression."""
_VARIANT_OF_PATTERN = re.compile(r":[^/]*?(?=-to-|/|$)")


@dataclass(frozen=True, order=True)
class SourceKey:
    """Which of a model's sources: its framework, and the variant's name where it is one: ``onnx``, ``onnx:int8``."""

    framework: str
    variant: str = ""

    def __str__(self) -> str:
        return f"{self.framework}:{self.variant}" if self.variant else self.framework

    @classmethod
    def parse(cls, text: str) -> SourceKey:
        """Read ``framework`` or ``framework:variant``. Raises `DeclarationError` for a name that none can have."""
        framework, colon, variant = text.partition(":")
        if colon and not is_variant_name(variant):
            raise DeclarationError(
                f"{text!r} is no source",
                cause="a variant's name is of letters, digits, '_', '.', '+' and '-', and has no '-to-' in it",
                remedy="write it like onnx:int8",
            )
        return cls(framework, variant)


def is_variant_name(text: str) -> bool:
    """Whether a variant may be called so."""
    return re.fullmatch(VARIANT, text) is not None


def without_variant(pattern: str) -> str:
    """A glob on environments' ids as it would be for a model without variants: ``onnx/*`` of ``onnx:int8/*``."""
    framework, slash, rest = pattern.partition("/")
    return _VARIANT_OF_PATTERN.sub("", framework, count=1) + slash + rest


@dataclass(frozen=True, order=True)
class Environment:
    """One point of framework × compiler × device, written ``torch/inductor/cpu``.

    ``framework`` says whose definition of the model runs: a native framework, or a converted one such as
    ``keras-to-torch``, which is converted first and then treated as that framework's own. ``variant`` names the source
    where it is not the model's first in that framework: ``onnx:int8/ort-all/cpu``, ``keras:int8-to-torch/eager/cpu``.
    """

    framework: str
    compiler: str
    device: str
    variant: str = ""

    @property
    def id(self) -> str:
        converted = f"{CONVERTED}{self.definition}" if self.is_converted else ""
        return f"{self.source}{converted}/{self.compiler}/{self.device}"

    @property
    def source(self) -> str:
        """The key of the model's source that the route begins with (``keras:int8`` of ``keras:int8-to-torch``)."""
        return str(SourceKey(self.source_framework, self.variant))

    @property
    def source_framework(self) -> str:
        """The framework of that source (``keras`` of ``keras:int8-to-torch``)."""
        return self.framework.split(CONVERTED)[0]

    @property
    def definition(self) -> str:
        """The framework whose definition runs in the end (``torch`` of ``keras-to-torch``)."""
        return self.framework.split(CONVERTED)[-1]

    @property
    def is_converted(self) -> bool:
        return CONVERTED in self.framework

    @property
    def compiler_family(self) -> str:
        """The compiler without its level or variant, which its name has behind a dash: ``tvm`` of ``tvm-o3``."""
        return self.compiler.partition("-")[0]

    @property
    def is_recorded(self) -> bool:
        """Whether its predictions were recorded elsewhere."""
        return self.compiler == RECORDED

    @classmethod
    def recorded(cls, source: str) -> Environment:
        """The environment of predictions that some engine gave elsewhere, which are the source of that key."""
        key = SourceKey.parse(source)
        return cls(key.framework, RECORDED, ELSEWHERE, key.variant)

    def __str__(self) -> str:
        return self.id

    @classmethod
    def parse(cls, text: str) -> Environment:
        """Read ``framework/compiler/device``. Raises `DeclarationError` where a part is missing or empty."""
        parts = text.split("/", 2)
        if len(parts) != 3 or not all(parts):
            raise DeclarationError(
                f"{text!r} is not an environment",
                cause="an environment has three parts, framework/compiler/device",
                remedy="write it like torch/eager/cpu",
            )
        source, converted, definition = parts[0].partition(CONVERTED)
        key = SourceKey.parse(source)
        return cls(f"{key.framework}{converted}{definition}", parts[1], parts[2], key.variant)
