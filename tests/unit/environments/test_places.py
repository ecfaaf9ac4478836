from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_envrobust.environments import places
from pytest_envrobust.environments.places import HERE, Place, emulated


def test_this_python_is_started_as_it_is_and_another_one_isolated() -> None:
    assert shlex.split(HERE.command("log")) == [sys.executable]
    assert shlex.split(Place("old", python="/with a space/python").command("log")) == ["/with a space/python", "-I"]


def test_an_emulators_own_warnings_go_into_the_log(tmp_path: Path) -> None:
    """A shell stands in for it: what it prints to standard error before Python starts is not the terminal's."""
    emulator = tmp_path / "emulator"
    emulator.write_text('#!/bin/sh\necho "a feature is missing" >&2\nshift 2\nexec "$@"\n')
    emulator.chmod(0o755)
    log = tmp_path / "with a space.log"
    command = Place("old", emulator=(str(emulator), "-cpu", "Old")).command(str(log))
    made = subprocess.run([*shlex.split(command), "-c", "print(1 + 1)"], capture_output=True, text=True, check=True)
    assert (made.stdout, made.stderr) == ("2\n", "")
    assert log.read_text() == "a feature is missing\n"


def test_without_qemu_it_is_absent_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("shutil.which", lambda name: None)
    absent = emulated("Haswell").absent
    assert absent is not None
    assert absent.headline == (
        "no processor can be emulated here: there is no qemu (Debian, Ubuntu: apt-get install qemu-user-static)"
    )
    places.emulated_models.cache_clear()
    assert places.emulated_models() == frozenset()
    places.emulated_models.cache_clear()


def test_on_another_kind_of_processor_it_is_absent_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    absent = emulated("Haswell").absent
    assert absent is not None
    assert "this Python is for aarch64" in absent.headline


def test_the_record_says_what_it_is() -> None:
    assert Place("old", python="/python", packages={"numpy": "2.0"}, version="3.9", inputs=4).described() == {
        "device": "cpu",
        "python": "/python",
        "version": "3.9",
        "packages": {"numpy": "2.0"},
        "inputs": 4,
    }
