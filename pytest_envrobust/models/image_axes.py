"""What the shape of an input says of the images that it takes: layout, channels, size."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.models.preprocess import Layout

COLORS = 3
_MOST_CHANNELS = 4
"""An axis longer than this is taken for height or width."""


@dataclass(frozen=True)
class ImageAxes:
    """Layout (``None``: there is no axis for channels), how many channels, height and width (``None``: open)."""

    layout: Layout | None
    channels: int
    size: tuple[int, int] | None


def image_axes(spec: TensorSpec) -> ImageAxes | None:
    """The axes of an input of that spec; ``None`` where its shape does not tell them.

    An axis of 3 holds the channels, else one of 1, else one that is shorter than any picture. Of
    three axes none does: gray.
    """
    if len(spec.shape) == 3:
        _, height, width = spec.shape
        if any(side is not None and side <= _MOST_CHANNELS for side in (height, width)):
            return None
        return ImageAxes(None, 1, _size(height, width)) if height and width else None
    if len(spec.shape) != 4:
        return None
    _, first, second, last = spec.shape
    for fits in (_is_color, _is_gray, _is_short):
        if fits(first) and not fits(last):
            return ImageAxes("NCHW", first or 0, _size(second, last))
        if fits(last):
            return ImageAxes("NHWC", last or 0, _size(first, second))
    return None


def _is_color(side: int | None) -> bool:
    return side == COLORS


def _is_gray(side: int | None) -> bool:
    return side == 1


def _is_short(side: int | None) -> bool:
    return side is not None and side <= _MOST_CHANNELS


def _size(height: int | None, width: int | None) -> tuple[int, int] | None:
    return (height, width) if height and width else None
