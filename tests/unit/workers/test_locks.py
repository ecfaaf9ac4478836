"""The locks that every run on a machine keeps to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_envrobust.workers.locks import machine_lock

HOLDER = """
import sys
from pytest_envrobust.workers.locks import machine_lock

with machine_lock("test"):
    print("held", flush=True)
    sys.stdin.readline()
print("released", flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let locks lie in a directory of the test's own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the lock ``test``, until it is sent a line."""
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_who_comes_second_is_told_and_waits_until_the_first_has_done(holder: subprocess.Popen[str]) -> None:
    told = []

    def waiting() -> None:
        assert holder.poll() is None
        assert holder.stdin is not None
        told.append("wait")
        holder.stdin.write("\n")
        holder.stdin.flush()

    with machine_lock("test", waiting):
        assert told == ["wait"]
        assert holder.communicate(timeout=60)[0] == "released\n"


def test_a_process_that_dies_leaves_no_lock(holder: subprocess.Popen[str]) -> None:
    told = []

    def waiting() -> None:
        told.append("wait")
        holder.kill()

    with machine_lock("test", waiting):
        assert told == ["wait"]


def test_another_lock_is_free(holder: subprocess.Popen[str]) -> None:
    def waiting() -> None:
        raise AssertionError("nobody has this one")

    with machine_lock("other", waiting):
        assert holder.poll() is None


def test_it_is_given_back_where_the_work_fails(folder: Path) -> None:
    def waiting() -> None:
        raise AssertionError("it was not given back")

    with pytest.raises(ZeroDivisionError), machine_lock("test"):
        assert [path.name for path in folder.iterdir()] == ["envrobust-test.lock"]
        _ = 1 / 0
    with machine_lock("test", waiting):
        pass
