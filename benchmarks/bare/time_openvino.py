"""Calls of OpenVINO."""

import sys

import openvino
import turns

core = openvino.Core()
settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
request = core.compile_model(core.read_model(sys.argv[2]), "CPU", settings).create_infer_request()
turns.answer(lambda image: request.infer({0: image})[0])
