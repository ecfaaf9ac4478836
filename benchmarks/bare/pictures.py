"""How a photograph becomes what a network takes, by Pillow and numpy alone: as it should, and in other ways."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 224


def all_of(folder):
    """The folder's pictures in RGB, in the order of their names."""
    files = sorted(each for each in Path(folder).iterdir() if each.suffix in (".jpg", ".png"))
    return [Image.open(file).convert("RGB") for file in files]


def scaled(picture, shorter, resampling):
    """The shorter side at that length, then the middle."""
    width, height = picture.size
    least = min(width, height)
    picture = picture.resize((round(width * shorter / least), round(height * shorter / least)), resampling)
    left, top = (picture.width - SIDE) // 2, (picture.height - SIDE) // 2
    return picture.crop((left, top, left + SIDE, top + SIDE))


def squashed(picture, resampling):
    """All of the picture, whatever its proportions."""
    return picture.resize((SIDE, SIDE), resampling)


def ways(shorter, resampling, mean, deviation):
    """From a name to a function of a picture: float32, height × width × 3."""

    def values(picture, mean=mean, deviation=deviation):
        return (np.asarray(picture, dtype=np.float32) - np.float32(mean)) / np.float32(deviation)

    other = Image.Resampling.BICUBIC if resampling == Image.Resampling.BILINEAR else Image.Resampling.BILINEAR
    nearest = Image.Resampling.NEAREST
    return {
        "as_it_should": lambda picture: values(scaled(picture, shorter, resampling)),
        "squashed": lambda picture: values(squashed(picture, resampling)),
        "squashed_nearest": lambda picture: values(squashed(picture, nearest)),
        "nearest": lambda picture: values(scaled(picture, shorter, nearest)),
        "other_filter": lambda picture: values(scaled(picture, shorter, other)),
        "tight": lambda picture: values(scaled(picture, SIDE, resampling)),
        "loose": lambda picture: values(scaled(picture, 320, resampling)),
        "bgr": lambda picture: values(scaled(picture, shorter, resampling))[:, :, ::-1],
        "not_normalized": lambda picture: values(scaled(picture, shorter, resampling), 0, 1),
        "unit": lambda picture: values(scaled(picture, shorter, resampling), 0, 255),
        "imagenet": lambda picture: values(
            scaled(picture, shorter, resampling), (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
        ),
    }


WAYS = {
    "lite0": ways(256, Image.Resampling.BICUBIC, 127, 128),
    "mobilenet": ways(256, Image.Resampling.BILINEAR, 127.5, 127.5),
}
"""Those of each network."""
