"""Small changes of a picture that leave it the same to a person."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields

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
        changed = self._moved(image).astype(np.float64)
        if self.blur:
            from scipy.ndimage import gaussian_filter

            changed = gaussian_filter(changed, (self.blur, self.blur, 0.0), mode="nearest")
        if self.contrast:
            changed = 127.5 + (changed - 127.5) * (1.0 + self.contrast)
        if self.brightness:
            changed += 255.0 * self.brightness
        if self.noise:
            random = np.random.default_rng(self.noise_seed)
            changed += 255.0 * self.noise * random.standard_normal(changed.shape)
        found = np.clip(np.rint(changed), 0.0, 255.0).astype(np.uint8)
        return _compressed(found, 100 - self.jpeg) if self.jpeg else found

    def _moved(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = image.shape[:2]
        if self.shift or self.shift_down:
            rows = np.clip(np.arange(height) - self.shift_down, 0, height - 1)
            columns = np.clip(np.arange(width) - self.shift, 0, width - 1)
            image = image[rows][:, columns]
        if self.rotate:
            from scipy.ndimage import rotate

            turned: NDArray[np.uint8] = rotate(image, self.rotate, reshape=False, order=1, mode="nearest")
            return turned
        return image

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


def _compressed(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream).convert("RGB"))
