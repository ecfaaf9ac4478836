"""Labels by AOTInductor's package."""

import lite0
import torch

torch.set_num_threads(1)
model = torch._inductor.aoti_load_package("model.pt2")
with torch.no_grad():
    lite0.print_labels(lambda image: model(torch.from_numpy(image)).numpy())
