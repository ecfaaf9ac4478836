"""A preprocessing of the user's own: a function from an image to the array that the source takes."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.models.preprocess import Layout, Preprocess


@dataclass(frozen=True)
class FunctionPreprocess:
    """How a source's batch is made by a function: RGB uint8 image, (height, width, 3), in, array out.

    What it returns for an image is fed as it is, stacked; float64, numpy's own default, becomes float32. Channels are
    moved to where the source's input has them.
    """

    function: Callable[[NDArray[np.uint8]], Any]
    layout: Layout | None = None

    def __str__(self) -> str:
        """Where the function comes from, and a digest of its code."""
        function = self.function
        named = function if hasattr(function, "__qualname__") else type(function)
        text = f"{named.__module__}:{named.__qualname__}"
        try:
            code = inspect.getsource(named)
        except (OSError, TypeError):
            return text
        return f"{text} (code {hashlib.sha256(code.encode()).hexdigest()[:12]})"

    def apply(self, images: Sequence[NDArray[np.uint8]], *, layout: Layout, names: Sequence[str] = ()) -> NDArray[Any]:
        """Batch of shape (N, ...) from N images of shape (h, w, 3).

        Raises `DeclarationError`, with the image's name, where the function raises, gives no numbers or arrays of
        different shapes.
        """
        prepared: list[NDArray[Any]] = []
        for place, image in enumerate(images):
            name = names[place] if place < len(names) else str(place)
            one = self._one(image, name)
            if prepared and one.shape != prepared[0].shape:
                first = names[0] if names else "0"
                raise DeclarationError(
                    f"preprocessing {self} gives an array of shape {one.shape} for {name}",
                    cause=f"for {first} it gave {prepared[0].shape}, and a batch needs one shape",
                    remedy="resize or crop in it to one size",
                )
            prepared.append(one)
        return np.ascontiguousarray(np.stack(prepared))

    def _one(self, image: NDArray[np.uint8], name: str) -> NDArray[Any]:
        try:
            array = np.asarray(self.function(image.copy()))
        except Exception as error:
            raise DeclarationError(
                f"preprocessing {self} fails for {name}",
                cause=f"{type(error).__name__}: {error}",
                remedy="it is called with an RGB uint8 array, height × width × 3, and returns an array",
            ) from error
        if array.dtype.kind not in "fiub" or not array.ndim:
            raise DeclarationError(
                f"preprocessing {self} gives no array of numbers for {name}",
                cause=f"dtype {array.dtype}, shape {array.shape}",
                remedy="return the array that the source takes, without the batch dimension",
            )
        return array.astype(np.float32) if array.dtype == np.float64 else array


Preprocessing = Preprocess | FunctionPreprocess
PreprocessLike = Preprocess | FunctionPreprocess | Callable[[NDArray[np.uint8]], Any]
"""What users may declare."""


def declared_preprocess(value: object) -> Preprocessing | None:
    """What a declaration gives as its preprocessing. Raises `DeclarationError` for what is none."""
    if value is None or isinstance(value, (Preprocess, FunctionPreprocess)):
        return value
    if callable(value) and not inspect.isclass(value):
        return FunctionPreprocess(value)
    raise DeclarationError(
        f"preprocess={value!r}",
        cause="it is an er.Preprocess, or a function from an image to an array",
        remedy="er.Preprocess.imagenet(size=224), for instance",
    )
