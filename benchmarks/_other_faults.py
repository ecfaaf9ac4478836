"""Faults that the plugin does not seed: what its prediction is held against. One function a kind and place.

Each yields a kind, and for each of its strengths and draws what was changed. They are made here, in other code than the
plugin's, of pictures, of an ONNX graph, and of scores.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper
from PIL import Image, ImageFilter

from pytest_envrobust import Preprocess
from pytest_envrobust.models.inputs import LoadedInputs

Picture = NDArray[np.uint8]
PLACES = 3
"""How many layers, weights or classes are drawn where a fault is in one of them."""


def broken_inputs(loaded: LoadedInputs, preprocess: Preprocess) -> Iterator[tuple[str, NDArray[Any]]]:
    """Batches as other broken pipelines would make them, by kind."""

    def pictures(change: Callable[[Picture], Picture]) -> NDArray[Any]:
        images = tuple(change(image) for image in loaded.images or ())
        return replace(loaded, images=images).batch(preprocess, "NCHW")

    for share in (0.1, 0.3, 1.0):
        yield "gray", pictures(lambda image, share=share: _gray(image, share))
    for gamma in (1.05, 1.3, 2.2):
        yield "gamma", pictures(lambda image, gamma=gamma: _clipped(255 * (image / 255.0) ** gamma))
    for offset in (2, 8, 32):
        yield "brightness", pictures(lambda image, offset=offset: _clipped(image.astype(float) + offset))
    for quality in (95, 75, 30):
        yield "JPEG", pictures(lambda image, quality=quality: _jpeg(image, quality))
    for degrees in (1, 4, 15):
        yield "rotation", pictures(lambda image, degrees=degrees: _through(image, lambda p: p.rotate(degrees)))
    yield "upside down", pictures(lambda image: np.ascontiguousarray(image[::-1]))
    for radius in (0.5, 1, 3):
        blur = ImageFilter.GaussianBlur(radius)
        yield "blur", pictures(lambda image, blur=blur: _through(image, lambda p: p.filter(blur)))
    yield "red and green swapped", pictures(lambda image: np.ascontiguousarray(image[..., [1, 0, 2]]))
    for deviation in (1, 4, 16):
        random = np.random.default_rng(1)
        yield "noise", pictures(lambda image, d=deviation, r=random: _clipped(image + r.normal(0, d, image.shape)))
    for bits in (6, 5, 3):
        yield "few levels", pictures(lambda image, bits=bits: image >> (8 - bits) << (8 - bits))
    for width in (0.01, 0.03, 0.1):
        yield "frame", pictures(lambda image, width=width: _framed(image, width))
    yield "television range", pictures(lambda image: _clipped(16 + image * (219 / 255)))
    mean = tuple(value + 8 * preprocess.scale for value in preprocess.mean)
    for changed in (replace(preprocess, mean=mean), replace(preprocess, std=tuple(1.2 * s for s in preprocess.std))):
        yield "another mean or deviation", loaded.batch(changed, "NCHW")


def broken_graphs(model: Any) -> Iterator[tuple[str, Any]]:
    """Copies of a ``ModelProto`` with a fault each, by kind."""
    kernels = [node.input[1] for node in model.graph.node if node.op_type == "Conv"]
    some = np.random.default_rng(2).choice(len(kernels), min(PLACES, len(kernels)), replace=False)
    one_each = [[kernels[place]] for place in some]
    for deviation in (0.01, 0.05, 0.2):
        random = np.random.default_rng(3)
        yield "noise on weights", _changed(model, kernels, lambda w, d=deviation, r=random: _noisy(w, d, r))
    for share in (0.1, 0.3, 0.6):
        yield "pruning", _changed(model, kernels, lambda w, share=share: _pruned(w, share))
    for bits in (6, 4, 2):
        yield "short mantissas", _changed(model, kernels, lambda w, bits=bits: _short(w, bits))
    square = [name for name in kernels if _tensors(model)[name].dims[2] > 1]
    drawn = [[square[place % len(square)]] for place in some]
    for names in (*drawn, square):
        yield "turned kernels", _changed(model, names, lambda w: np.ascontiguousarray(w.swapaxes(2, 3)))
    for names in (*one_each, kernels):
        yield "swapped channels", _changed(model, names, _with_swapped_channels)
    for factor in (1.02, 1.1, 1.5):
        for names in one_each:
            yield "scaled layer", _changed(model, names, lambda w, factor=factor: w * np.float32(factor))
    for factor in (16, 256):
        for draw, names in enumerate(one_each):
            yield "one weight", _changed(model, names, lambda w, f=factor, d=draw: _one_weight(w, f, d))
    biases = [node.input[2] for node in model.graph.node if node.op_type == "Conv" and len(node.input) > 2]
    if biases:
        for names in (*([biases[place % len(biases)]] for place in some), biases):
            yield "no bias", _changed(model, names, np.zeros_like)
    for fault, broken in (("no residual", _without_residual), ("maximum for average", _with_maximum)):
        for draw in range(PLACES):
            made = broken(model, draw)
            if made is not None:
                yield fault, made


def broken_scores(scores: NDArray[Any]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Scores as other broken ends of a network would give them, by kind."""
    best = np.sort(scores, axis=1)
    margin = float(np.median(best[:, -1] - best[:, -2]))
    random, classes = np.random.default_rng(4), scores.shape[1]
    for share in (0.05, 0.2, 0.5):
        yield "noise on scores", scores + random.normal(0, share * margin, scores.shape)
    for dtype in (2, 4, 6):
        yield "short scores", _short(scores.astype(np.float32), dtype)
    for _ in range(2 * PLACES):
        place = int(random.integers(classes))
        yield "a class less", np.delete(scores, place, axis=1)
        scaled = scores.copy()
        scaled[:, place] *= 1.5
        yield "a class scaled", scaled
    for every in (50, 10, 3):
        stale = scores.copy()
        stale[every - 1 :: every] = scores[every - 2 :: every][: len(stale[every - 1 :: every])]
        yield "stale outputs", stale
    yield "absolute scores", np.abs(scores)


def _clipped(values: NDArray[Any]) -> Picture:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _through(image: Picture, change: Callable[[Any], Any]) -> Picture:
    return np.asarray(change(Image.fromarray(image)), dtype=np.uint8)


def _gray(image: Picture, share: float) -> Picture:
    return _clipped((1 - share) * image + share * image.mean(axis=2, keepdims=True))


def _jpeg(image: Picture, quality: int) -> Picture:
    stream = BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream).convert("RGB"), dtype=np.uint8)


def _framed(image: Picture, share: float) -> Picture:
    height, width = (max(1, round(share * side)) for side in image.shape[:2])
    small = Image.fromarray(image).resize((image.shape[1] - 2 * width, image.shape[0] - 2 * height))
    return np.pad(np.asarray(small, dtype=np.uint8), ((height, height), (width, width), (0, 0)))


def _tensors(model: Any) -> dict[str, Any]:
    return {tensor.name: tensor for tensor in model.graph.initializer}


def _changed(model: Any, names: list[str], change: Callable[[NDArray[Any]], NDArray[Any]]) -> Any:
    copied = copy.deepcopy(model)
    tensors = _tensors(copied)
    for name in dict.fromkeys(names):
        values = np.array(numpy_helper.to_array(tensors[name]))
        tensors[name].CopyFrom(numpy_helper.from_array(change(values).astype(values.dtype), name))
    return copied


def _noisy(weights: NDArray[Any], share: float, random: np.random.Generator) -> NDArray[Any]:
    return weights + random.normal(0, share * float(weights.std()), weights.shape)


def _pruned(weights: NDArray[Any], share: float) -> NDArray[Any]:
    return np.where(np.abs(weights) < np.quantile(np.abs(weights), share), 0, weights)


def _short(values: NDArray[Any], bits: int) -> NDArray[Any]:
    """Values with so many bits of mantissa."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.rint(mantissa * 2**bits) / 2**bits, exponent)


def _with_swapped_channels(weights: NDArray[Any]) -> NDArray[Any]:
    weights[[0, -1]] = weights[[-1, 0]]
    return weights


def _one_weight(weights: NDArray[Any], factor: float, draw: int) -> NDArray[Any]:
    flat = weights.reshape(-1)
    flat[int(np.random.default_rng(draw).integers(len(flat)))] *= factor
    return weights


def _without_residual(model: Any, draw: int) -> Any:
    """The graph in which one sum of two computed tensors is its first one alone; ``None`` where there is none."""
    constants = set(_tensors(model))
    copied = copy.deepcopy(model)
    sums = [node for node in copied.graph.node if node.op_type == "Add" and not constants & set(node.input)]
    if draw >= len(sums):
        return None
    node = sums[len(sums) * draw // PLACES]
    node.op_type = "Identity"
    del node.input[1:]
    return copied


def _with_maximum(model: Any, draw: int) -> Any:
    copied = copy.deepcopy(model)
    means = [node for node in copied.graph.node if node.op_type == "GlobalAveragePool"]
    if draw >= len(means):
        return None
    means[draw].op_type = "GlobalMaxPool"
    return copied
