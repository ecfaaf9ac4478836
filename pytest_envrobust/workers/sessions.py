"""A live session: a model loaded by its engine in a worker, what it gives, and the input that it is made for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from pytest_envrobust.artifacts.store import Artifact, Store
from pytest_envrobust.backends.base import Job
from pytest_envrobust.core.errors import EnvrobustError, StageFailure
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.core.timing import Timing
from pytest_envrobust.planning.catalogue import Plan
from pytest_envrobust.workers import transport
from pytest_envrobust.workers.access import WorkerAccess
from pytest_envrobust.workers.host import Worker
from pytest_envrobust.workers.protocol import Message, decode_spec, encode_job


@dataclass(frozen=True, eq=False)
class SessionOutput:
    """Scores, shape (N, classes), as the engine gave them; the time of each call; what proves that it ran as asked."""

    scores: NDArray[Any]
    timing: Timing
    evidence: Mapping[str, str]


class LiveSession:
    """A model loaded by its engine in a worker; opened again where the worker was closed in between."""

    def __init__(
        self, access: WorkerAccess, store: Store, plan: Plan, job: Job, artifacts: tuple[Artifact, ...], name: str
    ) -> None:
        self._access, self._store, self._job, self._name = access, store, job, name
        self._worker: Worker | None = None
        self._failure: EnvrobustError | None = None
        self._proven = False
        self._takes: TensorSpec | None = None
        self._instance = 0
        self.plan, self.artifacts = plan, artifacts
        self.peak_bytes: int | None = None
        self.first_call_ns: int | None = None

    @property
    def artifact(self) -> str | None:
        """Key of the last artifact on the way, if there is one."""
        return self.artifacts[-1].key if self.artifacts else None

    def run(self, inputs: transport.Handle, batch: int | None = None) -> SessionOutput:
        """Run all inputs, ``batch`` a call or, without it, as many as the input that the session was made for has."""
        message = {"inputs": inputs, "batch": batch or self._job.input.batch}
        answer = self._ask("run", message, f"run {self.plan.environment.id}")
        scores = transport.take(answer["scores"])
        if not self._proven:
            for artifact in self.artifacts:
                self._store.prove(artifact)
            self._proven = True
        self.peak_bytes = self._memory()
        return SessionOutput(scores, self._timing(answer), answer["evidence"])

    def sample(self, inputs: transport.Handle, first: int, calls: int, batch: int | None = None) -> Timing:
        """Time ``calls`` single calls of ``batch`` successive inputs each, from the ``first``-th such batch on.

        Without ``batch`` it is that of the input the session was made for.
        """
        message = {"inputs": inputs, "first": first, "calls": calls, "batch": batch or self._job.input.batch}
        return self._timing(self._ask("sample", message, f"time {self.plan.environment.id}"))

    @property
    def threads(self) -> int:
        """Threads of its engine."""
        return self._job.threads

    @property
    def clock_steps_ns(self) -> Mapping[str, int]:
        """The smallest steps (ns) of the worker's ``wall`` and ``cpu`` clock."""
        return self._opened().clock_steps_ns

    def takes_batch(self, batch: int) -> bool:
        """Whether a call may take so many inputs."""
        self._opened()
        assert self._takes is not None
        return self._takes.shape[0] in (None, batch)

    @property
    def is_open(self) -> bool:
        """Whether a worker holds it: one that was closed in between begins anew."""
        return self._worker is not None and self._worker.alive

    def load(self) -> None:
        """Load it now rather than at the first call."""
        self._opened()

    @property
    def pid(self) -> int:
        """The worker's process."""
        return self._opened().pid

    def pin(self) -> None:
        """Keep the worker open until the end of the run."""
        self._access.pool.pin(self._opened())

    def with_threads(self, threads: int) -> LiveSession:
        """Another session of the same, in a worker with another thread count."""
        job = replace(self._job, threads=threads)
        return LiveSession(self._access, self._store, self.plan, job, self.artifacts, f"{self._name}-threads{threads}")

    def again(self, instance: int = 1) -> LiveSession:
        """Another session of the same, in a worker process of its own."""
        session = LiveSession(
            self._access, self._store, self.plan, self._job, self.artifacts, f"{self._name}-{instance}"
        )
        session._instance = instance
        return session

    def close(self) -> None:
        """Close the session in its worker, where that is still there."""
        if self._worker is not None and self.is_open:
            limit = self._access.limit(Stage.LOAD, self.plan)
            self._worker.ask("close", {"session": self._name}, stage=Stage.LOAD, what="close a session", limit=limit)
        self._worker = None

    def _ask(self, operation: str, message: Message, what: str) -> Message:
        worker = self._opened()
        limit = self._access.limit(Stage.RUN, self.plan)
        return worker.ask(operation, {"session": self._name, **message}, stage=Stage.RUN, what=what, limit=limit)

    def _opened(self) -> Worker:
        """The worker that holds the session. What failed to open once is not tried again: it may have taken minutes."""
        if self._failure is not None:
            raise self._failure
        try:
            return self._open()
        except EnvrobustError as error:
            self._failure = error
            raise

    def _open(self) -> Worker:
        if self._worker is None or not self._worker.alive:
            worker = self._access.worker(self.plan, self._job.threads, instance=self._instance)
            compiles = self.plan.compiler.compiles_on_open
            stage = Stage.COMPILE if compiles else Stage.LOAD
            verb = "compile" if compiles else "load"
            if compiles:
                self._access.say(f"compile {self.plan.environment.id}")
            answer = worker.ask(
                "open",
                {"session": self._name, "job": encode_job(self._job)},
                stage=stage,
                what=f"{verb} {self.plan.environment.id}",
                limit=self._access.limit(stage, self.plan),
            )
            self._takes = decode_spec(answer["input"])
            self._check(self._takes)
            self._worker = worker
        return self._worker

    def _check(self, takes: TensorSpec) -> None:
        fed = self._job.input
        if takes.takes(fed):
            return
        raise StageFailure(
            f"load {self.plan.environment.id}",
            stage=Stage.LOAD,
            status=Status.FAILED,
            cause=f"the model takes {takes} and is given {fed}",
            remedy="declare the preprocessing (size, layout, dtype) that the source takes",
        )

    def _timing(self, answer: Message) -> Timing:
        self.first_call_ns = answer["first_call_ns"]
        return Timing.of(*(answer[name] for name in ("wall_ns", "cpu_ns", "device_ns", "held_up_ns")))

    def _memory(self) -> int | None:
        assert self._worker is not None
        limit = self._access.limit(Stage.RUN, self.plan)
        answer = self._worker.ask("memory", {}, stage=Stage.RUN, what="read the worker's memory", limit=limit)
        peak: int | None = answer.get("peak_bytes")
        return peak
