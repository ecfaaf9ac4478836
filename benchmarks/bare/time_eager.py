"""Calls of torch, eager."""

import lite0
import torch
import turns

torch.set_num_threads(1)
model = lite0.network()
with torch.no_grad():
    turns.answer(lambda image: model(torch.from_numpy(image)).numpy())
