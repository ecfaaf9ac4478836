"""What runs inside a worker process: read a request, have it handled, answer; until the channel closes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pytest_envrobust.workers.protocol import encode_error
from pytest_envrobust.workers.remote_file_cache import RemoteFileCache
from pytest_envrobust.workers.request_handler import RequestHandler

_KEPT_BYTES = 1 << 30


def serve(channel: Any, scratch: str, log: str, parent: int, tied: bool) -> None:
    """Answer requests until the channel is closed from the other end.

    ``parent`` is the host's process; ``tied`` says that its main thread started this process.
    """
    _settle(log, parent, tied)
    _answer(channel, RequestHandler(Path(scratch)))


def serve_far(channel: Any, home: str) -> None:
    """Answer requests that come from another machine, and end with the connection, whose end is this one's parent.

    Files that are sent are kept below ``home``.
    """
    file_cache = RemoteFileCache(Path(home))
    _settle(str(file_cache.scratch / "log"), os.getppid(), tied=True)
    try:
        _answer(channel, RequestHandler(file_cache.scratch, file_cache))
    finally:
        file_cache.close()


def _settle(log: str, parent: int, tied: bool) -> None:
    _redirect_output(log)
    hold_on_to_memory()
    # Ctrl-C is the host's: it decides what becomes of its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgrp"):
        # A group of its own, by which its children are found even when it has died before them.
        with contextlib.suppress(PermissionError):  # a login made it the leader of one already
            os.setpgrp()
    if tied:
        _die_with_parent()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _answer(channel: Any, handler: RequestHandler) -> None:
    channel.send({"pid": os.getpid()})
    for request in channel:
        try:
            answer = {"answer": handler.handle(request["operation"], request["message"])}
        except BaseException as error:
            answer = {"error": encode_error(error)}
        channel.send(answer)


def hold_on_to_memory() -> None:
    """Have the C library keep memory that was freed, where it is glibc.

    By itself it gives the memory of large arrays back to the system at the end of each call and takes it anew in the
    next, page by page, or does not, depending on what the process did before: of two processes that run one network
    one then takes a third longer than the other.
    """
    if sys.platform != "linux":
        return
    trim_threshold, mmap_threshold = -1, -3
    with contextlib.suppress(OSError, AttributeError):
        for parameter in (trim_threshold, mmap_threshold):
            ctypes.CDLL(None).mallopt(parameter, _KEPT_BYTES)


def _redirect_output(log: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)


def _die_with_parent() -> None:
    """Ask Linux to kill this process when the host dies: a native call that never returns lets no thread of ours run.

    Linux means the thread that started this process, not the host as a whole.
    """
    if sys.platform != "linux":
        return
    set_parent_death_signal = 1
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL, 0, 0, 0)


def _end_with(parent: int) -> None:
    """End this process and its children when the host is gone, however it went."""
    try:
        import psutil
    except ImportError:  # in another interpreter
        return _end_group_with(parent)
    while psutil.pid_exists(parent):
        time.sleep(1.0)
    for child in psutil.Process().children(recursive=True):
        try:
            child.kill()
        except psutil.Error:
            continue
    os._exit(1)


def _end_group_with(parent: int) -> None:
    """The same by means of the system alone, where it has process groups: this process leads one."""
    if not hasattr(os, "killpg"):
        return
    while os.getppid() == parent:
        time.sleep(1.0)
    os.killpg(os.getpgrp(), signal.SIGKILL)
