"""A worker keeps memory that was freed: what a call needs is there in the next."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
from pytest_envrobust.workers.entry import hold_on_to_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        arrays = [np.ones(130_000) for _ in range(10)]  # a megabyte each, all of them at once
        del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if HOLD:
    hold_on_to_memory()
faults()
print(faults())
"""


def faults(hold: bool) -> int:
    """Pages that 200 large arrays took, in a new process that has made such arrays before."""
    program = PROGRAM.replace("HOLD", str(hold))
    return int(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_large_arrays_take_no_new_pages() -> None:
    assert faults(hold=True) < 1000 < faults(hold=False)
