"""From a batch of real values to what a source's input takes: channels, integers by its own quantization.

A source's own quantizer rounds to the nearest, half to even, and saturates; so does this. What is lost is told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.tensors import Quantization, TensorSpec
from pytest_envrobust.models.callables import FunctionPreprocess, Preprocessing
from pytest_envrobust.models.image_axes import image_axes
from pytest_envrobust.models.preprocess import GRAY, NAMED, Layout, Preprocess

RELEVANT_SHARE = 0.01
"""From this share of clipped values on it is a notice; the range of a calibrated input leaves out a few."""
_FEWEST_LEVELS = 16
"""Fractions that rounding leaves on fewer integers than this are no picture any more."""

Range = tuple[float, float]


@dataclass(frozen=True)
class Fed:
    """A batch as the source takes it, and what was lost or assumed on the way, in sentences."""

    batch: NDArray[Any]
    notices: tuple[str, ...] = ()


def stored_range(dtype: str) -> Range:
    """The smallest and the largest integer of a dtype."""
    limits = np.iinfo(dtype)
    return float(limits.min), float(limits.max)


def real_range(spec: TensorSpec) -> Range:
    """The real values that a quantized input can hold."""
    assert spec.quantization is not None
    low, high = stored_range(spec.dtype)
    return spec.quantization.real(low), spec.quantization.real(high)


def overlap(one: Range, other: Range) -> float:
    """How well two ranges fit: what both have of what either has, 0 to 1."""
    both = min(one[1], other[1]) - max(one[0], other[0])
    either = max(one[1], other[1]) - min(one[0], other[0])
    return max(both, 0.0) / either if either > 0 else 0.0


def best_named(values: Range) -> tuple[str, float]:
    """The named preprocessing whose values fit that range best, and how well, 0 to 1."""
    fits = {name: overlap(named().range, values) for name, named in NAMED.items()}
    return max(fits.items(), key=lambda item: item[1])


def suited(preprocess: Preprocessing, spec: TensorSpec | None) -> Preprocessing:
    """The preprocessing as an input of that spec needs it.

    One channel is made where the input has one. An integer dtype for a quantized input is read as its stored
    integers or, where its values fit the real range better, as real values. Raises `DeclarationError` where rounding
    to an integer dtype leaves next to nothing of the pictures.
    """
    if spec is None or isinstance(preprocess, FunctionPreprocess):
        return preprocess
    axes = image_axes(spec)
    if axes is not None and axes.channels == 1 and preprocess.channels != GRAY:
        preprocess = replace(preprocess, channels=GRAY)
    if not _is_integer(preprocess.dtype):
        return replace(preprocess, dtype="float32") if spec.quantization is not None else preprocess
    if spec.quantization is not None and _is_real(preprocess, spec):
        return replace(preprocess, dtype="float32")
    low, high = preprocess.range
    if high - low < _FEWEST_LEVELS:
        raise DeclarationError(
            f"preprocess dtype={preprocess.dtype!r} for values from {low:.3g} to {high:.3g}",
            cause="rounded to integers, next to nothing of the pictures is left",
            remedy="leave the dtype out: a quantized input turns real values into its integers by its own scale",
        )
    return preprocess


def reading_of(preprocess: Preprocess, spec: TensorSpec) -> str:
    """How an integer dtype that was declared for a quantized input is read; empty where both readings are one."""
    if spec.quantization is None or not _is_integer(preprocess.dtype):
        return ""
    stored, real = stored_range(spec.dtype), real_range(spec)
    if overlap(stored, real) > 1 - RELEVANT_SHARE:
        return ""
    if _is_real(preprocess, spec):
        low, high = preprocess.range
        return f"the preprocessing's values, {low:.4g} to {high:.4g}, are taken as real values for {_described(spec)}"
    return (
        f"the preprocessing's {preprocess.dtype} values are fed as the input's own integers, which it reads as "
        f"{real[0]:.4g} to {real[1]:.4g}"
    )


def clipped_by_dtype(preprocess: Preprocess, real: NDArray[Any]) -> str:
    """What an integer dtype cuts off the values ``real`` that the preprocessing gives without it; empty if nothing."""
    low, high = stored_range(preprocess.dtype)
    share = float(np.mean((real < low - 0.5) | (real > high + 0.5)))
    if share < RELEVANT_SHARE:
        return ""
    return (
        f"{share:.0%} of the preprocessing's values lie outside {preprocess.dtype}, {low:.0f} to {high:.0f}, and are "
        "clipped to it: declare a scale or mean whose values fit"
    )


def fed(batch: NDArray[Any], spec: TensorSpec | None) -> Fed:
    """The batch, shape (N, ...), as an input of that spec takes it.

    Integers of the input's own dtype are fed as they are. Anything else is real values: quantized by the input's
    scale and zero point. An integer input without these takes whole numbers that it can hold. Raises
    `DeclarationError` for others, and for values that are not finite.
    """
    if spec is None:
        return Fed(batch)
    batch = _without_channel(batch, spec)
    if spec.dtype == "float64" and batch.dtype == np.float32:
        return Fed(batch.astype(np.float64))
    if not _is_integer(spec.dtype) or str(batch.dtype) == spec.dtype or batch.dtype.kind not in "fiu":
        return Fed(batch)
    if not np.isfinite(batch).all():
        raise DeclarationError(
            f"inputs for {_described(spec)}", cause="some of their values are not finite: no integer stands for them"
        )
    return _cast(batch, spec) if spec.quantization is None else _quantized(batch, spec, spec.quantization)


def turned(batch: NDArray[Any], spec: TensorSpec | None, usual: Layout) -> NDArray[Any]:
    """What a function made of images, shape (N, ...), with channels where the input has them.

    They are moved only where the input's shape, or without one its framework's usual layout, says that they stand on
    the other side.
    """
    if batch.ndim != 4 or (spec is not None and len(spec.shape) != 4):
        return batch
    axes = None if spec is None else image_axes(spec)
    wanted = axes.layout if axes is not None and axes.layout is not None else usual
    given = image_axes(TensorSpec(batch.shape))
    if given is None or given.layout == wanted:
        return batch
    return np.ascontiguousarray(batch.transpose((0, 3, 1, 2) if wanted == "NCHW" else (0, 2, 3, 1)))


def _quantized(batch: NDArray[Any], spec: TensorSpec, quantization: Quantization) -> Fed:
    low, high = stored_range(spec.dtype)
    steps = np.rint(batch.astype(np.float32) / np.float32(quantization.scale)) + np.float32(quantization.zero_point)
    share = float(np.mean((steps < low) | (steps > high))) if steps.size else 0.0
    stored = np.clip(steps, low, high).astype(spec.dtype)
    if share < RELEVANT_SHARE:
        return Fed(stored)
    holds, values = real_range(spec), (float(batch.min()), float(batch.max()))
    name, fit = best_named(holds)
    remedy = f": --envrobust-preprocess {name} gives values that fit" if fit > 0.5 else ""
    notice = (
        f"{share:.0%} of the values for its input {_described(spec)} are clipped: it holds {holds[0]:.4g} to "
        f"{holds[1]:.4g}, and they reach from {values[0]:.4g} to {values[1]:.4g}{remedy}"
    )
    return Fed(stored, (notice,))


def _cast(batch: NDArray[Any], spec: TensorSpec) -> Fed:
    low, high = stored_range(spec.dtype)
    smallest, largest = float(batch.min()), float(batch.max())
    if smallest < low or largest > high:
        lost = f"they reach from {smallest:.4g} to {largest:.4g}, and {spec.dtype} from {low:.0f} to {high:.0f}"
    elif batch.dtype.kind == "f" and not np.array_equal(batch, np.rint(batch)):
        lost = f"they have fractions ({smallest:.4g} to {largest:.4g})"
    else:
        return Fed(batch.astype(spec.dtype))
    raise DeclarationError(
        f"inputs for {_described(spec)}",
        cause=f"{lost}, and it says no scale and zero point that would make integers of them",
        remedy="--envrobust-preprocess raw gives whole numbers from 0 to 255; er.Preprocess(dtype=...) rounds",
    )


def _is_integer(dtype: str) -> bool:
    return dtype.startswith(("int", "uint"))


def _is_real(preprocess: Preprocess, spec: TensorSpec) -> bool:
    """Whether values of an integer dtype fit a quantized input's real range better than its stored integers."""
    values = preprocess.range
    fit = overlap(values, real_range(spec))
    if preprocess.dtype != spec.dtype:
        return fit >= 0.5  # they cannot be its own integers
    return fit > overlap(values, stored_range(spec.dtype))


def _described(spec: TensorSpec) -> str:
    return f"{spec} ({spec.quantization})" if spec.quantization is not None else str(spec)


def _without_channel(batch: NDArray[Any], spec: TensorSpec) -> NDArray[Any]:
    """Gray images without their one channel, where the input has no axis for it."""
    axes = image_axes(spec)
    if axes is None or axes.layout is not None or batch.ndim != len(spec.shape) + 1:
        return batch
    axis = next((axis for axis in (3, 1) if batch.shape[axis] == 1), None)
    return batch if axis is None else np.ascontiguousarray(batch.squeeze(axis))
