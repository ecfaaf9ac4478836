from __future__ import annotations

from support.contract import Conf

CONF = Conf(
    "openvino",
    framework="onnx",
    also=("torch",),
    threads="inference_num_threads",
    rounded={"openvino-bf16": 0.1},
    by_processor={"openvino": 0.1},
    ceilings={"cpu+sse41": ("kernels", "sse42"), "cpu+avx2": ("kernels", "avx2"), "cpu+avx512": ("kernels", "avx512")},
)
