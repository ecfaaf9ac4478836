"""model.onnx from torch."""

import lite0
import torch

torch.set_num_threads(1)
image = torch.zeros(1, 3, 224, 224)
names = {"input_names": ["input"], "output_names": ["output"]}
torch.onnx.export(lite0.network(), (image,), "model.onnx", opset_version=20, dynamo=True, external_data=False, **names)
