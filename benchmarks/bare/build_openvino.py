"""model.xml and model.bin from model.onnx."""

import openvino

openvino.save_model(openvino.Core().read_model("model.onnx"), "model.xml", compress_to_fp16=False)
