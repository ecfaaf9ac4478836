"""Seeded faults of inputs: a model's own inputs, fed as a broken pipeline would feed them.

Inputs on which such a fault changes no label cannot tell a broken model from a sound one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.models.callables import FunctionPreprocess, Preprocessing
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.models.preprocess import GRAY, Layout, Preprocess

BGR, HEIGHT_WIDTH, LAYOUT = "bgr", "height-width", "layout"
SCALED_TWICE, NOT_NORMALIZED = "scaled-twice", "not-normalized"
INPUT_FAULTS = (BGR, HEIGHT_WIDTH, LAYOUT, SCALED_TWICE, NOT_NORMALIZED)

COLORS = 3
MOST_CHANNELS = 4
"""An axis longer than this is taken for height or width."""

CHANNEL_AXIS: dict[Layout, int] = {"NCHW": 1, "NHWC": 3}


def faulty_batches(
    inputs: LoadedInputs, preprocess: Preprocessing | None, layout: Layout, names: Sequence[str] = INPUT_FAULTS
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Each fault's name and its batch, of the shape and dtype that `LoadedInputs.batch` gives, one at a time.

    - ``bgr``: the color channels in reverse order, before they are normalized where a preprocessing is declared.
    - ``height-width``: both axes swapped. Where they differ in length, the memory is read in the shape that it had.
    - ``layout``: channels last taken for channels first, or the other way round: memory read in the wrong layout.
    - ``scaled-twice``: pixels that were scaled and normalized are so once more.
    - ``not-normalized``: mean and standard deviation left out.

    A fault that cannot be made of these inputs (no image axes, no declared preprocessing), or leaves the batch
    bit-identical, is left out. ``names`` are the faults to make, of `INPUT_FAULTS`.
    """
    batch = inputs.batch(preprocess, layout)
    axis = _channel_axis(batch, (preprocess.layout if preprocess else None) or inputs.layout or layout)
    makers: dict[str, Callable[[], NDArray[Any] | None]] = {
        BGR: lambda: _bgr(inputs, batch, preprocess, layout, axis),
        HEIGHT_WIDTH: lambda: _height_width(batch, axis),
        LAYOUT: lambda: _mistaken_layout(batch, axis),
        SCALED_TWICE: lambda: _scaled_twice(inputs, batch, preprocess, axis),
        NOT_NORMALIZED: lambda: _not_normalized(inputs, preprocess, layout),
    }
    for name in names:
        faulty = makers[name]()
        if faulty is not None and not _same_bits(faulty, batch):
            yield name, faulty


def part_of(inputs: LoadedInputs, places: Sequence[int]) -> LoadedInputs:
    """The inputs at these places, in that order."""
    return LoadedInputs(
        tuple(inputs.names[place] for place in places),
        images=None if inputs.images is None else tuple(inputs.images[place] for place in places),
        array=None if inputs.array is None else inputs.array[list(places)],
        layout=inputs.layout,
    )


def _channel_axis(batch: NDArray[Any], layout: Layout) -> int | None:
    """Where the channels of a batch of images are; ``None`` where it holds none.

    An array is fed as it is where it does not say how it is laid out: its shape tells then.
    """
    if batch.ndim != 4:
        return None
    expected = CHANNEL_AXIS[layout]
    candidates = (expected, *(axis for axis in CHANNEL_AXIS.values() if axis != expected))
    return next((axis for axis in candidates if batch.shape[axis] <= MOST_CHANNELS), None)


def _bgr(
    inputs: LoadedInputs, batch: NDArray[Any], preprocess: Preprocessing | None, layout: Layout, axis: int | None
) -> NDArray[Any] | None:
    if inputs.images is not None and isinstance(preprocess, FunctionPreprocess):
        return replace(inputs, images=tuple(image[..., ::-1] for image in inputs.images)).batch(preprocess, layout)
    if inputs.images is not None and isinstance(preprocess, Preprocess):
        if preprocess.channels == GRAY:
            return None
        # the mean stays with its place: it is the picture that comes in the wrong order
        return inputs.batch(replace(preprocess, channels="RGB" if preprocess.channels == "BGR" else "BGR"), layout)
    if axis is None or batch.shape[axis] != COLORS:
        return None
    return np.ascontiguousarray(np.flip(batch, axis))


def _height_width(batch: NDArray[Any], axis: int | None) -> NDArray[Any] | None:
    if axis is None:
        return None
    height = 2 if axis == CHANNEL_AXIS["NCHW"] else 1
    return np.ascontiguousarray(batch.swapaxes(height, height + 1)).reshape(batch.shape)


def _mistaken_layout(batch: NDArray[Any], axis: int | None) -> NDArray[Any] | None:
    if axis is None:
        return None
    order = (0, 2, 3, 1) if axis == CHANNEL_AXIS["NCHW"] else (0, 3, 1, 2)
    return np.ascontiguousarray(batch.transpose(order)).reshape(batch.shape)


def _scaled_twice(
    inputs: LoadedInputs, batch: NDArray[Any], preprocess: Preprocessing | None, axis: int | None
) -> NDArray[Any] | None:
    if inputs.images is None or not isinstance(preprocess, Preprocess) or axis is None:
        return None
    channels: Literal["RGB", "gray"] = GRAY if preprocess.channels == GRAY else "RGB"  # they are in order already
    arithmetic = replace(preprocess, resize=None, crop=None, channels=channels)
    done = batch if axis == CHANNEL_AXIS["NHWC"] else batch.transpose(0, 2, 3, 1)
    return arithmetic.apply(cast("list[NDArray[np.uint8]]", list(done)), layout=_layout_of(axis))


def _not_normalized(inputs: LoadedInputs, preprocess: Preprocessing | None, layout: Layout) -> NDArray[Any] | None:
    if inputs.images is None or not isinstance(preprocess, Preprocess):
        return None
    return inputs.batch(replace(preprocess, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)), layout)


def _layout_of(axis: int) -> Layout:
    return "NCHW" if axis == CHANNEL_AXIS["NCHW"] else "NHWC"


def _same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two contiguous arrays are the same, NaN included."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return np.array_equal(one.reshape(-1).view(np.uint8), other.reshape(-1).view(np.uint8))
