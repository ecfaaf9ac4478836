"""The devices that this machine may have, in this Python: one table of what is known of them without any engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

EMULATED_PREFIX = "qemu:"
"""What the names of the catalogue's emulated processors begin with; each of them is a device of its own."""


@dataclass(frozen=True)
class Driver:
    """A driver: what it is called, and its shared library: the name by which a linker finds it, and its file names."""

    name: str
    link_name: str
    library: str
    windows_library: str


@dataclass(frozen=True)
class MachineDevice:
    """A device of this machine: one value of the device axis, the same for every engine.

    ``description`` is what it is, in words. CPU time does not see the work of one that ``is_accelerator``.
    ``features`` are those that a processor needs to reach an instruction-set ceiling, as Linux calls them. An
    accelerator cannot be here without its ``driver``, or on another ``system`` than its own (as `sys.platform` has it).
    ``variables`` are environment variables of every worker that uses the device, whatever its engine.
    """

    name: str
    description: str
    is_accelerator: bool = False
    features: tuple[str, ...] = ()
    driver: Driver | None = None
    system: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


_WITHOUT_GPU = MappingProxyType({"CUDA_VISIBLE_DEVICES": "-1"})
"""TensorFlow takes all memory of every GPU it sees, even for a model that runs on the CPU."""
_CUDA = Driver("the CUDA driver", "cuda", "libcuda.so.1", "nvcuda.dll")
_AVX512 = ("avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl")


def _processor(name: str, description: str, *features: str) -> MachineDevice:
    return MachineDevice(name, description, features=features, variables=_WITHOUT_GPU)


DEVICES: Mapping[str, MachineDevice] = MappingProxyType(
    {
        device.name: device
        for device in (
            _processor("cpu", "this processor"),
            _processor("cpu+sse41", "this processor, its instructions up to SSE4.1", "sse4_1"),
            _processor("cpu+avx2", "this processor, its instructions up to AVX2", "avx2", "fma"),
            _processor("cpu+avx512", "this processor, its instructions up to AVX-512", *_AVX512),
            MachineDevice("cuda:0", "NVIDIA GPU", is_accelerator=True, driver=_CUDA),
            MachineDevice("mps", "Metal on a Mac", is_accelerator=True, system="darwin"),
            MachineDevice("directml", "DirectML on Windows", is_accelerator=True, system="win32"),
            MachineDevice("coreml", "Core ML on a Mac", is_accelerator=True, system="darwin"),
        )
    }
)
"""By name, in the catalogue's order. Which engines have a device, and how, is in their ``devices``."""

CEILINGS = tuple(name for name, device in DEVICES.items() if device.features)
"""Instruction-set ceilings: other processors' kernels, on this one."""


def is_processor(name: str) -> bool:
    """Whether a device is known to be a processor, this machine's or an emulated one: CPU time sees all of its work.

    Of any other, a name that a user chose or an accelerator that the table lacks, nobody knows.
    """
    device = DEVICES.get(name)
    return name.startswith(EMULATED_PREFIX) if device is None else not device.is_accelerator
