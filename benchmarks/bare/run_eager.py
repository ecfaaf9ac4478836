"""Labels by torch, eager."""

import lite0
import torch

torch.set_num_threads(1)
model = lite0.network()
with torch.no_grad():
    lite0.print_labels(lambda image: model(torch.from_numpy(image)).numpy())
