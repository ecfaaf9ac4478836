"""Seeded faults of inputs: a model's own inputs, fed as a broken pipeline would feed them.

Inputs on which such a fault changes no label cannot tell a broken model from a sound one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.faults import INPUTS, Fault, faults
from pytest_envrobust.models.callables import FunctionPreprocess, Preprocessing
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.models.preprocess import GRAY, Layout, Preprocess

COLORS = 3
MOST_CHANNELS = 4
"""An axis longer than this is taken for height or width."""

TWICE = 2.0
"""The strength of a scale that is applied twice."""

CHANNEL_AXIS: dict[Layout, int] = {"NCHW": 1, "NHWC": 3}


def faulty_batches(
    inputs: LoadedInputs,
    preprocess: Preprocessing | None,
    layout: Layout,
    asked: Sequence[Fault] = faults(INPUTS),
) -> Iterator[tuple[Fault, NDArray[Any]]]:
    """Each fault and its batch, of the shape and dtype that `LoadedInputs.batch` gives, one at a time.

    - ``colors``: the color channels in reverse order, or mixed with that by a share, before they are normalized where a
      preprocessing is declared.
    - ``layout``: both axes swapped (where they differ in length, the memory is read in the shape that it had); or
      channels last taken for channels first, or the other way round: memory read in the wrong layout.
    - ``normalization``: mean and standard deviation left out, or a share of them.
    - ``scale``: all values made smaller, or pixels that were scaled and normalized are so once more.
    - ``filter``: pictures resized with another filter than the declared one.
    - ``squash``: pictures pressed into the size where they are to be cropped, or cropped where they are to be pressed.
    - ``crop``: pictures resized to a greater size before they are cropped, so that less of them is seen.
    - ``shift``: pixels moved to the right and down, those at the edge repeated.
    - ``mirrored``: left and right exchanged.

    A fault that cannot be made of these inputs (no image axes, no declared preprocessing), or leaves the batch
    bit-identical, is left out. ``asked`` are the faults to make.
    """
    pipeline = Pipeline(inputs, preprocess, layout)
    for fault in asked:
        faulty = pipeline.broken(fault)
        if faulty is not None:
            yield fault, faulty


def part_of(inputs: LoadedInputs, places: Sequence[int]) -> LoadedInputs:
    """The inputs at these places, in that order."""
    return LoadedInputs(
        tuple(inputs.names[place] for place in places),
        images=None if inputs.images is None else tuple(inputs.images[place] for place in places),
        array=None if inputs.array is None else inputs.array[list(places)],
        layout=inputs.layout,
    )


class Pipeline:
    """Inputs, how they are prepared, and the batch that comes of it when nothing is wrong."""

    def __init__(self, inputs: LoadedInputs, preprocess: Preprocessing | None, layout: Layout) -> None:
        self.inputs, self.preprocess, self.layout = inputs, preprocess, layout
        self.batch = inputs.batch(preprocess, layout)
        self.axis = _channel_axis(self.batch, (preprocess.layout if preprocess else None) or inputs.layout or layout)

    def broken(self, fault: Fault) -> NDArray[Any] | None:
        """The batch with a fault; ``None`` where it cannot be made, or changes no bit."""
        faulty = _MAKERS[fault.kind](self, fault.strength)
        return None if faulty is None or _same_bits(faulty, self.batch) else faulty

    @property
    def declared(self) -> Preprocess | None:
        """The declared preprocessing of pictures; ``None`` for a function, and for ready arrays."""
        pictures = self.inputs.images is not None and isinstance(self.preprocess, Preprocess)
        return cast(Preprocess, self.preprocess) if pictures else None

    @property
    def height_axis(self) -> int | None:
        """Where the rows are; the columns come behind them."""
        return None if self.axis is None else (2 if self.axis == CHANNEL_AXIS["NCHW"] else 1)

    def prepared(self, preprocess: Preprocess) -> NDArray[Any] | None:
        """The batch with another preprocessing; ``None`` where it is of another shape."""
        made = self.inputs.batch(preprocess, self.layout)
        return made if made.shape == self.batch.shape else None

    def resized(self, size: Callable[[tuple[int, int]], tuple[int, int]]) -> NDArray[Any] | None:
        """The batch with each picture resized to what ``size`` makes of its height and width, then cropped as ever."""
        declared, images = self.declared, self.inputs.images
        if declared is None or declared.resize is None or images is None or self.height_axis is None:
            return None
        height, width = self.batch.shape[self.height_axis], self.batch.shape[self.height_axis + 1]
        made = []
        for image in images:
            target = size((image.shape[0], image.shape[1]))
            enough = (max(height, target[0]), max(width, target[1]))
            made.append(replace(declared, resize=enough, crop=(height, width)).apply([image], layout=self.layout))
        return np.concatenate(made)


def _channel_axis(batch: NDArray[Any], layout: Layout) -> int | None:
    """Where the channels of a batch of images are; ``None`` where it holds none.

    An array is fed as it is where it does not say how it is laid out: its shape tells then.
    """
    if batch.ndim != 4:
        return None
    expected = CHANNEL_AXIS[layout]
    candidates = (expected, *(axis for axis in CHANNEL_AXIS.values() if axis != expected))
    return next((axis for axis in candidates if batch.shape[axis] <= MOST_CHANNELS), None)


def _colors(pipeline: Pipeline, strength: float) -> NDArray[Any] | None:
    inputs, preprocess, axis = pipeline.inputs, pipeline.preprocess, pipeline.axis
    declared = pipeline.declared
    if declared is not None and declared.channels == GRAY:
        return None
    if inputs.images is not None and (declared is not None or isinstance(preprocess, FunctionPreprocess)):
        # the mean stays with its place: it is the picture that comes in the wrong order
        mixed = tuple(_mixed_colors(image, strength, 2) for image in inputs.images)
        return replace(inputs, images=mixed).batch(preprocess, pipeline.layout)
    if axis is None or pipeline.batch.shape[axis] != COLORS:
        return None
    return np.ascontiguousarray(_mixed_colors(pipeline.batch, strength, axis))


def _mixed_colors(values: NDArray[Any], share: float, axis: int) -> NDArray[Any]:
    """A share of the channels in reverse order, the rest as they are."""
    reverse = np.flip(values, axis)
    if share == 1.0:
        return reverse
    mixed = (1 - share) * values.astype(np.float32) + share * reverse.astype(np.float32)
    return (mixed if values.dtype.kind == "f" else np.rint(mixed)).astype(values.dtype)


def _layout(pipeline: Pipeline, strength: float) -> NDArray[Any] | None:
    height, batch = pipeline.height_axis, pipeline.batch
    if height is None:
        return None
    if strength == 1.0:
        return np.ascontiguousarray(batch.swapaxes(height, height + 1)).reshape(batch.shape)
    order = (0, 2, 3, 1) if pipeline.axis == CHANNEL_AXIS["NCHW"] else (0, 3, 1, 2)
    return np.ascontiguousarray(batch.transpose(order)).reshape(batch.shape)


def _scaled_twice(pipeline: Pipeline) -> NDArray[Any] | None:
    declared, axis = pipeline.declared, pipeline.axis
    if declared is None or axis is None:
        return None
    channels: Literal["RGB", "gray"] = GRAY if declared.channels == GRAY else "RGB"  # they are in order already
    arithmetic = replace(declared, resize=None, crop=None, channels=channels)
    done = pipeline.batch if axis == CHANNEL_AXIS["NHWC"] else pipeline.batch.transpose(0, 2, 3, 1)
    return arithmetic.apply(cast("list[NDArray[np.uint8]]", list(done)), layout=_layout_of(axis))


def _normalization(pipeline: Pipeline, strength: float) -> NDArray[Any] | None:
    declared = pipeline.declared
    if declared is None:
        return None
    mean = tuple((1 - strength) * value for value in declared.mean)
    std = tuple((1 - strength) * value + strength for value in declared.std)
    return pipeline.prepared(replace(declared, mean=mean, std=std)) if all(std) else None


def _filter(pipeline: Pipeline, strength: float) -> NDArray[Any] | None:
    declared = pipeline.declared
    if declared is None:
        return None
    smooth = "bicubic" if declared.filter == "bilinear" else "bilinear"
    return pipeline.prepared(replace(declared, filter=smooth if strength < 2 else "nearest"))


def _squash(pipeline: Pipeline, strength: float) -> NDArray[Any] | None:
    declared, axis = pipeline.declared, pipeline.height_axis
    if declared is None or declared.resize is None or axis is None:
        return None
    pressed = (pipeline.batch.shape[axis], pipeline.batch.shape[axis + 1])

    def size(picture: tuple[int, int]) -> tuple[int, int]:
        assert declared is not None
        asked, other = _resize_target(picture, declared.resize), pressed
        if not isinstance(declared.resize, int):
            whole = max(pressed[0] / picture[0], pressed[1] / picture[1])
            other = (round(picture[0] * whole), round(picture[1] * whole))
        height, width = (round(a ** (1 - strength) * b**strength) for a, b in zip(asked, other))
        return height, width

    return pipeline.resized(size)


def _crop(pipeline: Pipeline, strength: float) -> NDArray[Any] | None:
    declared = pipeline.declared
    if declared is None:
        return None

    def size(picture: tuple[int, int]) -> tuple[int, int]:
        assert declared is not None
        height, width = _resize_target(picture, declared.resize)
        return round(height * (1 + strength)), round(width * (1 + strength))

    return pipeline.resized(size)


def _resize_target(picture: tuple[int, int], resize: Any) -> tuple[int, int]:
    """Height and width that a picture is resized to."""
    if isinstance(resize, int):
        shorter = min(picture)
        return round(picture[0] * resize / shorter), round(picture[1] * resize / shorter)
    return resize[0], resize[1]


def _shift(pipeline: Pipeline, strength: float) -> NDArray[Any] | None:
    height, batch, by = pipeline.height_axis, pipeline.batch, int(strength)
    if height is None or by >= min(batch.shape[height], batch.shape[height + 1]):
        return None
    moved = batch
    for axis in (height, height + 1):
        places = np.maximum(np.arange(batch.shape[axis]) - by, 0)
        moved = moved.take(places, axis)
    return np.ascontiguousarray(moved)


def _mirrored(pipeline: Pipeline, strength: float) -> NDArray[Any] | None:
    height = pipeline.height_axis
    return None if height is None else np.ascontiguousarray(np.flip(pipeline.batch, height + 1))


def _scale(pipeline: Pipeline, strength: float) -> NDArray[Any] | None:
    if strength == TWICE:
        return _scaled_twice(pipeline)
    if pipeline.batch.dtype.kind == "f":
        return (pipeline.batch / (1 + strength)).astype(pipeline.batch.dtype)
    declared = pipeline.declared
    return None if declared is None else pipeline.prepared(replace(declared, scale=declared.scale / (1 + strength)))


_MAKERS: dict[str, Callable[[Pipeline, float], NDArray[Any] | None]] = {
    "colors": _colors,
    "layout": _layout,
    "normalization": _normalization,
    "scale": _scale,
    "filter": _filter,
    "squash": _squash,
    "crop": _crop,
    "shift": _shift,
    "mirrored": _mirrored,
}


def _layout_of(axis: int) -> Layout:
    return "NCHW" if axis == CHANNEL_AXIS["NCHW"] else "NHWC"


def _same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two contiguous arrays are the same, NaN included."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return np.array_equal(one.reshape(-1).view(np.uint8), other.reshape(-1).view(np.uint8))
