"""model.pt2 from torch, compiled ahead of time."""

import lite0
import torch

torch.set_num_threads(1)
image = torch.zeros(1, 3, 224, 224)
with torch.no_grad():
    program = torch.export.export(lite0.network(), (image,))
    torch._inductor.aoti_compile_and_package(program, package_path="model.pt2")
