"""An environment: one point of framework × compiler × device."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_envrobust.core.errors import DeclarationError

CONVERTED = "-to-"
RECORDED, ELSEWHERE = "recorded", "elsewhere"
"""Compiler and device of predictions that were recorded elsewhere: nothing runs here."""


@dataclass(frozen=True, order=True)
class Environment:
    """One point of framework × compiler × device, written ``torch/inductor/cpu``.

    ``framework`` says whose definition of the model runs: a native framework, or a converted one such as
    ``keras-to-torch``, which is converted first and then treated as that framework's own.
    """

    framework: str
    compiler: str
    device: str

    @property
    def id(self) -> str:
        return f"{self.framework}/{self.compiler}/{self.device}"

    @property
    def source_framework(self) -> str:
        """The framework whose source the route begins with (``keras`` of ``keras-to-torch``)."""
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
    def recorded(cls, framework: str) -> Environment:
        """The environment of predictions that some engine of that framework gave elsewhere."""
        return cls(framework, RECORDED, ELSEWHERE)

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
        return cls(*parts)
