"""From decoded photographs to the batch that a source takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeGuard

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError

Layout = Literal["NCHW", "NHWC"]
Size = int | tuple[int, int]

FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")


@dataclass(frozen=True)
class Preprocess:
    """How a source's batch is made from RGB uint8 images, height × width × 3.

    In this order: ``resize`` with ``filter`` (an integer is the length of the shorter side, a pair is height and
    width), center ``crop`` to height and width, ``channels`` order, ``(pixel * scale - mean) / std`` per channel in
    that order, ``dtype``, ``layout``. A layout of ``None`` is the source's framework's usual one.

    Raises `DeclarationError` for a value that makes no sense.
    """

    resize: Size | None = None
    crop: Size | None = None
    filter: str = "bilinear"
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    channels: Literal["RGB", "BGR"] = "RGB"
    layout: Layout | None = None
    dtype: str = "float32"

    def __post_init__(self) -> None:
        _one_of("filter", self.filter, FILTERS)
        _one_of("channels", self.channels, ("RGB", "BGR"))
        _one_of("layout", self.layout, (None, "NCHW", "NHWC"))
        _one_of("dtype", self.dtype, ("float32", "float16", "uint8", "int8"))
        for name in ("resize", "crop"):
            if (size := getattr(self, name)) is not None:
                _check_size(name, size)
        for name in ("mean", "std"):
            values = getattr(self, name)
            if not _is_sequence(values, 3) or not all(_is_number(value) for value in values):
                raise DeclarationError(f"preprocess {name}={values!r}", cause="three numbers are needed, one a channel")
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
            f"- {_numbers(self.mean)}" if any(self.mean) else "",
            f"/ {_numbers(self.std)}" if any(value != 1.0 for value in self.std) else "",
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
        """Center crop and nothing else: values from 0 to 255. With ``dtype="uint8"`` for quantized inputs."""
        return replace(cls(resize=round(size * 8 / 7), crop=size), **changes)

    def apply(self, images: Sequence[NDArray[np.uint8]], *, layout: Layout) -> NDArray[Any]:
        """Batch of shape (N, 3, H, W) or (N, H, W, 3) and `dtype` from N images of shape (h, w, 3).

        ``layout`` is used where the preprocessing does not declare one. Raises `DeclarationError` where images end
        in different sizes.
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
        pixels = cropped[:, :, ::-1] if self.channels == "BGR" else cropped
        plain = self.scale == 1.0 and not any(self.mean) and all(value == 1.0 for value in self.std)
        if plain and np.dtype(self.dtype) == np.uint8:
            return pixels
        mean, std = np.asarray(self.mean, dtype=np.float32), np.asarray(self.std, dtype=np.float32)
        values: NDArray[Any] = (pixels.astype(np.float32) * np.float32(self.scale) - mean) / std
        if np.dtype(self.dtype).kind in "iu":
            limits = np.iinfo(self.dtype)
            values = np.clip(np.rint(values), limits.min, limits.max)
        return values.astype(self.dtype)


NAMED = {
    "imagenet": Preprocess.imagenet,
    "inception": Preprocess.inception,
    "caffe": Preprocess.caffe,
    "raw": Preprocess.raw,
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
