from __future__ import annotations

from support.contract import Conf

CONF = Conf("onnxruntime", framework="torch", also=("onnx", "keras", "tflite"), threads="intra_op_num_threads")
