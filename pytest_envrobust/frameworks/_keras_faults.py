"""Seeded faults of a keras model: of its weights and layers, in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.faults import Fault
from pytest_envrobust.frameworks._weight_faults import Weight, broken_weights, cannot_be_made, some_of

_Change = Callable[[], Callable[[], None]]
"""Changes a layer, and gives what undoes it."""


@contextmanager
def broken_layers(model: Any, layers: Sequence[Any], fault: Fault) -> Iterator[None]:
    """Within it the fault is in the model, whose layers these are. Raises `Unavailable` where it cannot be made."""
    if fault.kind not in ("activation", "padding"):
        with broken_weights(list(_weights(model)), fault):
            yield
        return
    find = _other_activation if fault.kind == "activation" else _other_padding
    changes = [change for layer in layers if (change := find(layer)) is not None]
    if not changes:
        raise cannot_be_made(fault)
    undo = [changes[place]() for place in some_of(len(changes), fault)]
    try:
        yield
    finally:
        for back in undo:
            back()


def _weights(model: Any) -> Iterator[Weight]:
    """Kernels are (height, width, in, out), those of depthwise layers (height, width, out, 1)."""
    for variable in model.weights:
        if "float" not in str(variable.dtype):
            continue
        path = str(getattr(variable, "path", variable.name))

        def read(variable: Any = variable) -> NDArray[Any]:
            return np.array(variable)

        is_kernel = len(variable.shape) == 4
        out = (2 if "depthwise" in path else 3) if is_kernel else None
        spatial = (0, 1) if is_kernel else ()
        dimensions = len(variable.shape)
        yield Weight(read, variable.assign, dimensions, spatial, out, is_variance=path.endswith("moving_variance"))


def _set(owner: Any, name: str, value: Any) -> Callable[[], None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    return lambda: setattr(owner, name, before)


def _other_activation(layer: Any) -> _Change | None:
    """What gives a layer another activation than it has; ``None`` where it has none that another is mistaken for."""
    import keras

    if isinstance(layer, keras.layers.ReLU):
        if layer.negative_slope or layer.threshold:
            return None
        return lambda: _set(layer, "max_value", 6.0 if layer.max_value is None else None)
    activations = keras.activations
    mistaken = {
        activations.relu: activations.relu6,
        activations.relu6: activations.relu,
        activations.silu: activations.hard_silu,
        activations.hard_silu: activations.silu,
        activations.sigmoid: activations.hard_sigmoid,
        activations.hard_sigmoid: activations.sigmoid,
        activations.elu: activations.relu,
        activations.leaky_relu: activations.relu,
        activations.gelu: lambda value: activations.gelu(value, approximate=True),
    }
    own = getattr(layer, "activation", None)
    try:
        other = mistaken.get(own)
    except TypeError:  # not hashable
        return None
    return None if other is None else lambda: _set(layer, "activation", other)


def _other_padding(layer: Any) -> _Change | None:
    """What pads on the other side, or on both where keras pads at the end; ``None`` where that changes nothing."""
    import keras

    if isinstance(layer, keras.layers.ZeroPadding2D):
        swapped = tuple((after, before) for before, after in layer.padding)
        return None if swapped == tuple(map(tuple, layer.padding)) else lambda: _set(layer, "padding", swapped)
    is_convolution = isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D))
    if not is_convolution or layer.padding != "same" or max(layer.strides) == 1 or max(layer.kernel_size) == 1:
        return None
    if max(layer.dilation_rate) > 1 or layer.data_format != "channels_last":
        return None

    def change() -> Callable[[], None]:
        call = layer.call

        def padded(images: Any, *args: Any, **kwargs: Any) -> Any:
            sides = [[0, 0], *map(list, _swapped_sides(layer, images.shape)), [0, 0]]
            layer.padding = "valid"
            try:
                return call(keras.ops.pad(images, sides), *args, **kwargs)
            finally:
                layer.padding = "same"

        return _set(layer, "call", padded)

    return change


def _swapped_sides(layer: Any, shape: Sequence[int]) -> Iterator[tuple[int, int]]:
    """What stands before and behind each axis, the other way round; where keras pads evenly, one more before."""
    for size, stride, kernel in zip(shape[1:3], layer.strides, layer.kernel_size):
        whole = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        before = whole // 2
        yield (whole - before, before) if whole % 2 else (min(before + 1, whole), max(before - 1, 0))
