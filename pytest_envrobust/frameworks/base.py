"""What a framework can do with a model defined in it: load it, describe it, run it once.

One module a framework, found by its file name; the class in it is called ``Framework``. Everything here runs inside
a worker process: a framework is imported inside these methods only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, ClassVar

from numpy.typing import NDArray

from pytest_envrobust.core.errors import Unavailable
from pytest_envrobust.core.faults import Fault
from pytest_envrobust.core.requirements import Requirement
from pytest_envrobust.core.sources import Inspection, SourceRef

Run = Callable[[NDArray[Any]], NDArray[Any]]
"""From a batch of the model's own layout to scores of shape (N, classes)."""


@dataclass(frozen=True)
class NativeFile:
    """A model file that engines read themselves, and what was chosen in it: an output, a signature."""

    path: Path
    output: str = ""
    signature: str = ""


class BaseFramework(ABC):
    """A framework's own way to load, describe and run a model."""

    name: ClassVar[str]
    """The framework's name in an environment's id."""
    requires: ClassVar[tuple[Requirement, ...]]
    suffixes: ClassVar[tuple[str, ...]] = ()
    """File name endings of its sources; a SavedModel is a directory and has none."""
    layout: ClassVar[str]
    """How its image batches are usually laid out: ``NCHW`` or ``NHWC``."""
    engine: ClassVar[str]
    """The backend whose worker process can load its sources."""
    reference_compiler: ClassVar[str]
    """The plainest way to execute it: what others are compared with by default."""

    state_suffix: ClassVar[str] = ""
    """What the name of a file ends in that `save_state` writes."""
    digest_covers_code: ClassVar[bool] = False
    """Whether `inspect`'s digest is also over code: the model's, the framework's own, and Python's build."""

    @abstractmethod
    def load(self, source: SourceRef) -> Any:
        """The model as the framework's own object (for file formats that engines read themselves: a `NativeFile`)."""

    @abstractmethod
    def inspect(self, native: Any) -> Inspection:
        """Digest of weights and structure, the input where the model declares one, its class count if known.

        ``native`` is what `load` gave.
        """

    @abstractmethod
    def run(self, native: Any, batch: NDArray[Any]) -> NDArray[Any]:
        """Run ``native`` once, in the plainest way, on a batch of its own layout; scores of shape (N, classes)."""

    def save_state(self, native: Any, path: Path) -> None:
        """Write the weights of a model that a factory gave, for `load_state` in another process."""
        raise AssertionError(f"{self.name} has no factories")

    def load_state(self, native: Any, path: Path) -> None:
        """Replace the model's weights, in place, by those that `save_state` wrote for one of the same structure."""
        raise AssertionError(f"{self.name} has no factories")

    def broken(self, native: Any, source: SourceRef, fault: Fault) -> AbstractContextManager[Run]:
        """Within it: how a batch runs with a fault in ``native``, which `load` gave for ``source``.

        The model is as it was afterwards. Raises `Unavailable` for a fault that cannot be made of it.
        """
        raise Unavailable(f"{fault} cannot be made", cause=f"a {self.name} source is not taken apart")
