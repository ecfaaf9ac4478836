"""Bringing a cell through its stages: inspect, convert, compile, load; what comes out is a live session."""

from __future__ import annotations

import itertools
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

from numpy.typing import NDArray

from pytest_envrobust.artifacts.store import Artifact, Store, recipe_key
from pytest_envrobust.backends import engines
from pytest_envrobust.backends.base import Job, Option
from pytest_envrobust.conversion.base import Step
from pytest_envrobust.conversion.steps import module_of
from pytest_envrobust.core.digests import file_digest
from pytest_envrobust.core.errors import StageFailure, Unavailable
from pytest_envrobust.core.faults import Fault
from pytest_envrobust.core.lazy import Memo
from pytest_envrobust.core.requirements import Requirement
from pytest_envrobust.core.sources import Inspection, SourceRef
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.environments.availability import missing, versions
from pytest_envrobust.environments.interpreters import GivenInterpreter
from pytest_envrobust.environments.machine import this_machine
from pytest_envrobust.environments.places import HERE, Place
from pytest_envrobust.frameworks import frameworks
from pytest_envrobust.planning.catalogue import Plan
from pytest_envrobust.workers.access import LIMITS, WorkerAccess
from pytest_envrobust.workers.host import Worker
from pytest_envrobust.workers.locks import machine_lock
from pytest_envrobust.workers.pool import Pool
from pytest_envrobust.workers.protocol import (
    Message,
    decode_inspection,
    encode_fault,
    encode_job,
    encode_source,
    encode_spec,
)
from pytest_envrobust.workers.sessions import LiveSession
from pytest_envrobust.workers.transport import Handle, take

BROKEN = "broken"
"""The variant of a source that faults are made in: another object than the one that sessions run."""

Breaking = Callable[..., "NDArray[Any]"]
"""Scores of mapped inputs, so many a call, with a fault in the source or without."""


class SessionBuilder:
    """Prepares sessions, each thing once in a run: a failed conversion fails all cells that need it, at once."""

    def __init__(
        self,
        store: Store,
        pool: Pool,
        *,
        threads: int = 1,
        limits: Mapping[Stage, float] = LIMITS,
        options: Mapping[str, Mapping[str, Option]] | None = None,
        report: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.threads = threads
        self.access = WorkerAccess(pool, limits=limits, options=options, say=report)
        self._store, self._pool = store, pool
        self._artifacts: Memo[str, Artifact] = Memo()
        self._inspections: Memo[SourceRef, Inspection] = Memo()
        self._states: dict[SourceRef, str] = {}
        self._names = itertools.count()

    def inspect(self, source: SourceRef) -> Inspection:
        """Load a native source in a worker of its framework and say what it is."""
        return self._inspections.get(source, lambda: self._inspect(source))

    @contextmanager
    def breaking(self, source: SourceRef) -> Iterator[Breaking]:
        """Within it a native source can be run, in the plainest way, with faults seeded into it."""
        plain = replace(source, digest=self.inspect(source).digest, state=self._states[source], variant=BROKEN)
        with self._reader(source.form) as worker:
            message = {"source": encode_source(plain)}
            limits = self.access.limits

            def run(inputs: Handle, batch: int, fault: Fault | None = None) -> NDArray[Any]:
                told = f"run {source.form} source {source.target}".rstrip() + (f" with {fault}" if fault else "")
                given = {"fault": encode_fault(fault), "inputs": inputs, "batch": batch}
                answer = worker.ask("break", {**message, **given}, stage=Stage.RUN, what=told, limit=limits[Stage.RUN])
                return take(answer["scores"])

            try:
                yield run
            finally:
                if worker.alive:
                    worker.ask("forget", {}, stage=Stage.LOAD, what="close a source", limit=limits[Stage.LOAD])

    def open(self, plan: Plan, source: SourceRef, spec: TensorSpec, threads: int | None = None) -> LiveSession:
        """A session of that plan, ready to run ``spec``, by default with the run's number of threads.

        Raises `Unavailable` or `StageFailure`.
        """
        if plan.absent is not None:
            raise plan.absent
        _check_takes_named(plan, spec)
        elsewhere = plan.place is not HERE
        if not self._pool.holds_variables and (elsewhere or plan.backend.devices[plan.device].variables):
            why = "it is not this Python" if elsewhere else "its variables must stand before the library loads"
            raise Unavailable(
                f"{plan.environment.device} needs a process of its own",
                cause=why,
                remedy="leave --envrobust-isolation=none out",
            )
        made: list[Artifact] = []
        current = replace(source, digest=self.inspect(source).digest, state=self._states[source])
        for step in plan.route.steps:
            artifact = self._converted(step, current, spec, plan.interpreters.get(step.interpreter))
            made.append(artifact)
            current = SourceRef(step.target, "file", target=str(artifact.path), digest=artifact.key)
        options = self.access.options.get(plan.compiler.name, {})
        job = Job(current, plan.compiler.name, plan.device, spec, threads or self.threads, options)
        if plan.compiler.builds:
            artifact = self._built(plan, job)
            made.append(artifact)
            job = replace(job, source=SourceRef("built", "file", target=str(artifact.path), digest=artifact.key))
        return LiveSession(self.access, self._store, plan, job, tuple(made), f"s{next(self._names)}")

    def _inspect(self, source: SourceRef) -> Inspection:
        what = f"load the {source.form} source {source.target}".rstrip()
        name = f"source-{uuid4().hex}{frameworks()[source.form].state_suffix}"
        state = self._states[source] = str(self._pool.scratch.path / name)
        with self._reader(source.form) as worker:
            answer = worker.ask(
                "inspect",
                {"source": encode_source(source), "state": state},
                stage=Stage.LOAD,
                what=what,
                limit=self.access.limits[Stage.LOAD],
            )
        return decode_inspection(answer)

    @contextmanager
    def _reader(self, form: str) -> Iterator[Worker]:
        """A worker that can load a native source: its engine's, which will run it too, or one for the occasion."""
        framework = frameworks()[form]
        if lacking := missing(framework.requires):
            raise Unavailable(f"{lacking[0].module} is not installed", remedy=lacking[0].remedy)
        backend = engines()[framework.engine]
        if missing(backend.requires):
            with self._pool.temporary({}) as worker:
                yield worker
        else:
            yield self._pool.worker(backend, "cpu", self.threads, self.access.limits[Stage.IMPORT])

    def _converted(
        self, step: Step, source: SourceRef, spec: TensorSpec, interpreter: GivenInterpreter | None
    ) -> Artifact:
        recipe = {
            "step": step.name,
            "source": source.digest,
            **source.chosen,
            "input": encode_spec(spec),
            "options": dict(step.options),
            **_made_with(step.requires, module_of(step.name), interpreter),
        }

        def make(target: Path) -> bool:
            self.access.say(step.name)
            message = {
                "step": step.name,
                "source": encode_source(source),
                "target": str(target),
                "input": encode_spec(spec),
                "options": dict(step.options),
                "prove": interpreter is None,
            }
            place = Place(step.interpreter, python=interpreter.python) if interpreter else HERE
            with _alone(step), self._pool.temporary(self._source_variables(step.source), place) as worker:
                answer = self._ask_to_convert(worker, "convert", message, step)
            if interpreter is not None:  # it is to run here, in this interpreter's packages
                message = {"form": step.target, "target": str(target), "input": encode_spec(spec)}
                with self._pool.temporary(self._source_variables(step.target)) as worker:
                    answer = self._ask_to_convert(worker, "prove", message, step)
            return bool(answer["proven"])

        return self._once(recipe, step.file, make)

    def _ask_to_convert(self, worker: Worker, operation: str, message: Message, step: Step) -> Message:
        limit = self.access.limits[Stage.CONVERT]
        return worker.ask(operation, message, stage=Stage.CONVERT, what=step.name, limit=limit)

    def _built(self, plan: Plan, job: Job) -> Artifact:
        backend = plan.backend
        recipe = {
            "engine": backend.engine,
            "compiler": job.compiler,
            "source": job.source.digest,
            **job.source.chosen,
            "device": job.device,
            "variables": {**plan.place.variables, **backend.devices[job.device].variables},
            "emulator": list(plan.place.emulator),
            "input": encode_spec(job.input),
            "threads": job.threads,
            "options": {**plan.compiler.options, **job.options, **self.access.device_options(plan)},
            "instruction_set": this_machine().instruction_set,
            **_made_with(plan.executes, type(backend).__module__, plan.place),
        }
        if plan.place.host:
            recipe |= self.access.worker(plan, job.threads).facts

        def make(target: Path) -> bool:
            self.access.say(f"compile {plan.environment.id}")
            message = {"job": encode_job(job), "target": str(target)}
            self.access.worker(plan, job.threads).ask(
                "build",
                message,
                stage=Stage.COMPILE,
                what=f"compile {plan.environment.id}",
                limit=self.access.limit(Stage.COMPILE, plan),
            )
            return False

        return self._once(recipe, backend.artifact, make)

    def _once(self, recipe: Mapping[str, Any], file: str, make: Callable[[Path], bool]) -> Artifact:
        def stored() -> Artifact:
            proven = False

            def write(target: Path) -> None:
                nonlocal proven
                proven = make(target)

            artifact = self._store.get_or_make(recipe, file, write)
            if proven:
                self._store.prove(artifact)
            return artifact

        return self._artifacts.get(recipe_key(recipe), stored)

    def _source_variables(self, form: str) -> dict[str, str]:
        """Variables for a process that reads that form: those of the engine whose process can load it."""
        if form not in frameworks():
            return {}
        return engines()[frameworks()[form].engine].variables("cpu", 1, {})


def _check_takes_named(plan: Plan, spec: TensorSpec) -> None:
    """Raise `StageFailure` where a step or the engine on the plan's way takes models of one input only."""
    if not spec.parts:
        return
    for step in plan.route.steps:
        if not step.named_inputs:
            raise _takes_one_only(f"{step.name} converts", Stage.CONVERT)
    if not plan.compiler.named_inputs:
        raise _takes_one_only(f"{plan.compiler.name} runs", Stage.LOAD)


def _takes_one_only(what: str, stage: Stage) -> StageFailure:
    return StageFailure(f"{what} models of one input only here", stage=stage, status=Status.UNSUPPORTED)


def _alone(step: Step) -> AbstractContextManager[None]:
    """Conversions that can take gigabytes run one at a time on a machine, whatever runs and processes ask for them."""
    return machine_lock("conversion") if step.alone else nullcontext()


def _made_with(
    requirements: tuple[Requirement, ...], maker: str, elsewhere: GivenInterpreter | Place | None = None
) -> dict[str, Any]:
    """The packages an artifact is made with, and the code of ours that makes it: the module ``maker``.

    Of another interpreter it is all packages: nobody here knows which of them its converter or engine uses.
    """
    packages = elsewhere.packages if elsewhere else None
    return {
        "versions": versions(requirements) if packages is None else dict(packages),
        "python": (elsewhere.version if elsewhere else "") or ".".join(platform.python_version_tuple()[:2]),
        "code": _module_digest(maker),
    }


@cache
def _module_digest(name: str) -> str:
    """Digest of a module's file and, in a package of steps or engines, of the private modules that they share."""
    origin = import_module(name).__file__
    assert origin is not None
    shared = sorted(Path(origin).parent.glob("_[a-z]*.py"))
    return "".join(file_digest(file)[:32] for file in (Path(origin), *shared))
