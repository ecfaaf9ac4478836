"""The workers of a run: one for each engine and process environment, started when first needed."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_envrobust.backends.base import Backend, Option
from pytest_envrobust.core.devices import DEVICES
from pytest_envrobust.core.status import Stage
from pytest_envrobust.environments.places import HERE, Place
from pytest_envrobust.workers.host import InlineWorker, ProcessWorker, Worker
from pytest_envrobust.workers.remote import RemoteWorker
from pytest_envrobust.workers.transport import Scratch

_KEEP = 4
"""Workers kept open beside those in use; a framework's process takes some 100 to 600 MB."""
_SCARCE = 0.15
"""Share of the memory that must stay free; below it, workers not in use are closed."""


def common_variables(device: str, threads: int) -> dict[str, str]:
    """Process environment of every worker: the same thread count in every library, and no thread that spins."""
    count = str(threads)
    variables = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), count
    )
    variables |= {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
    return {**variables, **(DEVICES[device].variables if device in DEVICES else {})}


_FACTS = ("machine", "versions", "python", "clock_offset_s")
"""What a worker says of where it runs."""
_Key = tuple[str, str, str, int, int]
"""A worker's engine, place, device and threads, and the number of the instance among those that share all of these."""


class Pool:
    """Workers by engine, device and thread count, closed when enough others have been used since.

    ``engine_cache`` gives the folder of that name in which an engine keeps what it compiles; without it the engine
    keeps that where it likes. ``environ`` are further variables of every worker. ``keep`` is how many stay open.
    """

    def __init__(
        self,
        scratch: Scratch,
        *,
        isolated: bool = True,
        engine_cache: Callable[[str], Path] | None = None,
        environ: Mapping[str, str] | None = None,
        keep: int = _KEEP,
    ) -> None:
        self.scratch = scratch
        self._isolated, self._engine_cache, self._keep = isolated, engine_cache, keep
        self._environ = dict(environ or {})
        self._workers: OrderedDict[_Key, Worker] = OrderedDict()
        self._pinned: set[_Key] = set()
        self._numbers = itertools.count()
        self.hosts: dict[str, Mapping[str, Any]] = {}
        """What the other machines that were reached say of themselves, by the place's name."""
        self._group: Any = None

    def worker(
        self,
        backend: Backend,
        device: str,
        threads: int,
        limit: float,
        *,
        place: Place = HERE,
        options: Mapping[str, Option] | None = None,
        instance: int = 0,
    ) -> Worker:
        """A worker at a place, in which the engine has been imported and the device reached within ``limit`` seconds.

        ``options`` are the device's, every one with its value (else its defaults): in a run they are always the same at
        a place.

        Another ``instance`` is another process beside it: for what is to be timed against itself.
        """
        key = (backend.engine, place.name, device, threads, instance)
        worker = self._workers.get(key)
        if worker is None or not worker.alive:
            self._make_room()
            asked = dict(backend.devices[device].options if options is None else options)
            variables = {**self._caches(backend), **place.variables, **backend.variables(device, threads, asked)}
            worker = self._start(variables, device, threads, place)
            try:
                message = {"engine": backend.engine, "device": device, "threads": threads, "options": asked}
                what = f"import {backend.engine}"
                answer = worker.ask("start", message, stage=Stage.IMPORT, what=what, limit=limit)
                worker.clock_steps_ns = answer["clock_steps_ns"]
                worker.facts = {key: answer[key] for key in _FACTS if answer.get(key)}
                if place.host:
                    self.hosts[place.name] = _together(self.hosts.get(place.name, {}), worker.facts)
            except BaseException:
                worker.end()
                raise
            self._workers[key] = worker
        self._workers.move_to_end(key)
        return worker

    @property
    def holds_variables(self) -> bool:
        """Whether workers are processes of their own, whose variables stand before a library loads."""
        return self._isolated

    @contextmanager
    def temporary(self, variables: Mapping[str, str], place: Place = HERE) -> Iterator[Worker]:
        """A worker for one conversion, closed after it: some take gigabytes that only the process's end gives back.

        At another ``place`` it is a process of its own, even where workers are not isolated.
        """
        self._make_room()
        worker = self._start(variables, "cpu", 1, place)
        try:
            yield worker
        finally:
            worker.end()

    def pin(self, worker: Worker) -> None:
        """Keep this worker open until the end of the run: it is the reference's."""
        self._pinned |= {key for key, mine in self._workers.items() if mine is worker}

    def close(self) -> None:
        """End every worker."""
        for worker in self._workers.values():
            worker.end()
        self._workers.clear()
        if self._group is not None:
            self._group.terminate(timeout=1)
            self._group = None

    def _caches(self, backend: Backend) -> dict[str, str]:
        """The variables that point an engine's own cache into the store."""
        if self._engine_cache is None:
            return {}
        return {variable: str(self._engine_cache(name)) for variable, name in backend.cache_variables.items()}

    def _start(self, variables: Mapping[str, str], device: str, threads: int, place: Place) -> Worker:
        if not self._isolated and place is HERE:
            return InlineWorker(self.scratch.path)
        if self._group is None:
            import execnet

            self._group = execnet.Group()
        environ = {**common_variables(device, threads), **self._environ, **variables}
        kind = RemoteWorker if place.host else ProcessWorker
        return kind(self._group, f"w{next(self._numbers)}", self.scratch.path, environ, place)

    def _make_room(self) -> None:
        idle = [key for key in self._workers if key not in self._pinned]
        while idle and (len(idle) >= self._keep or _memory_is_scarce()):
            self._workers.pop(idle.pop(0)).end()


def _together(known: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """What several engines at one place say of it: each knows the versions of its own packages."""
    return {**known, **more, "versions": {**known.get("versions", {}), **more.get("versions", {})}}


def _memory_is_scarce() -> bool:
    import psutil

    memory = psutil.virtual_memory()
    return bool(memory.available < _SCARCE * memory.total)
