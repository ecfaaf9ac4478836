"""What an engine is: start once, prepare once, run many.

One module an engine, found by its file name; the class in it is called ``Backend``. Its class attributes say what it
can do and are read in the controlling process; its methods run inside a worker process, and only there is the
engine's library imported.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Union, final

from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError, LacksOperator
from pytest_envrobust.core.requirements import Requirement
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.core.tensors import TensorSpec

Option = Union[str, int, float, bool]


@dataclass(frozen=True)
class Compiler:
    """A way in which an engine executes a model: one value of the compiler axis.

    ``forms`` are what it loads, the preferred first. ``frameworks`` are those whose definition it executes; ``None``
    means any that can be converted. ``builds``: a compiled artifact is written and stored before it is loaded.
    ``compiles_on_open``: opening compiles (the time limit and the messages of that stage apply).
    ``default``: taken when a run asks for nothing. ``named_only``: taken only when named without a wildcard.
    ``options`` are the options its jobs understand, with their defaults. ``named_inputs``: models of several inputs are
    fed by name; such a batch is a structured array, see `core.named_inputs`.
    """

    name: str
    summary: str
    forms: tuple[str, ...]
    frameworks: tuple[str, ...] | None = None
    default: bool = False
    named_only: bool = False
    builds: bool = False
    compiles_on_open: bool = False
    requires: tuple[Requirement, ...] = ()
    options: Mapping[str, Option] = field(default_factory=dict)
    named_inputs: bool = False


@dataclass(frozen=True)
class DeviceSupport:
    """How an engine reaches a device: process environment variables that must stand before its library loads.

    ``absent`` names compilers of the engine that cannot honor the device, each with the reason. ``options`` are the
    settings that the engine has there, with their defaults: those that give the same scores each time.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Option] = field(default_factory=dict)

    def resolved(self, given: Mapping[str, Option]) -> dict[str, Option]:
        """All of its options, the ``given`` ones in place; names that only other engines have are left out."""
        return {name: given.get(name, default) for name, default in self.options.items()}


NOTICE = "notice"
"""The piece of evidence that every report tells, where a session has one."""
PRECISION = "inference_precision_hint"
"""The piece of evidence that says what an engine computes in, where it may choose: ``f32``, ``bf16``, ``f16``."""
CUDA_OPTIONS: Mapping[str, Option] = MappingProxyType({"tf32": False, "autotune": False})
"""Of an engine on an NVIDIA GPU: whether it may multiply in TF32, and try algorithms out to take the fastest."""


@dataclass(frozen=True)
class Job:
    """One model for one session: what to load, by which compiler, on which device, for which input.

    ``input`` is concrete: batch size, every dimension and the dtype are set. For a compiler that builds, ``build``
    gets the source and ``open`` gets what ``build`` wrote (a `SourceRef` of kind ``file`` and form ``built``).
    """

    source: SourceRef
    compiler: str
    device: str
    input: TensorSpec
    threads: int = 1
    options: Mapping[str, Option] = field(default_factory=dict)


class DeviceTimer(ABC):
    """Times one call on an accelerator, between two events in its own queue."""

    @abstractmethod
    def start(self) -> None:
        """Put the first event into the queue."""

    @abstractmethod
    def stop(self) -> int:
        """Put the second one in, wait until the device has reached it, and return the nanoseconds between both."""


class Session(ABC):
    """A model loaded by its engine, ready to run."""

    input: TensorSpec
    """What ``run`` takes; its batch dimension is what one call takes, ``None`` where any number will do."""

    @abstractmethod
    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        """One call: a C-contiguous batch that ``input`` accepts, in; class scores, shape (N, classes), out.

        A model that works in place may write into the batch, which is the session's to read only (`workers.feed` sees
        to both); the array that comes back is the caller's own. On an accelerator the call ends when the scores are on
        the host.
        """

    def device_timer(self) -> DeviceTimer | None:
        """What times a call on an accelerator by its own events; ``None`` where there is none or it has none."""
        return None

    @abstractmethod
    def evidence(self) -> dict[str, str]:
        """What proves that the thing asked for ran, read back from the engine: never the option that was passed."""

    def close(self) -> None:  # noqa: B027 - most sessions hold nothing to give back
        """Give back what the session holds. Closing twice is fine."""


class Backend(ABC):
    """An engine: its class attributes, `start`, `load`, and `compile` where a compiler of it builds.

    `open` and `build` are what others call: they check a job's options and set the others to their defaults.
    """

    engine: ClassVar[str]
    requires: ClassVar[tuple[Requirement, ...]]
    compilers: ClassVar[tuple[Compiler, ...]]
    devices: ClassVar[Mapping[str, DeviceSupport]]
    """The devices it can run on, by name. One that is not here is unavailable, with `no_ceiling` as the reason."""
    no_ceiling: ClassVar[str] = ""
    """Why the engine has no instruction-set ceiling, where it has none."""
    cache_variables: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Environment variables that name a folder in which the engine keeps what it has compiled, each with the name of
    that folder in the store."""
    artifact: ClassVar[str] = "model"
    """File name of what `build` writes."""

    def variables(self, device: str, threads: int, options: Mapping[str, Option]) -> dict[str, str]:
        """Process environment variables that must stand before the library loads, beside the common ones.

        ``options`` are the device's, every one with its value.
        """
        return dict(self.devices[device].variables)

    @abstractmethod
    def start(self, device: str, threads: int, options: Mapping[str, Option]) -> None:
        """Import the library, set the thread count and the device's options. Called once in a worker, first of all.

        Raises `Unavailable` where the device turns out to be absent.
        """

    @final
    def build(self, job: Job, target: Path) -> None:
        """Compile ``job.source`` and write the result to ``target``. Only for compilers with ``builds``.

        Raises `DeclarationError` for an option that the compiler does not know.
        """
        with self.telling_what_it_lacks():
            self.compile(self._resolved(job), target)

    @final
    def open(self, job: Job) -> Session:
        """A session of ``job.source`` that is ready to run.

        Raises `DeclarationError` for an option that the compiler does not know.
        """
        with self.telling_what_it_lacks():
            return self.load(self._resolved(job))

    @contextmanager
    def telling_what_it_lacks(self) -> Iterator[None]:
        """Raise `LacksOperator` for what is raised inside where the engine says that it lacks an operator."""
        try:
            yield
        except Exception as error:
            if operators := self.lacking(error):
                raise LacksOperator(self.engine, operators) from error
            raise

    def lacking(self, error: Exception) -> tuple[str, ...]:
        """The operators of the model that the engine lacks, where that is what it says by ``error``; else none."""
        return ()

    def compile(self, job: Job, target: Path) -> None:
        """How the engine does `build`. ``job.options`` has every option of the compiler, with its value."""
        raise AssertionError(f"{self.engine} has no compiler that builds")

    @abstractmethod
    def load(self, job: Job) -> Session:
        """How the engine does `open`: load, and compile where the compiler does so on opening.

        ``job.options`` is as in `compile`.
        """

    def _resolved(self, job: Job) -> Job:
        """The job with all options of its compiler, those that it does not give at their defaults."""
        compiler = next(each for each in self.compilers if each.name == job.compiler)
        if unknown := sorted(set(job.options) - set(compiler.options)):
            known = ", ".join(sorted(compiler.options)) or "none"
            raise DeclarationError(f"unknown option {unknown[0]!r} for {compiler.name}", cause=f"it knows {known}")
        return replace(job, options={**compiler.options, **job.options})
