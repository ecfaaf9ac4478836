"""A worker on another machine: reached by ssh, sent our own code and every file it reads, once, by content.

The far side needs Python with numpy and the engine. What is sent is kept below its cache directory.
"""

from __future__ import annotations

import hashlib
import io
import shlex
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pytest_envrobust.core.digests import file_digest, file_digests
from pytest_envrobust.core.errors import StageFailure, Unavailable
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.environments.places import Place
from pytest_envrobust.workers import transport
from pytest_envrobust.workers.host import ProcessWorker
from pytest_envrobust.workers.protocol import Message

_PIECE = 1 << 22
"""Bytes of a file that one message carries."""
_STEP_SECONDS = 120.0
"""For one piece of a file, or one question about it."""
_CLOCKS_AGREE_SECONDS = 5.0
_BOOTSTRAP = """
import os, sys
first = channel.receive()
os.environ.update(first["environ"])
refused = ""
if sys.version_info < (3, 9):
    refused = "its Python is %d.%d: 3.9 or later is needed" % sys.version_info[:2]
elif sys.byteorder != first["byteorder"]:
    refused = "its bytes are in %s-endian order" % sys.byteorder
else:
    try:
        import numpy
    except ImportError:
        refused = "numpy is not installed there"
import time
channel.send({"refused": refused, "python": sys.executable, "time": time.time()})
if not refused:
    import importlib.util, tempfile, zipfile, io
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    home = os.path.join(base, "pytest-envrobust", "far")
    os.makedirs(home, exist_ok=True)
    folder = os.path.join(home, "code-" + first["code"])
    known = os.path.isdir(folder)
    channel.send({"known": known})
    if not known:
        aside = tempfile.mkdtemp(dir=home)
        with zipfile.ZipFile(io.BytesIO(channel.receive())) as archive:
            archive.extractall(aside)
        try:
            os.rename(aside, folder)
        except OSError:
            pass
    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "pytest_envrobust":
                place = os.path.join(folder, "pytest_envrobust")
                file = os.path.join(place, "__init__.py")
                return importlib.util.spec_from_file_location(name, file, submodule_search_locations=[place])
    sys.meta_path.insert(0, Finder)
    from pytest_envrobust.workers.entry import serve_far
    serve_far(channel, home)
"""


class RemoteWorker(ProcessWorker):
    """A worker process on another machine. ``pid`` is the process's number there."""

    def __init__(self, group: Any, name: str, scratch: Path, environ: Mapping[str, str], place: Place) -> None:
        self._place = place
        self._sent: dict[str, str] = {}
        self._clock_offset = 0.0
        super().__init__(group, name, scratch, environ, place)

    def ask(self, operation: str, message: Message, *, stage: Stage, what: str, limit: float) -> Message:
        """As a local worker does; files that the message names are sent first, and what was built is fetched."""
        target = message.get("target") if operation == "build" else None
        there = self._translated(message)
        answer = super().ask(operation, there, stage=stage, what=what, limit=limit)
        if operation == "start" and abs(self._clock_offset) > _CLOCKS_AGREE_SECONDS:
            answer["clock_offset_s"] = round(self._clock_offset, 1)
        if target is not None:
            self._fetch(there["target"], Path(target), stage, what)
        return answer

    def _start(self, environ: Mapping[str, str]) -> None:
        """Send the code, and wait until the far side is ready. Raises `Unavailable` where it cannot be."""
        code, digest = _code()
        self._channel.send({"environ": dict(environ), "code": digest, "byteorder": sys.byteorder})
        told = self._receive(self._starting, Stage.IMPORT, self._start_seconds)
        self._clock_offset = told["time"] - time.time()
        if told["refused"]:
            self.end()
            install = f"ssh {self._place.host} {told['python']} -m pip install numpy"
            raise Unavailable(
                f"{self._place.name} can run nothing on {self._place.host}",
                cause=told["refused"],
                remedy=install if "numpy" in told["refused"] else "name another with python=",
            )
        if not self._receive(self._starting, Stage.IMPORT, self._start_seconds)["known"]:
            self._channel.send(code)
        self.pid = self._receive(self._starting, Stage.IMPORT, self._start_seconds)["pid"]

    def _makegateway(self, name: str) -> Any:
        self._reach()
        gateway = self._group.makegateway(self._place.ssh_spec(name))
        self._channel = gateway.remote_exec(_BOOTSTRAP)
        return gateway

    def _reach(self) -> None:
        """Raise `StageFailure`, with what ssh says, where the host or its Python cannot be reached."""
        place = self._place
        command = place.ssh_command(place.python, "--version")
        try:
            tried = subprocess.run(command, capture_output=True, text=True, timeout=_STEP_SECONDS, check=False)
            said = "" if tried.returncode == 0 else (tried.stderr.strip() or f"exit status {tried.returncode}")
        except (OSError, subprocess.TimeoutExpired) as error:
            said = str(error)
        if said:
            raise StageFailure(
                self._starting,
                stage=Stage.IMPORT,
                status=Status.CRASHED,
                cause=f"{place.python} on {place.host} cannot be reached by ssh: {said.splitlines()[-1]}",
                remedy=f"try: {shlex.join(command)}",
            )

    @property
    def _starting(self) -> str:
        return f"start a worker on {self._place.host}"

    def end(self) -> None:
        """Close the connection: the far process ends with it."""
        if not self.alive:
            return
        self.alive = False
        popen = getattr(getattr(self._gateway, "_io", None), "popen", None)
        if popen is not None:
            popen.kill()
        self._disconnect()

    def _translated(self, message: Message) -> Message:
        """The message with the far side's paths in the place of ours."""
        found = dict(message)
        if "job" in found:
            found["job"] = {**found["job"], "source": self._source(found["job"]["source"])}
        if "source" in found:
            found["source"] = self._source(found["source"])
        if "inputs" in found:
            found["inputs"] = self._inputs(found["inputs"])
        if "target" in found:
            found["target"] = self._transfer("new_target", {"name": Path(found["target"]).name})["path"]
        return found

    def _inputs(self, handle: transport.Handle) -> transport.Handle:
        """Inputs that last are kept there; others, of one request, travel in it."""
        if handle.get("lasting"):
            return {**handle, "path": self._uploaded(handle["path"])}
        known = {key: value for key, value in handle.items() if key != "path"}
        return {**known, "bytes": Path(handle["path"]).read_bytes()}

    def _source(self, source: Message) -> Message:
        places = {key: source[key] for key in ("target", "state") if source.get(key)}
        if source["kind"] != "file":
            places.pop("target", None)
        return {**source, **{key: self._uploaded(path) for key, path in places.items() if Path(path).exists()}}

    def _uploaded(self, path: str) -> str:
        """Where the file or folder lies there, with all that lies beside an artifact."""
        if path not in self._sent:
            local = Path(path)
            root = local if local.is_dir() else local.parent
            whole = local.is_dir() or local.parent.name == "files"
            names = file_digests(root) if whole else {local.name: file_digest(local)}
            digest = hashlib.sha256(repr(sorted(names.items())).encode()).hexdigest()
            answer = self._transfer("find_files", {"digest": digest})
            if not answer["cached"]:
                for name in names:
                    self._send(root / name, digest, name)
                self._transfer("commit", {"digest": digest})
            self._sent[path] = answer["path"] if local.is_dir() else f"{answer['path']}/{local.name}"
        return self._sent[path]

    def _send(self, file: Path, digest: str, name: str) -> None:
        for piece in _pieces(file):
            self._transfer("append", {"digest": digest, "name": name, "content": piece})

    def _fetch(self, there: str, target: Path, stage: Stage, what: str) -> None:
        """Bring what was built there, and what lies beside it, to where it was to be written."""
        for name, size in self._transfer("list_files", {"path": there})["files"].items():
            file = target.parent / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("wb") as stream:
                while stream.tell() < size:
                    asked = {"path": there, "name": name, "first": stream.tell(), "count": _PIECE}
                    stream.write(self._transfer("read", asked)["content"])

    def _transfer(self, operation: str, message: Message) -> Message:
        what = f"send files to {self._place.host}"
        return super().ask(operation, message, stage=Stage.LOAD, what=what, limit=_STEP_SECONDS)


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        yield stream.read(_PIECE)
        while piece := stream.read(_PIECE):
            yield piece


@cache
def _code() -> tuple[bytes, str]:
    """Our own Python files as a zip, and the digest of their content."""
    package = Path(__file__).resolve().parents[1]
    files = sorted(package.rglob("*.py"))
    digest = hashlib.sha256()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            name, text = file.relative_to(package.parent).as_posix(), file.read_bytes()
            digest.update(name.encode() + np.int64(len(text)).tobytes() + text)
            archive.writestr(name, text)
    return content.getvalue(), digest.hexdigest()[:32]
