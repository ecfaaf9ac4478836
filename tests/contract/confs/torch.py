from __future__ import annotations

from support.contract import Conf

CONF = Conf(
    "torch",
    framework="torch",
    slow=frozenset({"inductor", "aotinductor"}),
    threads="threads",
    ceilings={
        "cpu+sse41": ("cpu_capability", "DEFAULT"),
        "cpu+avx2": ("cpu_capability", "AVX2"),
        "cpu+avx512": ("cpu_capability", "AVX512"),
    },
    factories=("support.nets:torch_in_place",),
)
