"""The worker's bench: what a worker process does when it is asked. One method an operation."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.backends import engines
from pytest_envrobust.backends.base import Backend, Session
from pytest_envrobust.conversion.base import ConversionJob
from pytest_envrobust.conversion.steps import convert, steps
from pytest_envrobust.core.errors import DeclarationError, Unavailable
from pytest_envrobust.core.named_inputs import zeros_for
from pytest_envrobust.core.requirements import NUMPY
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.environments.availability import missing, versions
from pytest_envrobust.environments.machine import facts_of_this_machine
from pytest_envrobust.frameworks import frameworks
from pytest_envrobust.workers import stopwatch, transport
from pytest_envrobust.workers.feed import Feed
from pytest_envrobust.workers.protocol import (
    Message,
    decode_fault,
    decode_job,
    decode_source,
    decode_spec,
    encode_inspection,
    encode_spec,
)
from pytest_envrobust.workers.remote_file_cache import REMOTE_OPERATIONS, RemoteFileCache


@dataclass
class _Open:
    """A session that is open, how it is fed, what proves that it runs as asked, and the time of its first call."""

    session: Session
    feed: Feed = field(default_factory=Feed)
    evidence: dict[str, str] | None = None
    first_call_ns: int | None = None

    def batch(self, asked: int) -> int:
        """How many inputs a call takes: as the session was made for or, where any number will do, as was asked."""
        return self.session.input.shape[0] or asked

    def call(self, chunk: NDArray[Any], held_up: stopwatch.HeldUp | None = None) -> stopwatch.Call:
        """Run one batch and time it."""
        call = stopwatch.timed(self.session, chunk, held_up)
        if self.first_call_ns is None:
            self.first_call_ns = call.wall_ns
        return call


class RequestHandler:
    """State of a worker: its engine, its open sessions and the inputs it has mapped."""

    def __init__(self, scratch: Path, file_cache: RemoteFileCache | None = None) -> None:
        self._scratch, self._file_cache = scratch, file_cache
        self._backend: Backend | None = None
        self._sessions: dict[str, _Open] = {}
        self._inputs: dict[str, NDArray[Any]] = {}
        self._verified: set[tuple[str, str]] = set()
        self._sound: tuple[SourceRef, Any] | None = None

    def handle(self, operation: str, message: Message) -> Message:
        """Do what is asked. Whatever it raises is the caller's to report."""
        operations: dict[str, Callable[..., Message]] = {
            "start": self.start,
            "inspect": self.inspect,
            "break": self.break_,
            "forget": self.forget,
            "convert": self.convert,
            "prove": self.prove,
            "build": self.build,
            "open": self.open,
            "run": self.run,
            "sample": self.sample,
            "close": self.close,
            "memory": self.memory,
        }
        if self._file_cache is not None:
            operations |= {name: getattr(self._file_cache, name) for name in REMOTE_OPERATIONS}
        return operations[operation](**message)

    def start(self, engine: str, device: str, threads: int, options: Message) -> Message:
        """Import the engine's library and reach the device, with its options."""
        backend = engines()[engine]
        if lacking := missing(backend.requires):
            name = lacking[0].candidates[0]
            raise Unavailable(
                f"{name} is not installed where the worker runs", remedy=f"{sys.executable} -m pip install {name}"
            )
        backend.start(device, threads, options)
        self._backend = backend
        return {
            "python": sys.version.split()[0],
            "clock_steps_ns": stopwatch.clock_steps(),
            "machine": facts_of_this_machine() if self._file_cache else {},
            "versions": versions((*backend.requires, NUMPY)) if self._file_cache else {},
        }

    def inspect(self, source: Message, state: str) -> Message:
        """Load a native source and say what it is; write the weights of one that is no file to ``state``."""
        reference = decode_source(source)
        framework = frameworks()[reference.form]
        native = framework.load(reference)
        if reference.state:
            framework.load_state(native, Path(reference.state))
        if reference.kind != "file":
            framework.save_state(native, Path(state))
        return encode_inspection(framework.inspect(native))

    def break_(self, source: Message, fault: Message, inputs: Message, batch: int) -> Message:
        """Run inputs, ``batch`` a call, in a native source with a fault in it, or without one."""
        reference, seeded = decode_source(source), decode_fault(fault)
        framework = frameworks()[reference.form]
        native, mapped = self._sound_source(reference), self._mapped(inputs)
        places = range(0, len(mapped), batch)
        if seeded is None:
            scores = [framework.run(native, mapped[place : place + batch]) for place in places]
        else:
            with framework.broken(native, reference, seeded) as run:
                scores = [run(mapped[place : place + batch]) for place in places]
        return {"scores": transport.pack(np.concatenate(scores), self._scratch)}

    def forget(self) -> Message:
        """Drop the source that faults were made in."""
        self._sound = None
        gc.collect()
        return {}

    def convert(
        self, step: str, source: Message, target: str, input: Message, options: Message, prove: bool
    ) -> Message:
        """Run a conversion step, and ``prove`` it by running what came of it once, here, where it can be run."""
        spec, path, reference = decode_spec(input), Path(target), decode_source(source)
        self._verify(reference)
        convert(step, ConversionJob(reference, path, spec, options))
        if not path.exists():
            raise DeclarationError(f"{step} wrote nothing", cause=f"{path.name} is missing")
        return self.prove(steps()[step].target, target, input) if prove else {"proven": False}

    def prove(self, form: str, target: str, input: Message) -> Message:
        """Run what a conversion wrote once, where its format is a framework's."""
        if form not in frameworks():
            return {"proven": False}
        with engines()[frameworks()[form].engine].telling_what_it_lacks():
            _prove(SourceRef(form, "file", target=target), decode_spec(input))
        return {"proven": True}

    def build(self, job: Message, target: str) -> Message:
        """Compile and write the result."""
        decoded = decode_job(job)
        self._verify(decoded.source)
        self._engine.build(decoded, Path(target))
        return {}

    def open(self, session: str, job: Message) -> Message:
        """Load a model into a session."""
        decoded = decode_job(job)
        self._verify(decoded.source)
        opened = self._engine.open(decoded)
        self._sessions[session] = _Open(opened)
        return {"input": encode_spec(opened.input)}

    def run(self, session: str, inputs: Message, batch: int) -> Message:
        """Run all inputs, ``batch`` a call; scores, times of each call, evidence.

        The evidence is taken once, before the first input: it may profile a call of zeros, and between two runs that
        would put a state which calls change inside the model back to where it began.
        """
        opened, mapped = self._sessions[session], self._mapped(inputs)
        batch = opened.batch(batch)
        with self._engine.telling_what_it_lacks():
            if opened.evidence is None:
                opened.evidence = opened.session.evidence()
            calls = [opened.call(chunk) for chunk in opened.feed.batches(mapped, batch)]
        scores = np.concatenate([_checked(call.scores, batch) for call in calls])[: len(mapped)]
        return {
            "scores": transport.pack(scores, None if self._file_cache else self._scratch),
            "evidence": {**opened.evidence, **opened.feed.evidence(), "inputs a call": str(batch)},
            **_times(calls, opened),
        }

    def sample(self, session: str, inputs: Message, first: int, calls: int, batch: int) -> Message:
        """Time single calls on successive inputs, nothing else in between; nanoseconds by clock."""
        opened, mapped = self._sessions[session], self._mapped(inputs)
        taken = opened.batch(batch)
        places = [(first + call) * taken % len(mapped) for call in range(calls)]
        chunks = [opened.feed.chunk(mapped, place, taken) for place in places]
        with stopwatch.garbage_held(), stopwatch.scheduling() as held_up:
            timed = [opened.call(chunks[0], held_up)]
            if held_up is not None:
                held_up.keep_active()
            timed += [opened.call(chunk, held_up) for chunk in chunks[1:]]
        opened.feed.check(mapped, places[0], chunks[0])
        return _times(timed, opened)

    def close(self, session: str) -> Message:
        """Close a session; closing one that is not open is fine."""
        if opened := self._sessions.pop(session, None):
            opened.session.close()
            gc.collect()
        return {}

    def memory(self) -> Message:
        """The process's peak resident memory in bytes; absent where the system does not tell."""
        peak = peak_memory()
        return {} if peak is None else {"peak_bytes": peak}

    def _sound_source(self, source: SourceRef) -> Any:
        """A native source that faults are made in, loaded once."""
        if self._sound is None or self._sound[0] != source:
            framework = frameworks()[source.form]
            native = framework.load(source)
            if source.kind != "file":
                framework.load_state(native, Path(source.state))
            self._sound = source, native
        return self._sound[1]

    @property
    def _engine(self) -> Backend:
        assert self._backend is not None, "the worker was not started"
        return self._backend

    def _verify(self, source: SourceRef) -> None:
        """Make sure that this process has the model that the factory gave the first one, weights included."""
        key = (source.form, source.digest)
        if source.kind == "file" or not source.digest or key in self._verified:
            return
        framework = frameworks()[source.form]
        native = framework.load(source)
        if framework.inspect(native).digest != source.digest:
            framework.load_state(native, Path(source.state))
            if framework.inspect(native).digest != source.digest:
                raise DeclarationError(
                    f"the {source.form} factory {source.target}".rstrip(),
                    cause="it gives a model of another structure each time it is called",
                    remedy="make it return the same layers always",
                )
        self._verified.add(key)

    def _mapped(self, handle: Message) -> NDArray[Any]:
        if not handle.get("lasting"):
            return transport.view(handle)
        path = handle["path"]
        if path not in self._inputs:
            self._inputs[path] = transport.view(handle)
        return self._inputs[path]


def peak_memory() -> int | None:
    """This process's peak resident memory in bytes."""
    try:
        import resource
    except ImportError:
        import psutil

        return getattr(psutil.Process(os.getpid()).memory_info(), "peak_wset", None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _times(calls: list[stopwatch.Call], opened: _Open) -> Message:
    return {
        "wall_ns": [call.wall_ns for call in calls],
        "cpu_ns": [call.cpu_ns for call in calls],
        "device_ns": [call.device_ns for call in calls if call.device_ns is not None],
        "held_up_ns": [call.held_up_ns for call in calls if call.held_up_ns is not None],
        "first_call_ns": opened.first_call_ns,
    }


def _checked(scores: NDArray[Any], rows: int) -> NDArray[Any]:
    if scores.ndim != 2 or len(scores) != rows:
        raise DeclarationError(
            f"the model returned scores of shape {scores.shape} for {rows} inputs",
            cause="one row of class scores for each input is needed",
        )
    return scores


def _prove(converted: SourceRef, spec: TensorSpec) -> None:
    framework = frameworks()[converted.form]
    scores = framework.run(framework.load(converted), zeros_for(spec))
    _checked(scores, spec.batch)
