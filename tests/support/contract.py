"""What a backend's conf says, and the cells that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from pytest_envrobust.backends.base import Compiler
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.planning.catalogue import Catalogue

CONFS = Path(__file__).parent.parent / "contract" / "confs"


@dataclass(frozen=True)
class Conf:
    """How the contract suite meets a backend.

    ``framework`` is whose source feeds every compiler; compilers that are ``default`` are fed by those in ``also``
    too. ``threads`` is the evidence that tells the thread count; ``None`` where the engine does not tell, and the
    worker's own threads are counted. ``ceilings`` are devices with a piece of evidence and what it must contain.
    ``tolerance`` is the largest difference of scores from the reference's; compilers that compute in another precision
    have a larger one in ``rounded``, and must exceed the others'; those that the processor decides on have theirs in
    ``by_processor``, and need not.
    """

    engine: str
    framework: str
    also: tuple[str, ...] = ()
    slow: frozenset[str] = frozenset()
    threads: str | None = None
    ceilings: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    tolerance: float = 1e-4
    rounded: Mapping[str, float] = field(default_factory=dict)
    by_processor: Mapping[str, float] = field(default_factory=dict)
    factories: tuple[str, ...] = ()
    """More sources of ``framework`` that keep the rules on arrays."""

    def tolerance_of(self, compiler: str) -> float:
        """How far a compiler's scores may lie from the reference's."""
        return {**self.rounded, **self.by_processor}.get(compiler, self.tolerance)


def confs() -> dict[str, Conf]:
    """Every conf by its engine, found by file name."""
    found = {}
    for path in sorted(CONFS.glob("[a-z]*.py")):
        spec = spec_from_file_location(f"contract_conf_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        found[path.stem] = module.CONF
    return found


def compilers(conf: Conf) -> list[Compiler]:
    """The engine's compilers that are taken without being named."""
    return [compiler for compiler in Catalogue().backends[conf.engine].compilers if not compiler.named_only]


def first_default(conf: Conf) -> Compiler:
    """The compiler by which an engine's devices and threads are tried: the first default that is not slow."""
    return next(each for each in compilers(conf) if each.default and each.name not in conf.slow)


def cells(conf: Conf, *, device: str = "cpu") -> list[Environment]:
    """Every compiler of the engine that executes the conf's framework."""
    return [
        Environment(conf.framework, compiler.name, device)
        for compiler in compilers(conf)
        if compiler.frameworks is None or conf.framework in compiler.frameworks
    ]
