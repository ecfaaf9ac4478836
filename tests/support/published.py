"""The predictions that the study published: an extract that stands here, and all of them where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

EXTRACT = Path(__file__).parents[1] / "data" / "mobilenet_v2_published.npz"
ALL = Path(__file__).parents[3] / "shared" / "data" / "paper" / "mobilenet_v2_top5.npz"
NOT_HERE = "the published predictions are not all here: ../shared/data/paper"
FRAMEWORKS = ("keras", "torch", "tf")
COUNT, FIRST = 5500, 100
"""Images, and those of them whose best five labels and scores are in the extract."""
DIFFERING = [[0, 2448, 2694], [2448, 0, 3151], [2694, 3151, 0]]
"""Images whose label differs, by `FRAMEWORKS`, once the background class of tf is taken away."""


def labels(framework: str) -> NDArray[np.int64]:
    """The best label of each image."""
    return _extract(f"MobileNetV2/{framework}/labels").astype(np.int64)


def first(framework: str, offset: int = 0, columns: int = 1000) -> NDArray[np.float32]:
    """Scores (FIRST, columns) of the first images, -inf where none was published."""
    best, scores = (_extract(f"first/MobileNetV2/{framework}/{name}") for name in ("labels", "scores"))
    return _spread(best, scores, offset, columns)


def everything(framework: str, offset: int = 0, columns: int = 1000) -> NDArray[np.float32]:
    """Scores (COUNT, columns) of all images, -inf where none was published; only where `ALL` is."""
    with np.load(ALL) as arrays:
        best, scores = (arrays[f"MobileNetV2/{framework}/{name}"] for name in ("labels", "scores"))
    return _spread(best, scores, offset, columns)


def _extract(name: str) -> NDArray[np.generic]:
    with np.load(EXTRACT) as arrays:
        found: NDArray[np.generic] = arrays[name]
    return found


def _spread(labels: NDArray[np.generic], scores: NDArray[np.generic], offset: int, columns: int) -> NDArray[np.float32]:
    spread = np.full((len(labels), columns), -np.inf, dtype=np.float32)
    np.put_along_axis(spread, labels.astype(np.int64) - offset, scores, axis=1)
    return spread
