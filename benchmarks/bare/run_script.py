"""Labels by TorchScript, traced, frozen and optimized."""

import lite0
import torch

torch.set_num_threads(1)
with torch.no_grad():
    traced = torch.jit.trace(lite0.network(), torch.zeros(1, 3, 224, 224))
    model = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
    lite0.print_labels(lambda image: model(torch.from_numpy(image)).numpy())
