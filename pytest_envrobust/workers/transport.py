"""Arrays between processes of one machine: files that both map into memory, named in a message.

A memory-mapped file under a memory-backed directory where the system has one, else in the temporary directory: the
same code on every system, and nothing but a name goes through the channel.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.named_inputs import dtype_of

Handle = dict[str, Any]
"""An array's place: ``path``, ``shape``, ``dtype``; a ``lasting`` one may be kept mapped."""

_PREFIX = "envrobust-"
_INLINE_BYTES = 1 << 18


class Scratch:
    """A directory for the arrays and logs of one process, removed with it."""

    def __init__(self) -> None:
        base = _memory_backed()
        if base is not None:
            _remove_abandoned(base)
        self.path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=base))
        atexit.register(self.remove)

    def put(self, array: NDArray[Any]) -> Handle:
        """Write an array where any process of this machine can map it, for as long as the directory is there."""
        return {**put(array, self.path), "lasting": True}

    @contextmanager
    def lend(self, array: NDArray[Any]) -> Iterator[Handle]:
        """Write an array for one request: it is gone afterwards."""
        handle = put(array, self.path)
        try:
            yield handle
        finally:
            Path(handle["path"]).unlink(missing_ok=True)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        atexit.unregister(self.remove)


def put(array: NDArray[Any], folder: Path) -> Handle:
    """Write an array as a new file in ``folder`` and return its handle."""
    path = folder / f"{uuid.uuid4().hex}.bin"
    contiguous = np.ascontiguousarray(array)
    with path.open("wb") as stream:
        stream.write(contiguous.data if contiguous.size else b"")
    return {"path": str(path), "shape": list(array.shape), "dtype": str(array.dtype)}


def pack(array: NDArray[Any], folder: Path | None) -> Handle:
    """A handle for an array that is taken once: a small one travels in the message, another as a file in ``folder``.

    Without a folder, as both ends are on different machines, all of them travel in the message.
    """
    if folder is not None and array.nbytes > _INLINE_BYTES:
        return put(array, folder)
    return {"bytes": array.tobytes(), "shape": list(array.shape), "dtype": str(array.dtype)}


def view(handle: Handle) -> NDArray[Any]:
    """The array behind a handle, mapped or copied: what is written into it stays in this process."""
    if "bytes" in handle:
        return take(handle)
    shape = tuple(handle["shape"])
    return np.asarray(np.memmap(handle["path"], dtype=dtype_of(handle["dtype"]), mode="c", shape=shape))


def take(handle: Handle) -> NDArray[Any]:
    """The array behind a handle that `pack` made, copied into this process; its file, if any, is removed."""
    if "bytes" in handle:
        return np.frombuffer(bytearray(handle["bytes"]), dtype=dtype_of(handle["dtype"])).reshape(handle["shape"])
    path = Path(handle["path"])
    array = np.fromfile(path, dtype=dtype_of(handle["dtype"])).reshape(handle["shape"])
    path.unlink(missing_ok=True)
    return array


def _memory_backed() -> Path | None:
    shared = Path("/dev/shm")
    return shared if shared.is_dir() and os.access(shared, os.W_OK) else None


def _remove_abandoned(base: Path) -> None:
    """Remove directories of processes that were killed before they could do so themselves."""
    import psutil

    for leftover in base.glob(f"{_PREFIX}*"):
        owner = leftover.name.removeprefix(_PREFIX).split("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(leftover, ignore_errors=True)
