"""The devices of torch: how one is reached, and that it is the one that was asked for. Runs inside a worker process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_envrobust.backends import base
from pytest_envrobust.core.errors import Unavailable

CAPABILITY = {"cpu+sse41": "DEFAULT", "cpu+avx2": "AVX2", "cpu+avx512": "AVX512"}
"""What torch's own kernels must report under each ceiling."""


def place_of(device: str) -> Any:
    """The torch device that runs an environment's ``device``: ceilings are the CPU."""
    import torch

    return torch.device(device.partition("+")[0])


def start_cuda(device: str, options: Mapping[str, base.Option]) -> None:
    """Set its options. Raises `Unavailable` where it is not there."""
    import torch

    if not torch.cuda.is_available():
        built = getattr(torch.version, "cuda", None)
        raise Unavailable(
            f"torch has no {device}",
            cause="no CUDA device is visible" if built else "this torch was built without CUDA",
            remedy="run on a machine with an NVIDIA GPU and a CUDA build of torch",
        )
    index = place_of(device).index or 0
    if index >= torch.cuda.device_count():
        raise Unavailable(f"torch has no {device}", cause=f"it sees {torch.cuda.device_count()} CUDA device(s)")
    allow_shortcuts(options)


def allow_shortcuts(options: Mapping[str, base.Option]) -> None:
    """TF32 in matrix products and convolutions, and cuDNN's trying out of algorithms, as the options say."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = bool(options["tf32"])
    torch.backends.cudnn.benchmark = bool(options["autotune"])


def shortcuts() -> dict[str, str]:
    """What torch says of them."""
    import torch

    return {
        "tf32": f"matrix products {_on(torch.backends.cuda.matmul.allow_tf32)}, "
        f"convolutions {_on(torch.backends.cudnn.allow_tf32)}",
        "cudnn_benchmark": _on(torch.backends.cudnn.benchmark),
    }


def _on(flag: bool) -> str:
    return "on" if flag else "off"


def start_metal() -> None:
    """Raise `Unavailable` where it is not there."""
    import torch

    if not torch.backends.mps.is_available():
        raise Unavailable(
            "torch has no mps",
            cause="Metal is not to be had" if torch.backends.mps.is_built() else "this torch was built without Metal",
            remedy="run on a Mac with an Apple GPU and macOS 14 or later",
        )


def check_ceiling(device: str) -> None:
    """Raise `Unavailable` unless torch's own kernels keep to the ceiling, as torch reports it."""
    import torch

    wanted, actual = CAPABILITY[device], str(torch.backends.cpu.get_cpu_capability())
    if actual != wanted:
        raise Unavailable(
            f"torch has no {device} here",
            cause=f"its kernels report {actual}, not {wanted}, on this processor",
            remedy="run on an x86 processor that has these instructions",
        )
    if device == "cpu+sse41":
        torch.backends.nnpack.set_flags(False)  # its kernels are AVX2 and know no ceiling


class CudaTimer(base.DeviceTimer):
    """Two events in the device's stream."""

    def __init__(self, place: Any) -> None:
        import torch

        self._place = place
        self._events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]

    def start(self) -> None:
        import torch

        self._events[0].record(torch.cuda.current_stream(self._place))

    def stop(self) -> int:
        import torch

        first, last = self._events
        last.record(torch.cuda.current_stream(self._place))
        last.synchronize()
        return int(first.elapsed_time(last) * 1e6)
