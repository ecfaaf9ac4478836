"""Locks that every run on this machine keeps to."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE = 0.5
"""Seconds of waiting that nobody needs to be told of."""


@contextmanager
def machine_lock(name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock of that name: no other process on this machine that keeps to it goes on meanwhile.

    ``waiting`` is called where another process has it and this one must wait.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(Path(tempfile.gettempdir()) / f"envrobust-{name}.lock", mode=0o666)
    try:
        lock.acquire(timeout=_PATIENCE)
    except Timeout:
        waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
