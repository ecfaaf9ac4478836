"""The host's side of one worker: start it, ask it, and end it when it does not answer in time."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from pytest_envrobust.core.errors import StageFailure
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.environments.places import HERE, Place
from pytest_envrobust.workers.protocol import Message, decode_error

_BOOTSTRAP = """
import os, sys
first = channel.receive()
os.environ.update(first["environ"])
sys.dont_write_bytecode = first["no_bytecode"]
if first["package"]:
    # Another interpreter keeps its own path and packages; of ours it finds this one alone.
    import importlib.util
    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "pytest_envrobust":
                folder = first["package"]
                file = os.path.join(folder, "__init__.py")
                return importlib.util.spec_from_file_location(name, file, submodule_search_locations=[folder])
    sys.meta_path.insert(0, Finder)
    sys.path += first["path"]
else:
    sys.path[:] = first["path"]
from pytest_envrobust.workers.entry import serve
serve(channel, first["scratch"], first["log"], first["parent"], first["tied"])
"""
_START_SECONDS = 120.0
_TAIL_LINES = 25
_NOISE = ("Warning: Scope",)


class Worker(Protocol):
    """Something that does a worker's operations: a process of its own, or this very process."""

    alive: bool
    pid: int
    clock_steps_ns: Mapping[str, int]
    """The smallest steps (ns) of its ``wall`` and ``cpu`` clock, once its engine was started."""
    facts: Mapping[str, Any]
    """What another machine says of itself once its engine was started: ``machine``, ``versions``, ``python``."""

    def ask(self, operation: str, message: Message, *, stage: Stage, what: str, limit: float) -> Message:
        """Have an operation done within ``limit`` seconds. Raises `StageFailure` or `Unavailable`."""

    def end(self) -> None:
        """End it and everything it started. Ending twice is fine."""


class ProcessWorker:
    """A worker process behind an execnet gateway, at a place.

    Another interpreter needs nothing of ours but numpy. It runs isolated from this process's Python variables, and
    finds the user's own modules behind those that it has.
    """

    def __init__(self, group: Any, name: str, scratch: Path, environ: Mapping[str, str], place: Place = HERE) -> None:
        self.alive = True
        self.clock_steps_ns: Mapping[str, int] = {}
        self.facts: Mapping[str, Any] = {}
        self._name = name
        self._log = scratch / f"{name}.log"
        self._group, self._scratch, self._place = group, scratch, place
        self._gateway = self._makegateway(name)
        self.pid = 0
        self._start(environ)

    def ask(self, operation: str, message: Message, *, stage: Stage, what: str, limit: float) -> Message:
        """Have an operation done within ``limit`` seconds, or end the worker and raise `StageFailure`."""
        if not self.alive:
            raise StageFailure(what, stage=stage, status=Status.CRASHED, cause="its worker has ended")
        try:
            self._channel.send({"operation": operation, "message": message})
        except OSError:
            raise self._died(what, stage) from None
        answer = self._receive(what, stage, limit)
        if "error" in answer:
            raise decode_error(answer["error"], stage, what)
        result: Message = answer["answer"]
        return result

    _start_seconds = _START_SECONDS

    def _makegateway(self, name: str) -> Any:
        """Start Python, and what tells it what it is to be."""
        gateway = self._group.makegateway(f"popen//python={self._place.command(str(self._log))}//id={name}")
        self._channel = gateway.remote_exec(_BOOTSTRAP)
        return gateway

    def _start(self, environ: Mapping[str, str]) -> None:
        """Tell the process what it is to be, and wait until it is."""
        elsewhere = bool(self._place.python)
        first = {
            "environ": dict(environ),
            "no_bytecode": sys.dont_write_bytecode,
            "package": str(Path(__file__).resolve().parents[1]) if elsewhere else "",
            "path": _users_path() if elsewhere else [entry or os.getcwd() for entry in sys.path],
            "scratch": str(self._scratch),
            "log": str(self._log),
            "parent": os.getpid(),
            "tied": threading.current_thread() is threading.main_thread(),
        }
        self._channel.send(first)
        self.pid = self._receive("start the worker", Stage.IMPORT, self._start_seconds)["pid"]

    def end(self) -> None:
        """Kill the process and everything it started."""
        if not self.alive:
            return
        self.alive = False
        if self.pid:
            kill_tree(self.pid)
            _kill_group(self.pid)
        self._disconnect()

    def _disconnect(self) -> None:
        """Close the connection and forget it."""
        try:
            self._gateway.exit()
            self._gateway.join(timeout=2)
        except OSError:
            pass
        if self._gateway in self._group:
            self._group._unregister(self._gateway)

    def _receive(self, what: str, stage: Stage, limit: float) -> Message:
        try:
            answer: Message = self._channel.receive(timeout=limit)
        except self._channel.TimeoutError:
            tail = self._tail()
            self.end()
            raise StageFailure(
                what,
                stage=stage,
                status=Status.TIMED_OUT,
                cause=f"no answer within {limit:g} s, so its worker was killed",
                remedy=f"allow more with --envrobust-timeout {stage.value}=SECONDS",
                detail=tail,
            ) from None
        except (EOFError, OSError, self._channel.RemoteError) as error:
            raise self._died(what, stage, error) from None
        except BaseException:  # Ctrl-C, or a test's own time limit: an answer that comes later would be the next one's
            self.end()
            raise
        return answer

    def _died(self, what: str, stage: Stage, error: BaseException | None = None) -> StageFailure:
        tail = self._tail()
        how = _exit_text(self._gateway)
        self.end()
        cause = f"its worker process died ({how})"
        if isinstance(error, self._channel.RemoteError):
            cause, tail = "its worker could not be started", str(error)
        return StageFailure(what, stage=stage, status=Status.CRASHED, cause=cause, detail=tail)

    def _tail(self) -> str:
        try:
            lines = self._log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        telling = [line for line in lines if not line.startswith(_NOISE)]
        return "\n".join(telling[-_TAIL_LINES:])


class InlineWorker:
    """The operations done in this very process, for a debugger: nothing is isolated, no time limit holds."""

    def __init__(self, scratch: Path) -> None:
        from pytest_envrobust.workers.request_handler import RequestHandler

        self.alive = True
        self.clock_steps_ns: Mapping[str, int] = {}
        self.facts: Mapping[str, Any] = {}
        self.pid = os.getpid()
        self._handler = RequestHandler(scratch)

    def ask(self, operation: str, message: Message, *, stage: Stage, what: str, limit: float) -> Message:
        """Do the operation here and now; ``limit`` does not apply."""
        from pytest_envrobust.workers.protocol import encode_error

        try:
            return self._handler.handle(operation, message)
        except Exception as error:
            raise decode_error(encode_error(error), stage, what) from error

    def end(self) -> None:
        """Nothing to end."""
        self.alive = False


def _users_path() -> list[str]:
    """The entries of this process's path that are neither this Python's own nor hold its packages."""
    own = tuple({os.path.realpath(prefix) + os.sep for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix)})
    entries = [os.path.abspath(entry or os.getcwd()) for entry in sys.path]
    return [entry for entry in entries if not (os.path.realpath(entry) + os.sep).startswith(own)]


def kill_tree(pid: int) -> None:
    """Kill a process and all its descendants, and wait until they are gone."""
    import psutil

    try:
        root = psutil.Process(pid)
        doomed = [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        return
    for process in doomed:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(doomed, timeout=5)


def _kill_group(pid: int) -> None:
    """Kill what a worker started and left behind when it died: it led a process group, where there are such."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _exit_text(gateway: Any) -> str:
    """How the process ended, where execnet's handle on it tells."""
    popen = getattr(getattr(gateway, "_io", None), "popen", None)
    if popen is None:
        return "its exit status is unknown"
    try:
        code = popen.wait(timeout=5)
    except Exception:
        return "its exit status is unknown"
    if code >= 0:
        return f"exit status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = "; the system does this when memory runs out" if name == "SIGKILL" else ""
    return f"killed by {name}{hint}"
