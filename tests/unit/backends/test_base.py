"""What every engine has from its base: a job's options are checked and completed before it sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_envrobust import DeclarationError
from pytest_envrobust.backends import base
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.core.tensors import TensorSpec


class _Loading(base.Backend):
    """An engine without a library, which notes the options that it is given."""

    engine = "loading"
    requires = ()
    compilers = (
        base.Compiler("other", "", ("onnx",), options={"depth": 1}),
        base.Compiler("tuned", "", ("onnx",), builds=True, options={"trials": 64, "mode": "default"}),
    )
    devices: Any = {"cpu": base.DeviceSupport({"LIMIT": "AVX2"})}  # noqa: RUF012

    def __init__(self) -> None:
        self.seen: list[Mapping[str, base.Option]] = []

    def start(self, device: str, threads: int, options: Mapping[str, base.Option]) -> None:
        raise NotImplementedError

    def load(self, job: base.Job) -> Any:
        self.seen.append(job.options)


class _Compiling(_Loading):
    def compile(self, job: base.Job, target: Path) -> None:
        self.seen.append(job.options)


def job(**options: base.Option) -> base.Job:
    return base.Job(SourceRef("onnx", "file"), "tuned", "cpu", TensorSpec((1, 3), "float32"), options=options)


@pytest.mark.parametrize(
    "ask", [lambda engine, job: engine.open(job), lambda engine, job: engine.build(job, Path("x"))]
)
def test_an_engine_sees_every_option_of_the_compiler_and_no_other(
    ask: Callable[[base.Backend, base.Job], object],
) -> None:
    engine = _Compiling()
    ask(engine, job(trials=8))
    ask(engine, job())
    assert engine.seen == [{"trials": 8, "mode": "default"}, {"trials": 64, "mode": "default"}]
    with pytest.raises(DeclarationError, match="unknown option 'trails' for tuned: it knows mode, trials"):
        ask(engine, job(trails=8))
    assert len(engine.seen) == 2


def test_an_engine_that_does_not_build_says_so() -> None:
    with pytest.raises(AssertionError, match="loading has no compiler that builds"):
        _Loading().build(job(), Path("x"))


def test_a_devices_variables_are_its_workers() -> None:
    assert _Loading().variables("cpu", 1, {}) == {"LIMIT": "AVX2"}
