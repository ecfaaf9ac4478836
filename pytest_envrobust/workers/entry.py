"""What runs inside a worker process: read a request, do it on the bench, answer; until the channel closes."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from pytest_envrobust.workers.bench import Bench
from pytest_envrobust.workers.protocol import encode_error


def serve(channel: Any, scratch: str, log: str, parent: int) -> None:
    """Answer requests until the channel is closed from the other end."""
    _redirect_output(log)
    # Ctrl-C reaches the whole process group; the host decides what becomes of its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    bench = Bench(Path(scratch))
    channel.send({"pid": os.getpid()})
    for request in channel:
        try:
            answer = {"answer": bench.handle(request["operation"], request["message"])}
        except BaseException as error:
            answer = {"error": encode_error(error)}
        channel.send(answer)


def _redirect_output(log: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)


def _end_with(parent: int) -> None:
    """End this process and its children when the host is gone, however it went."""
    import psutil

    while psutil.pid_exists(parent):
        time.sleep(1.0)
    for child in psutil.Process().children(recursive=True):
        try:
            child.kill()
        except psutil.Error:
            continue
    os._exit(1)
