"""From decoded photographs to the batch that a source takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeGuard

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError

Layout = Literal["NCHW", "NHWC"]
Size = int | tuple[int, int]

GRAY: Final = "gray"
FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")


@dataclass(frozen=True)
class Preprocess:
    """How a source's batch is made from RGB uint8 images, height × width × 3.

    In this order: ``resize`` with ``filter`` (an integer is the length of the shorter side, a pair is height and
    width), center ``crop`` to height and width, ``channels`` order, ``(pixel * scale - mean) / std`` per channel in
    that order, ``dtype``, ``layout``. ``channels="gray"`` makes one channel of the three. A single mean or standard
    deviation is that of all channels; of three, a gray channel has the average. A layout of ``None`` is the source's
    framework's usual one.

    Values are real values: a source whose input is quantized turns them into its integers by its own scale and zero
    point. An integer ``dtype`` gives integers, rounded and clipped to it.

    Raises `DeclarationError` for a value that makes no sense.
    """

    resize: Size | None = None
    crop: Size | None = None
    filter: str = "bilinear"
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    channels: Literal["RGB", "BGR", "gray"] = "RGB"
    layout: Layout | None = None
    dtype: str = "float32"

    def __post_init__(self) -> None:
        _one_of("filter", self.filter, FILTERS)
        _one_of("channels", self.channels, ("RGB", "BGR", GRAY))
        _one_of("layout", self.layout, (None, "NCHW", "NHWC"))
        _one_of("dtype", self.dtype, ("float32", "float16", "uint8", "int8"))
        for name in ("resize", "crop"):
            if (size := getattr(self, name)) is not None:
                _check_size(name, size)
        for name in ("mean", "std"):
            values = getattr(self, name)
            if not any(_is_sequence(values, count) for count in (1, 3)) or not all(map(_is_number, values)):
                raise DeclarationError(
                    f"preprocess {name}={values!r}", cause="three numbers are needed, one a channel, or one for all"
                )
        if not all(self.std):
            raise DeclarationError(f"preprocess std={self.std!r}", cause="a standard deviation of 0 divides by zero")

    def __str__(self) -> str:
        """In words, each step that does something."""
        crop = self.crop if self.crop is None or isinstance(self.crop, tuple) else (self.crop, self.crop)
        parts = [
            _resize_text(self.resize, self.filter),
            f"crop {crop[0]}×{crop[1]}" if crop else "",
            self.channels,
            f"× {self.scale:.6g}" if self.scale != 1.0 else "",
            f"- {_numbers(self._of_channels(self.mean))}" if any(self.mean) else "",
            f"/ {_numbers(self._of_channels(self.std))}" if any(value != 1.0 for value in self.std) else "",
            self.dtype,
            self.layout or "",
        ]
        return ", ".join(part for part in parts if part)

    @classmethod
    def imagenet(cls, size: int = 224, **changes: Any) -> Preprocess:
        """What torchvision's classifiers take: shorter side to size × 8/7, center crop, ImageNet mean and std."""
        ready = cls(
            resize=round(size * 8 / 7),
            crop=size,
            scale=1 / 255,
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
        )
        return replace(ready, **changes)

    @classmethod
    def inception(cls, size: int = 224, **changes: Any) -> Preprocess:
        """What TF-slim's and many of Keras' classifiers take: center crop, values from -1 to 1."""
        ready = cls(resize=round(size * 8 / 7), crop=size, scale=1 / 127.5, mean=(1.0, 1.0, 1.0), std=(1.0, 1.0, 1.0))
        return replace(ready, **changes)

    @classmethod
    def caffe(cls, size: int = 224, **changes: Any) -> Preprocess:
        """What Caffe's classifiers and Keras' ResNets take: BGR, ImageNet's mean pixel taken away, no scaling."""
        ready = cls(resize=round(size * 8 / 7), crop=size, channels="BGR", mean=(103.939, 116.779, 123.68))
        return replace(ready, **changes)

    @classmethod
    def raw(cls, size: int = 224, **changes: Any) -> Preprocess:
        """Center crop and nothing else: values from 0 to 255."""
        return replace(cls(resize=round(size * 8 / 7), crop=size), **changes)

    @classmethod
    def unit(cls, size: int = 224, **changes: Any) -> Preprocess:
        """Center crop, values from 0 to 1."""
        return replace(cls(resize=round(size * 8 / 7), crop=size, scale=1 / 255), **changes)

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest value that a pixel can become, before it is rounded to an integer dtype."""
        ends = [
            (pixel * self.scale - mean) / std
            for pixel in (0, 255)
            for mean, std in zip(self._of_channels(self.mean), self._of_channels(self.std))
        ]
        return min(ends), max(ends)

    @property
    def overflows(self) -> bool:
        """Whether some pixel becomes a value that an integer `dtype` has no place for."""
        if np.dtype(self.dtype).kind not in "iu":
            return False
        limits, (low, high) = np.iinfo(self.dtype), self.range
        return bool(low < limits.min - 0.5 or high > limits.max + 0.5)

    def apply(self, images: Sequence[NDArray[np.uint8]], *, layout: Layout, names: Sequence[str] = ()) -> NDArray[Any]:
        """Batch of shape (N, channels, H, W) or (N, H, W, channels) and `dtype` from N images of shape (h, w, 3).

        ``layout`` is used where the preprocessing does not declare one; ``names`` are the images', for messages.
        Raises `DeclarationError` where images end in different sizes.
        """
        prepared = [self._one(image) for image in images]
        sizes = sorted({image.shape[:2] for image in prepared})
        if len(sizes) > 1:
            raise DeclarationError(
                f"images end in {len(sizes)} different sizes ({sizes[0]}, {sizes[1]}, ...)",
                cause="a batch needs one",
                remedy="give the preprocessing a crop, or a resize to height and width",
            )
        batch = np.stack(prepared)
        if (self.layout or layout) == "NCHW":
            batch = batch.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(batch)

    def _one(self, image: NDArray[np.uint8]) -> NDArray[Any]:
        resized = _resized(image, self.resize, self.filter)
        cropped = _cropped(resized, self.crop)
        pixels = self._ordered(cropped)
        plain = self.scale == 1.0 and not any(self.mean) and all(value == 1.0 for value in self.std)
        if plain and np.dtype(self.dtype) == np.uint8:
            return pixels
        mean, std = (np.asarray(self._of_channels(each), dtype=np.float32) for each in (self.mean, self.std))
        values: NDArray[Any] = (pixels.astype(np.float32) * np.float32(self.scale) - mean) / std
        if np.dtype(self.dtype).kind in "iu":
            limits = np.iinfo(self.dtype)
            values = np.clip(np.rint(values), limits.min, limits.max)
        return values.astype(self.dtype)

    def _ordered(self, pixels: NDArray[Any]) -> NDArray[Any]:
        if self.channels == GRAY:
            return _gray(pixels)
        return pixels[:, :, ::-1] if self.channels == "BGR" else pixels

    def _of_channels(self, values: tuple[float, ...]) -> tuple[float, ...]:
        """One number for each channel that comes out."""
        if self.channels == GRAY:
            return (sum(values) / len(values),)
        return values * 3 if len(values) == 1 else values


NAMED = {
    "imagenet": Preprocess.imagenet,
    "inception": Preprocess.inception,
    "caffe": Preprocess.caffe,
    "raw": Preprocess.raw,
    "unit": Preprocess.unit,
}
"""Preprocessings that have a name on the command line."""


def _one_of(name: str, value: object, valid: Sequence[object]) -> None:
    if value not in valid:
        raise DeclarationError(
            f"preprocess {name}={value!r}", cause=f"it is one of {', '.join(str(item) for item in valid)}"
        )


def _resize_text(size: Size | None, resampling: str) -> str:
    if size is None:
        return ""
    sides = f"shorter side to {size}" if isinstance(size, int) else f"to {size[0]}×{size[1]}"
    return f"resize {sides} ({resampling})"


def _numbers(values: Sequence[float]) -> str:
    shown = [f"{value:.6g}" for value in values]
    return shown[0] if len(set(shown)) == 1 else f"({', '.join(shown)})"


def _is_sequence(value: object, length: int) -> TypeGuard[Sequence[object]]:
    return isinstance(value, (tuple, list)) and len(value) == length


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _check_size(name: str, size: object) -> None:
    sides = size if _is_sequence(size, 2) else (size,)
    if not all(isinstance(side, int) and side > 0 for side in sides):
        raise DeclarationError(
            f"preprocess {name}={size!r}", cause="a size is a positive integer, or a pair of them: height and width"
        )


def _resized(image: NDArray[np.uint8], size: Size | None, resampling: str) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    if size is None:
        return image
    if isinstance(size, int):
        shorter = min(height, width)
        target = (round(height * size / shorter), round(width * size / shorter))
    else:
        target = size
    if target == (height, width):
        return image
    from PIL import Image

    picture = Image.fromarray(image).resize((target[1], target[0]), Image.Resampling[resampling.upper()])
    return np.asarray(picture, dtype=np.uint8)


def _gray(pixels: NDArray[Any]) -> NDArray[Any]:
    """One channel: the luma of ITU-R 601, as most readers make it. What has one channel stays as it is."""
    if pixels.shape[-1] == 1:
        return pixels
    from PIL import Image

    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).convert("L"))[:, :, np.newaxis]


def _cropped(image: NDArray[np.uint8], size: Size | None) -> NDArray[np.uint8]:
    if size is None:
        return image
    crop_height, crop_width = (size, size) if isinstance(size, int) else size
    height, width = image.shape[:2]
    if height < crop_height or width < crop_width:
        raise DeclarationError(
            f"an image of {height} × {width} is smaller than the crop of {crop_height} × {crop_width}",
            remedy="add a resize that is at least as large",
        )
    top, left = (height - crop_height) // 2, (width - crop_width) // 2
    return image[top : top + crop_height, left : left + crop_width]
