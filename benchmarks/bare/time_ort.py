"""Calls of ONNX Runtime, all optimizations."""

import sys

import onnxruntime
import turns

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
session = onnxruntime.InferenceSession(sys.argv[2], options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
turns.answer(lambda image: session.run(None, {name: image})[0])
