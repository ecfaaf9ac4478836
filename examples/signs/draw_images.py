"""Draws the signs: a circle, triangle or square, red or blue, somewhere on a noisy background.

``python draw_images.py`` draws the 24 images in ``tests/images`` again, the same ones each time.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIDE = 48
SHAPES = ("circle", "triangle", "square")
COLORS = {"red": (200, 30, 40), "blue": (30, 60, 190)}
CLASSES = tuple(f"{color} {shape}" for color in COLORS for shape in SHAPES)
IMAGES = Path(__file__).parent / "tests" / "images"


def draw(label: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """An image of the class ``label``, (48, 48, 3) RGB; place, size, light and noise are random."""
    color, shape = CLASSES[label].split()
    background = tuple(int(value) for value in random.integers(110, 220, 3))
    picture = Image.new("RGB", (SIDE, SIDE), background)
    radius = int(random.integers(13, 18))
    x, y = (int(value) for value in random.integers(radius + 2, SIDE - radius - 2, 2))
    corners = {"triangle": [(0, -radius), (radius, radius), (-radius, radius)]}
    pen = ImageDraw.Draw(picture)
    if shape == "triangle":
        pen.polygon([(x + right, y + down) for right, down in corners[shape]], fill=COLORS[color])
    else:
        box = (x - radius, y - radius, x + radius, y + radius)
        (pen.ellipse if shape == "circle" else pen.rectangle)(box, fill=COLORS[color])
    noise = random.normal(0, 6, (SIDE, SIDE, 3))
    return np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8)


def draw_test_images(folder: Path = IMAGES) -> None:
    """Draw four images of each class."""
    random = np.random.default_rng(2)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(24):
        label = number % len(CLASSES)
        name = CLASSES[label].replace(" ", "-")
        Image.fromarray(draw(label, random)).save(folder / f"{number:02}-{name}.png", optimize=True)


if __name__ == "__main__":
    draw_test_images()
