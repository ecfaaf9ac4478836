"""What torch says of a run itself: operators, kernels, instruction sets. Runs inside a worker process."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

_REGISTERS = (("%zmm", "AVX-512"), ("%ymm", "AVX"), ("%xmm", "SSE"))


def process_facts() -> dict[str, str]:
    """Version, instruction set and thread count of the torch in this process."""
    import torch

    return {
        "torch": str(torch.__version__),
        "cpu_capability": str(torch.backends.cpu.get_cpu_capability()),
        "threads": str(torch.get_num_threads()),
    }


def profiled(run: Callable[[], object]) -> Counter[str]:
    """How often each operator and each compiled region ran in one call, as torch's profiler counts them."""
    import torch

    with torch.autograd.profiler.profile(use_kineto=False) as profile:
        run()
    # The events as they were recorded: torch's own summary of them takes longer than the call.
    return Counter(event.name() for event in profile.kineto_results.events())


def library_kernels(run: Callable[[], object]) -> dict[str, str]:
    """Which oneDNN and MKL kernels one call ran, and for which instruction set, as these libraries log them."""
    lines = _library_log(run)
    isa, primitives, modes = "", Counter[str](), Counter[str]()
    for line in lines:
        if line.startswith("onednn_verbose") and ",isa:" in line:
            isa = line.rpartition(",isa:")[2].strip()
        elif found := re.match(r"onednn_verbose,.*?exec,(?:cpu|gpu),([^,]*),([^,]*),", line):
            primitives[f"{found[1]} {found[2]}"] += 1
        elif found := re.search(r"^MKL_VERBOSE (\w+)\(.* CNR:(\S+)", line):
            modes[f"{found[1]} {found[2]}"] += 1
    facts = {"onednn_isa": isa, "onednn_kernels": counted(primitives), "mkl_calls": counted(modes)}
    return {name: value for name, value in facts.items() if value}


def counted(counts: Counter[str], limit: int = 12) -> str:
    """The most frequent of ``counts`` in words: ``aten::addmm ×2, aten::relu ×1``."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{name} ×{count}" for name, count in ordered[:limit]]
    return ", ".join(shown + ([f"{len(ordered) - limit} more"] if len(ordered) > limit else []))


def mapped_libraries() -> frozenset[str]:
    """Paths of the shared objects that are mapped into this process; empty where the system does not tell."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as stream:
            lines = [line.split(maxsplit=5) for line in stream]
    except OSError:
        return frozenset()
    return frozenset(parts[5].strip() for parts in lines if len(parts) == 6 and ".so" in parts[5] and "x" in parts[1])


def widest_registers(libraries: Iterable[str]) -> str:
    """The widest vector registers in the code of x86 ``libraries``, read by disassembling them; ``""`` if unknown."""
    objdump = shutil.which("objdump")
    files = [path for path in libraries if os.path.isfile(path)]
    if not files or objdump is None:
        return ""
    seen: set[str] = set()
    for path in files:
        with subprocess.Popen(
            [objdump, "-d", "--no-show-raw-insn", path], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                seen.update(register for register, _ in _REGISTERS if register in line)
    return next((f"{name} ({register[1:]})" for register, name in _REGISTERS if register in seen), "none")


def _library_log(run: Callable[[], object]) -> list[str]:
    import torch

    with tempfile.TemporaryFile() as log:
        with _standard_output_to(log.fileno()), ExitStack() as switches:
            if torch.backends.mkldnn.is_available():
                switches.enter_context(torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON))
            if torch.backends.mkl.is_available():
                switches.enter_context(torch.backends.mkl.verbose(torch.backends.mkl.VERBOSE_ON))
            run()
        log.seek(0)
        return log.read().decode("utf-8", "replace").splitlines()


@contextmanager
def _standard_output_to(target: int) -> Iterator[None]:
    """Send the process's file descriptor 1 to ``target``: both libraries log there and nowhere else."""
    sys.stdout.flush()
    _flush_c_streams()
    kept = os.dup(1)
    try:
        os.dup2(target, 1)
        yield
    finally:
        sys.stdout.flush()
        _flush_c_streams()
        os.dup2(kept, 1)
        os.close(kept)


def _flush_c_streams() -> None:
    if os.name == "posix":
        flush: Any = ctypes.CDLL(None).fflush
        flush(None)
