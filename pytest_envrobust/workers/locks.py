"""Locks that every run on this machine keeps to."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def machine_lock(name: str) -> Iterator[None]:
    """Hold the lock of that name: no other process on this machine that keeps to it goes on meanwhile."""
    from filelock import FileLock

    with FileLock(Path(tempfile.gettempdir()) / f"envrobust-{name}.lock", mode=0o666):
        yield
