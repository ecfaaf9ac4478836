"""The table of this machine's devices."""

from __future__ import annotations

import pytest

from pytest_envrobust.core.devices import CEILINGS, DEVICES, is_processor

ACCELERATORS = ("cuda:0", "mps", "directml", "coreml")


def test_each_device_is_a_processor_or_an_accelerator() -> None:
    assert [name for name, device in DEVICES.items() if device.is_accelerator] == list(ACCELERATORS)
    assert [name for name in DEVICES if is_processor(name)] == ["cpu", *CEILINGS]
    assert all(name == device.name and device.description for name, device in DEVICES.items())


def test_a_ceiling_needs_features_of_the_processor() -> None:
    assert CEILINGS == ("cpu+sse41", "cpu+avx2", "cpu+avx512")
    assert not DEVICES["cpu"].features


@pytest.mark.parametrize("name", ACCELERATORS)
def test_what_an_accelerator_needs_is_told_without_an_engine(name: str) -> None:
    assert DEVICES[name].driver or DEVICES[name].system


def test_an_emulated_processor_is_one_too() -> None:
    assert is_processor("qemu:Haswell")


@pytest.mark.parametrize("name", ["rpc", "elsewhere", "old", "cuda:1", "cpu-like", "cpu+amx", ""])
def test_of_other_names_nobody_knows(name: str) -> None:
    assert not is_processor(name)


@pytest.mark.parametrize("name", DEVICES)
def test_only_workers_of_accelerators_see_gpus(name: str) -> None:
    hidden = DEVICES[name].variables.get("CUDA_VISIBLE_DEVICES") == "-1"
    assert hidden != DEVICES[name].is_accelerator
