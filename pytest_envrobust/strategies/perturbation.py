"""Small changes of a picture that leave it the same to a person."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.models.inputs import LoadedInputs


@dataclass(frozen=True)
class Perturbation:
    """What is done to a picture, in this order; what is 0 is not done. One perturbation always gives the same picture.

    ``shift`` and ``shift_down`` in pixels to the right and down and ``rotate`` in degrees counterclockwise, edges
    repeated; ``blur``, the deviation of a Gaussian in pixels; ``contrast``, by what share the distance from middle gray
    grows; ``brightness``, what is added, as a share of the whole range; ``noise``, the deviation of Gaussian noise as a
    share of that range, drawn from ``noise_seed``; ``jpeg``, how much of the quality of 100 is lost in compression.
    """

    shift: int = 0
    shift_down: int = 0
    rotate: float = 0.0
    blur: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0
    noise: float = 0.0
    noise_seed: int = 0
    jpeg: int = 0

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture, uint8 of shape (height, width, 3), changed. Raises `DeclarationError` for another shape."""
        check_image(image)
        moved = self._moved(image)
        if self.blur or self.noise:
            found = _rounded(self._spread(self._blurred(moved.astype(np.float32))))
        elif self.contrast or self.brightness:  # of each value by itself: 256 values are enough
            found = _rounded(self._spread(np.arange(256, dtype=np.float32)))[moved]
        else:
            found = moved.copy()
        return _compressed(found, 100 - self.jpeg) if self.jpeg else found

    def _blurred(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        if not self.blur:
            return pixels
        from scipy.ndimage import gaussian_filter

        blurred: NDArray[np.float32] = gaussian_filter(pixels, (self.blur, self.blur, 0.0), mode="nearest")
        return blurred

    def _spread(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """With contrast, brightness and noise."""
        if self.contrast:
            values = 127.5 + (values - 127.5) * np.float32(1.0 + self.contrast)
        if self.brightness:
            values = values + np.float32(255.0 * self.brightness)
        if self.noise:
            values = values + np.float32(255.0 * self.noise) * _grain(self.noise_seed, values.shape)
        return values

    def _moved(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.shift or self.shift_down:
            height, width = image.shape[:2]
            across, down = abs(self.shift), abs(self.shift_down)
            wide = np.pad(image, ((down, down), (across, across), (0, 0)), mode="edge")
            top, left = down - self.shift_down, across - self.shift
            image = wide[top : top + height, left : left + width]
        return _turned(image, self.rotate) if self.rotate else image

    def __str__(self) -> str:
        """What is done: ``rotate 3.5, noise 0.01``; ``no change`` where nothing is."""
        done = [
            f"{field.name.replace('_', ' ')} {getattr(self, field.name):g}"
            for field in fields(self)
            if getattr(self, field.name) and field.name != "noise_seed"
        ]
        return ", ".join(done) or "no change"


@dataclass(frozen=True, eq=False)
class PerturbedImage:
    """A picture, uint8 of shape (height, width, 3), and what was done to get it from another."""

    image: NDArray[np.uint8]
    perturbation: Perturbation

    @property
    def inputs(self) -> LoadedInputs:
        """The picture as inputs that ``predict`` takes, prepared for each source as that asks for."""
        return LoadedInputs((str(self.perturbation),), images=(self.image,))

    def __repr__(self) -> str:
        return f"PerturbedImage({self.perturbation})"


def check_image(image: NDArray[np.uint8]) -> None:
    """Raise `DeclarationError` for what is no uint8 array of shape (height, width, 3)."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        found = f"{image.dtype} array of shape {image.shape}" if isinstance(image, np.ndarray) else repr(type(image))
        raise DeclarationError(
            f"{found} is no picture",
            cause="a picture is a uint8 array of shape (height, width, 3)",
            remedy="take one of envrobust.inputs.images",
        )


@lru_cache(maxsize=2)
def _grain(seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Gaussian noise of deviation 1: a search tries one seed in many strengths."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def _rounded(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    np.rint(values, out=values)
    return np.clip(values, 0, 255, out=values).astype(np.uint8)


def _turned(image: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    """Turned counterclockwise about its middle, with the edges repeated where nothing was."""
    from PIL import Image

    height, width = image.shape[:2]
    sine, cosine = abs(math.sin(math.radians(degrees))), abs(math.cos(math.radians(degrees)))
    reach = max(width * cosine + height * sine - width, width * sine + height * cosine - height, 0.0)
    rim = math.ceil(reach / 2) + 1
    wide = Image.fromarray(np.pad(image, ((rim, rim), (rim, rim), (0, 0)), mode="edge"))
    turned = np.asarray(wide.rotate(degrees, Image.Resampling.BILINEAR))
    return turned[rim : rim + height, rim : rim + width]


def _compressed(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream).convert("RGB"))
