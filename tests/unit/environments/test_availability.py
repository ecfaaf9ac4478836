from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from pytest_envrobust.core.requirements import Requirement
from pytest_envrobust.environments import availability
from pytest_envrobust.environments.machine import this_machine

NUMPY = Requirement("numpy", "x")
ABSENT = Requirement("a_module_that_is_not_there", "x", ("a-distribution-that-is-not-there",))


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    yield
    availability.is_installed.cache_clear()


def test_what_is_missing_is_named_once_in_order() -> None:
    other = Requirement("another_that_is_not_there", "y")
    assert availability.missing([ABSENT, NUMPY, other, ABSENT]) == (ABSENT, other)
    assert availability.missing([]) == ()


def test_installed_is_not_importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "broken_on_purpose"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert availability.is_installed("broken_on_purpose")


def test_versions_come_from_metadata() -> None:
    assert availability.installed_version(NUMPY) == version("numpy")
    assert availability.installed_version(ABSENT) == ""
    assert availability.versions([NUMPY, ABSENT]) == {"numpy": version("numpy")}


def test_the_second_distribution_counts_where_the_first_is_absent() -> None:
    either = Requirement("numpy", "x", ("a-distribution-that-is-not-there", "numpy"))
    assert availability.installed_version(either) == version("numpy")


def test_the_machine_is_described() -> None:
    machine = this_machine()
    assert machine.cores >= 1
    assert machine.memory_bytes > 1 << 28
    assert machine.architecture == platform.machine()
    assert machine.python == platform.python_version()
    assert machine.processor
    assert machine.system.startswith(platform.system())
    assert len(machine.instruction_set) == 12
    assert list(machine.features) == sorted(machine.features)
    if platform.system() == "Linux" and machine.architecture == "x86_64":
        assert "sse2" in machine.features


@pytest.mark.parametrize(
    ("device", "system", "said"),
    [
        ("mps", "linux", "there is no mps here: it is Metal on a Mac (run it on such a machine)"),
        ("coreml", "win32", "there is no coreml here: it is Core ML on a Mac (run it on such a machine)"),
        ("directml", "darwin", "there is no directml here: it is DirectML on Windows (run it on such a machine)"),
        ("mps", "darwin", None),
        ("directml", "win32", None),
        ("cpu", "linux", None),
        ("cpu+avx2", "linux", None),
    ],
)
def test_an_accelerator_that_this_system_cannot_have(
    monkeypatch: pytest.MonkeyPatch, device: str, system: str, said: str | None
) -> None:
    monkeypatch.setattr("sys.platform", system)
    absent = availability.accelerator_absence(device)
    assert (None if absent is None else absent.headline) == said


@pytest.mark.parametrize(
    ("system", "found", "library"),
    [("linux", None, "libcuda.so.1"), ("linux", "libcuda.so.2", "libcuda.so.2"), ("win32", None, "nvcuda.dll")],
)
def test_an_accelerator_needs_its_driver(
    monkeypatch: pytest.MonkeyPatch, system: str, found: str | None, library: str
) -> None:
    tried: list[str] = []

    def absent(name: str) -> None:
        tried.append(name)
        raise OSError

    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("ctypes.util.find_library", lambda name: found)
    monkeypatch.setattr("ctypes.CDLL", absent)
    availability.is_driver_here.cache_clear()
    said = availability.accelerator_absence("cuda:0")
    availability.is_driver_here.cache_clear()
    assert said is not None
    assert said.headline == (
        "there is no NVIDIA GPU here: the CUDA driver is not installed (run it on a machine with one)"
    )
    assert tried == [library]
