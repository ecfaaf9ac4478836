"""Makes ``signs/weights.npz``: two layers of random filters, and a linear layer fitted to drawn signs.

The last layer is a least-squares solution in closed form: no training loop, the same weights each time.
``python fit_weights.py`` writes the file and prints how many of the test images it gets right.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from draw_images import CLASSES, IMAGES, draw
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float64]

WEIGHTS = Path(__file__).parent / "signs" / "weights.npz"
RIDGE = 1e-3


def features(images: Floats, first: Floats, second: Floats) -> Floats:
    """What the two layers of filters see: (N, 48, 48, 3) in, one row a image out."""
    seen = _layer(_layer(images, first), second)
    return np.concatenate([seen.mean(axis=(1, 2)), seen.max(axis=(1, 2))], axis=1)


def _layer(images: Floats, filters: Floats) -> Floats:
    """A convolution of stride 2 without padding, and what is above 0 of it; filters are (3, 3, in, out)."""
    patches = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(1, 2))[:, ::2, ::2]
    return np.maximum(np.einsum("nhwcij,ijco->nhwo", patches, filters, optimize=True), 0)


def _pixels(images: list[NDArray[np.uint8]]) -> Floats:
    return np.stack(images) / 127.5 - 1


def fit() -> dict[str, Floats]:
    """The weights, convolutions as (3, 3, in, out), the linear layer as (in, classes)."""
    random = np.random.default_rng(0)
    first = random.normal(0, (2 / 27) ** 0.5, (3, 3, 3, 16))
    second = random.normal(0, (2 / 144) ** 0.5, (3, 3, 16, 48))
    labels = np.arange(900) % len(CLASSES)
    seen = features(_pixels([draw(label, random) for label in labels]), first, second)
    design = np.concatenate([seen, np.ones((len(seen), 1))], axis=1)
    wanted = np.eye(len(CLASSES))[labels] * 10
    gram = design.T @ design + RIDGE * len(seen) * np.eye(design.shape[1])
    solution = np.linalg.solve(gram, design.T @ wanted)
    return {"first": first, "second": second, "linear": solution[:-1], "bias": solution[-1]}


if __name__ == "__main__":
    weights = fit()
    np.savez_compressed(WEIGHTS, **{name: value.astype(np.float32) for name, value in weights.items()})
    files = sorted(IMAGES.glob("*.png"))
    seen = features(_pixels([np.asarray(Image.open(file)) for file in files]), weights["first"], weights["second"])
    found = (seen @ weights["linear"] + weights["bias"]).argmax(axis=1)
    print(f"{sum(label == index % len(CLASSES) for index, label in enumerate(found))} of {len(files)} images right")
