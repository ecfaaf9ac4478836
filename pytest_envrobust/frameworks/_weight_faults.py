"""Seeded faults of a network's weights, made in numpy: the same ones in every framework."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import Unavailable
from pytest_envrobust.core.faults import LAYER, ONE, Fault


@dataclass(frozen=True)
class Weight:
    """A weight of a network: how it is read and written, and which of its axes are height, width and channels out.

    ``spatial`` is empty and ``out`` is ``None`` where the framework does not say.
    """

    read: Callable[[], NDArray[Any]]
    write: Callable[[NDArray[Any]], None]
    dimensions: int
    spatial: tuple[int, ...] = ()
    out: int | None = None
    is_variance: bool = False


@contextmanager
def broken_weights(weights: Sequence[Weight], fault: Fault) -> Iterator[None]:
    """Within it the weights are as the fault makes them. Raises `Unavailable` where there is none to change."""
    chosen = _chosen(weights, fault)
    if not chosen:
        raise cannot_be_made(fault)
    random = np.random.default_rng(fault.seed)
    sound = [np.array(weight.read()) for weight in chosen]
    try:
        for weight, values in zip(chosen, sound):
            weight.write(_changed(weight, values.copy(), fault, random))
        yield
    finally:
        for weight, values in zip(chosen, sound):
            weight.write(values)


def cannot_be_made(fault: Fault) -> Unavailable:
    """Why a fault is left out."""
    return Unavailable(f"{fault} cannot be made of this source", cause="it has nothing of that kind")


def some_of(count: int, fault: Fault) -> list[int]:
    """Which of so many layers have the fault: one that is drawn, or all."""
    if fault.strength in (ONE, LAYER) and count:
        return [int(np.random.default_rng(fault.seed).integers(count))]
    return list(range(count))


def _chosen(weights: Sequence[Weight], fault: Fault) -> list[Weight]:
    """The weights that have the fault."""
    if fault.kind == "coarse-weights":
        return [weight for weight in weights if weight.dimensions > 1]
    if fault.kind == "epsilon":
        return [weight for weight in weights if weight.is_variance]
    kernels = [weight for weight in weights if weight.spatial]
    if fault.kind == "flipped-kernels":
        fit = [each for each in kernels if each.out is not None and _is_wide(each)]
    else:
        fit = [each for each in kernels if each.out is not None and each.read().shape[each.out] > 1]
    return [fit[place] for place in some_of(len(fit), fault)]


def _is_wide(weight: Weight) -> bool:
    shape = weight.read().shape
    return any(shape[axis] > 1 for axis in weight.spatial)


def _changed(weight: Weight, values: NDArray[Any], fault: Fault, random: np.random.Generator) -> NDArray[Any]:
    """What becomes of the values of a weight that has the fault."""
    if fault.kind == "coarse-weights":
        return rounded(values, round(fault.strength))
    if fault.kind == "epsilon":
        shifted: NDArray[Any] = values + np.asarray(fault.strength, values.dtype)
        return shifted
    assert weight.out is not None
    channels = np.moveaxis(values, weight.out, 0)
    flips = fault.kind == "flipped-kernels"
    places = [int(random.integers(len(channels)))]
    if fault.strength != ONE:
        places = list(range(len(channels)) if flips else random.permutation(len(channels))[: -(-len(channels) // 10)])
    # axes of a channel alone: those behind the one that is gone have moved up
    spatial = tuple(axis if axis < weight.out else axis - 1 for axis in weight.spatial)
    for place in places:
        channels[place] = np.flip(channels[place], spatial) if flips else 0
    return values


def rounded(weights: NDArray[Any], bits: int) -> NDArray[Any]:
    """Weights rounded to so many bits by one scale for the whole tensor, symmetric (int8: magnitude 127), and back."""
    largest = float(np.abs(weights).max()) if weights.size else 0.0
    if not largest or not np.isfinite(largest):
        return weights
    scale = largest / (2 ** (bits - 1) - 1)
    return np.asarray((np.rint(weights.astype(np.float64) / scale) * scale).astype(weights.dtype))
