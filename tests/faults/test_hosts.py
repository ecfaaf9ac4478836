"""A host that is killed or interrupted leaves no worker behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from support import nets

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")


@contextmanager
def host(factory: str) -> Iterator[tuple[subprocess.Popen[str], list[int], Path]]:
    """A host in a session of its own, in the middle of loading ``factory``; its workers' ids; its scratch directory."""
    tests = str(Path(nets.__file__).parent.parent)
    process = subprocess.Popen(
        [sys.executable, "-m", "support.host", factory],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": tests},
    )
    assert process.stdout is not None
    pids: list[int] = []
    try:
        first = process.stdout.readline().split()
        assert len(first) == 3, process.stderr.read() if process.stderr else ""
        pids, scratch = [int(pid) for pid in first[:2]], Path(first[2])
        _wait_for(lambda: any("about to" in log.read_text() for log in scratch.glob("*.log")))
        yield process, pids, scratch
    finally:
        for pid in [process.pid, *pids]:
            if psutil.pid_exists(pid):
                psutil.Process(pid).kill()
        process.communicate()


def _wait_for(condition: object, seconds: float = 30.0) -> bool:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def _ended(pids: list[int]) -> bool:
    def dead(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return _wait_for(lambda: all(dead(pid) for pid in pids))


@pytest.mark.parametrize("factory", ["hangs", "hangs_in_native_code"])
def test_workers_end_with_a_killed_host(factory: str) -> None:
    if factory == "hangs_in_native_code" and sys.platform != "linux":
        pytest.skip("only Linux ends a process whose threads cannot run")
    with host(factory) as (process, pids, _):
        assert all(psutil.pid_exists(pid) for pid in pids)
        process.kill()
        process.wait()
        assert _ended(pids)


@pytest.mark.parametrize("factory", ["hangs", "hangs_in_native_code"])
@pytest.mark.parametrize("to_group", [False, True], ids=["host", "group"])
def test_an_interrupted_host_leaves_no_orphan(factory: str, to_group: bool) -> None:
    with host(factory) as (process, pids, scratch):
        if to_group:
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        assert "closed" in output
        assert "KeyboardInterrupt" in errors
        assert _ended(pids)
        assert not scratch.exists()
