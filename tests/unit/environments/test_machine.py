"""Machines told apart."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from pytest_envrobust.environments.machine import (
    Machine,
    above_the_processor,
    machine_differences,
    scaling_governor,
    this_machine,
    version_differences,
)

MACHINE = Machine(
    system="Linux 6.1.0",
    architecture="x86_64",
    processor="Example 9000",
    features=("avx", "avx2", "sse4_1"),
    cores=8,
    memory_bytes=32 * 2**30,
    python="3.11.7",
    governor="performance",
)


def recorded(machine: Machine = MACHINE, **changes: Any) -> dict[str, Any]:
    """As it comes out of a record's JSON."""
    return dict(json.loads(json.dumps(asdict(replace(machine, **changes)))))


def test_a_machine_is_itself_whether_or_not_it_went_through_json() -> None:
    assert machine_differences(asdict(this_machine()), recorded(this_machine())) == ()
    assert machine_differences(recorded(), asdict(MACHINE)) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"processor": "Example 9001"}, "processor Example 9001 then, Example 9000 now"),
        ({"architecture": "aarch64"}, "architecture aarch64 then, x86_64 now"),
        ({"cores": 4}, "cores 4 then, 8 now"),
        ({"governor": "powersave"}, "governor powersave then, performance now"),
        ({"governor": ""}, "governor unknown then, performance now"),
        ({"system": "Darwin 23.1"}, "system Darwin 23.1 then, Linux 6.1.0 now"),
        ({"python": "3.12.1"}, "Python 3.12.1 then, 3.11.7 now"),
        ({"memory_bytes": 64 * 2**30}, "memory 64.0 GiB then, 32.0 GiB now"),
        ({"memory_bytes": 30 * 2**30}, "memory 30.0 GiB then, 32.0 GiB now"),
        ({"features": ("avx",)}, "processor features avx2, sse4_1 only now"),
        ({"features": ("avx", "avx2", "sse4_1", "vnni")}, "processor features vnni only then"),
        ({"features": ("avx", "vnni")}, "processor features vnni only then, avx2, sse4_1 only now"),
    ],
)
def test_each_difference_is_told_in_words(change: dict[str, Any], words: str) -> None:
    assert machine_differences(recorded(), recorded(**change)) == (words,)


def test_all_differences_are_told() -> None:
    other = recorded(processor="Other", cores=2, features=(), memory_bytes=2**30)
    assert len(machine_differences(recorded(), other)) == 4


def test_of_many_features_the_first_few_are_named() -> None:
    then = recorded(features=tuple(f"f{number}" for number in range(9)))
    assert machine_differences(recorded(features=()), then) == (
        "processor features f0, f1, f2, f3, f4, f5 and 3 more only then",
    )


def test_a_kernel_may_keep_a_little_more_memory_for_itself() -> None:
    assert machine_differences(recorded(), recorded(memory_bytes=31 * 2**30)) == ()


@pytest.mark.parametrize("name", list(asdict(MACHINE)))
def test_what_one_side_does_not_know_is_a_difference_and_what_neither_knows_is_none(name: str) -> None:
    known, unknown = recorded(), recorded()
    del unknown[name]
    assert len(machine_differences(known, unknown)) == 1
    assert len(machine_differences(unknown, known)) == 1
    assert machine_differences(unknown, unknown) == ()


def test_a_governor_that_no_system_tells_is_none() -> None:
    without = recorded(governor="")
    del without["governor"]
    assert machine_differences(recorded(governor=""), without) == ()


def test_versions_are_compared_of_the_named_packages_only() -> None:
    now = {"onnxruntime": "1.24.1", "torch": "2.13.0", "onnx": "1.22.0", "numpy": "2.4.6"}
    then = {"onnxruntime": "1.23.0", "torch": "2.12.0", "onnx": "1.22.0", "keras": "3.15.1"}
    assert version_differences(now, then, ["onnxruntime", "onnx", "onnxruntime"]) == (
        "onnxruntime 1.23.0 then, 1.24.1 now",
    )
    assert version_differences(now, then, ["numpy", "keras", "tvm"]) == (
        "numpy absent then, 2.4.6 now",
        "keras 3.15.1 then, absent now",
    )
    assert version_differences(now, then, []) == ()


def test_the_governor_is_read_where_the_system_tells(tmp_path: Path) -> None:
    assert scaling_governor(tmp_path) == ""
    directory = tmp_path / "devices/system/cpu/cpu0/cpufreq"
    directory.mkdir(parents=True)
    (directory / "scaling_governor").write_text("schedutil\n")
    assert scaling_governor(tmp_path) == "schedutil"
    assert this_machine().governor == scaling_governor()


@pytest.mark.parametrize(
    ("device", "change", "said"),
    [
        ("cpu", {}, ""),
        ("cuda:0", {}, ""),
        ("cpu+sse41", {}, ""),
        ("cpu+avx2", {"features": ("avx2", "fma")}, ""),
        ("cpu+avx2", {"features": ("avx", "sse4_1")}, "this processor has no avx2, fma"),
        ("cpu+avx512", {"features": ("avx512f", "avx512bw")}, "this processor has no avx512cd, avx512dq, avx512vl"),
        ("cpu+avx512", {"features": ()}, ""),  # the system does not tell
        ("cpu+sse41", {"architecture": "aarch64"}, "an x86 instruction-set ceiling means nothing on aarch64"),
        ("cpu+avx2", {"architecture": "AMD64", "features": ()}, ""),
    ],
)
def test_a_ceiling_above_the_processor_says_what_it_lacks(device: str, change: dict[str, Any], said: str) -> None:
    assert above_the_processor(device, replace(MACHINE, **change)) == said
