"""Labels by torch.compile."""

import lite0
import torch

torch.set_num_threads(1)
model = torch.compile(lite0.network(), fullgraph=True, dynamic=False)
with torch.no_grad():
    lite0.print_labels(lambda image: model(torch.from_numpy(image)).numpy())
