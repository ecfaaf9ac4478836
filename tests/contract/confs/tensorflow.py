from __future__ import annotations

from support.contract import Conf

CONF = Conf(
    "tensorflow",
    framework="keras",
    also=("tensorflow",),
    threads="intra_op_threads",
    # TensorFlow does not tell which instruction set oneDNN chose.
    ceilings={"cpu+sse41": ("device", "CPU"), "cpu+avx2": ("device", "CPU"), "cpu+avx512": ("device", "CPU")},
)
