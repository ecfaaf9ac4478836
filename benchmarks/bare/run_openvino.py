"""Labels by OpenVINO."""

import lite0
import openvino

core = openvino.Core()
settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
request = core.compile_model(core.read_model("model.xml"), "CPU", settings).create_infer_request()
lite0.print_labels(lambda image: request.infer({0: image})[0])
