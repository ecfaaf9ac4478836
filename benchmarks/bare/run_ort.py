"""Labels by ONNX Runtime, all optimizations."""

import lite0
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
session = onnxruntime.InferenceSession("model.onnx", options, providers=["CPUExecutionProvider"])
lite0.print_labels(lambda image: session.run(None, {"input": image})[0])
