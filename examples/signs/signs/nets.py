"""One small network, defined in torch and in keras, with the same weights.

torch lays images out as channels × height × width, keras as height × width × channels, and so they keep their filters
too: that is all that differs. ``weights.npz`` holds them as keras does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras
    import torch

SIDE = 48
CLASSES = 6


def weights() -> dict[str, NDArray[np.float32]]:
    """Arrays by name: ``first`` and ``second`` (3, 3, in, out), ``linear`` (in, classes), ``bias`` (classes,)."""
    with np.load(Path(__file__).with_name("weights.npz")) as stored:
        return {name: stored[name] for name in stored.files}


def torch_net() -> torch.nn.Module:
    """Takes (N, 3, 48, 48)."""
    import torch

    values = {name: torch.from_numpy(value) for name, value in weights().items()}

    class Signs(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Conv2d(3, 16, 3, stride=2, bias=False)
            self.second = torch.nn.Conv2d(16, 48, 3, stride=2, bias=False)
            self.linear = torch.nn.Linear(96, CLASSES)
            with torch.no_grad():
                self.first.weight.copy_(values["first"].permute(3, 2, 0, 1))
                self.second.weight.copy_(values["second"].permute(3, 2, 0, 1))
                self.linear.weight.copy_(values["linear"].T)
                self.linear.bias.copy_(values["bias"])

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen = torch.relu(self.second(torch.relu(self.first(images))))
            largest = torch.nn.functional.max_pool2d(seen, 11).flatten(1)
            return self.linear(torch.cat([seen.mean((2, 3)), largest], dim=1))

    return Signs().eval()


def keras_net() -> keras.Model:
    """Takes (N, 48, 48, 3)."""
    import keras
    from keras import layers

    images = keras.Input((SIDE, SIDE, 3), name="images")
    seen = layers.Conv2D(16, 3, strides=2, use_bias=False, activation="relu", name="first")(images)
    seen = layers.Conv2D(48, 3, strides=2, use_bias=False, activation="relu", name="second")(seen)
    pooled = [layers.GlobalAveragePooling2D()(seen), layers.Flatten()(layers.MaxPooling2D(11)(seen))]
    scores = layers.Dense(CLASSES, name="linear")(layers.Concatenate()(pooled))
    model = keras.Model(images, scores)
    values = weights()
    for name, arrays in {"first": ["first"], "second": ["second"], "linear": ["linear", "bias"]}.items():
        model.get_layer(name).set_weights([values[each] for each in arrays])
    return model
