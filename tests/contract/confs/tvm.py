from __future__ import annotations

from support.contract import Conf

CONF = Conf(
    "tvm",
    framework="torch",
    also=("onnx",),
    threads="threads",
    ceilings={
        "cpu+sse41": ("llvm_cpu", "penryn"),
        "cpu+avx2": ("llvm_cpu", "x86-64-v3"),
        "cpu+avx512": ("llvm_cpu", "x86-64-v4"),
    },
)
