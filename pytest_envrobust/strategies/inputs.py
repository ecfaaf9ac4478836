"""Strategies for what goes into a classifier: images, perturbed pictures, batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.models.faults import part_of
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.strategies.changes import SEEDS, Changes, remember
from pytest_envrobust.strategies.installed import check_hypothesis
from pytest_envrobust.strategies.perturbation import Perturbation, PerturbedImage, check_image

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

Batch = TypeVar("Batch", LoadedInputs, NDArray[Any])
Strength = float | tuple[float, float]
"""The largest strength, or the smallest and the largest."""

STEPS = 64
"""Into so many steps a strength is divided: enough to be smooth, few enough to be found and to read well."""
PATCHES = 4
"""An image has at most so many patches of color a side."""


def images(
    shape: tuple[int, int] = (224, 224),
    dtype: str = "uint8",
    layout: Literal["HWC", "CHW", "NHWC", "NCHW"] = "HWC",
) -> SearchStrategy[NDArray[Any]]:
    """Pictures of patches of color with noise on them, of ``shape`` (height, width), with three channels.

    ``layout`` is that of the array; with N it has a first axis of length 1. uint8 values reach from 0 to 255, those of
    a floating ``dtype`` from 0 to 1. Shrinks to black. Raises `DeclarationError` for another dtype or layout.
    """
    check_hypothesis()
    from hypothesis import strategies as st

    if dtype != "uint8" and dtype not in ("float16", "float32", "float64"):
        raise DeclarationError(f"images of dtype {dtype!r}", cause="it is uint8, float16, float32 or float64")
    if layout not in ("HWC", "CHW", "NHWC", "NCHW"):
        raise DeclarationError(f"images in layout {layout!r}", cause="it is HWC, CHW, NHWC or NCHW")
    color = st.tuples(*[st.integers(0, 255)] * 3)

    @st.composite
    def image(draw: DrawFn) -> NDArray[Any]:
        rows, columns = draw(st.integers(1, PATCHES)), draw(st.integers(1, PATCHES))
        patches = draw(st.lists(color, min_size=rows * columns, max_size=rows * columns))
        grain, seed = draw(st.integers(0, STEPS)), draw(st.integers(0, 2**16))
        return _picture(
            np.array(patches, dtype=np.float64).reshape(rows, columns, 3), grain, seed, shape, dtype, layout
        )

    return image()


def perturbed(
    image: NDArray[np.uint8],
    *,
    brightness: Strength = 0.0,
    contrast: Strength = 0.0,
    noise: Strength = 0.0,
    shift: Strength = 0,
    rotate: Strength = 0.0,
    blur: Strength = 0.0,
    jpeg: Strength = 0,
) -> SearchStrategy[PerturbedImage]:
    """A picture, uint8 of shape (height, width, 3), changed a little: up to these strengths, see `Perturbation`.

    A number is the largest strength: brightness, contrast, shift and rotation then go both ways, up to it. A pair is
    the range itself. Shrinks to no change. Raises `DeclarationError` for what is no picture, or no strength.
    """
    check_image(image)
    check_hypothesis()
    from hypothesis import strategies as st

    sided = {"contrast": contrast, "brightness": brightness, "rotate": rotate}
    kinds: dict[str, SearchStrategy[Any]] = {
        "shift": _whole("shift", shift, both_ways=True),
        "shift_down": _whole("shift", shift, both_ways=True),
        **{name: _strength(name, strength, both_ways=True) for name, strength in sided.items()},
        "blur": _strength("blur", blur),
        "noise": _strength("noise", noise),
        "noise_seed": st.integers(0, SEEDS if _range("noise", noise)[1] else 0),
        "jpeg": _whole("jpeg", jpeg, most=99),
    }
    ranges = {name: _range(name, strength, both_ways=True) for name, strength in sided.items()}
    ranges |= {name: _range(name, shift, both_ways=True) for name in ("shift", "shift_down")}
    ranges |= {name: _range(name, strength) for name, strength in (("blur", blur), ("noise", noise), ("jpeg", jpeg))}
    strategy = st.builds(Perturbation, **kinds).map(lambda found: PerturbedImage(found.apply(image), found))
    remember(strategy, Changes.of(image, ranges))
    return strategy


def batches(inputs: Batch, max_size: int | None = None) -> SearchStrategy[Batch]:
    """Some of the inputs in any order, any of them several times: `LoadedInputs`, or an array of shape (N, ...).

    At least one and at most ``max_size``, by default as many as there are. Shrinks to the first alone. Raises
    `DeclarationError` where there are none.
    """
    check_hypothesis()
    from hypothesis import strategies as st

    count = len(inputs)
    if not count:
        raise DeclarationError("batches of no inputs", remedy="give at least one input")
    places = st.lists(st.integers(0, count - 1), min_size=1, max_size=max_size or count)
    some: Callable[[list[int]], Any] = (
        partial(part_of, inputs) if isinstance(inputs, LoadedInputs) else lambda chosen: inputs[chosen]
    )
    return places.map(some)


def _picture(
    patches: NDArray[np.float64], grain: int, seed: int, shape: tuple[int, int], dtype: str, layout: str
) -> NDArray[Any]:
    height, width = shape
    rows = np.arange(height) * patches.shape[0] // height
    columns = np.arange(width) * patches.shape[1] // width
    pixels = patches[rows][:, columns]
    if grain:
        pixels = pixels + grain * np.random.default_rng(seed).standard_normal(pixels.shape)
    pixels = np.clip(np.rint(pixels), 0, 255)
    found: NDArray[Any] = pixels.astype(np.uint8) if dtype == "uint8" else (pixels / 255).astype(dtype)
    found = np.ascontiguousarray(found.transpose(2, 0, 1) if layout.endswith("CHW") else found)
    return found[None] if layout.startswith("N") else found


def _strength(name: str, given: Strength, *, both_ways: bool = False) -> SearchStrategy[float]:
    """Strengths in even steps; of a range with 0 in it, 0 is among them and what is shrunk to."""
    low, high = _range(name, given, both_ways=both_ways)
    step = max(abs(low), abs(high)) / STEPS or 1.0
    return _or_none(round(low / step), round(high / step)).map(lambda steps: float(f"{steps * step:.6g}"))


def _whole(name: str, given: Strength, *, both_ways: bool = False, most: int | None = None) -> SearchStrategy[int]:
    low, high = _range(name, given, both_ways=both_ways)
    if low != int(low) or high != int(high) or (most is not None and high > most):
        limit = "" if most is None else f", at most {most}"
        raise DeclarationError(f"{name}={given!r}", cause=f"it is a whole number{limit}, or a pair of them")
    return _or_none(int(low), int(high))


def _or_none(fewest: int, most: int) -> SearchStrategy[int]:
    """Whole numbers of a range. A 0 in it is a choice of its own that draws no number.

    So what changes less, the shorter example, is smaller to Hypothesis than what changes more kinds by less each.
    """
    from hypothesis import strategies as st

    numbers = st.integers(fewest, most)
    return st.just(0) | numbers if fewest <= 0 <= most else numbers


def _range(name: str, given: Strength, *, both_ways: bool = False) -> tuple[float, float]:
    try:
        low, high = given if isinstance(given, tuple) else (-given if both_ways else 0.0, given)
        ordered = low <= high and np.isfinite([low, high]).all() and (both_ways or low >= 0)
    except (TypeError, ValueError):
        ordered = False
    if not ordered:
        raise DeclarationError(f"{name}={given!r}", cause="it is the largest strength, or a pair: smallest and largest")
    return low, high
