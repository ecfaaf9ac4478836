"""The built-in models in keras: `keras.applications`, giving logits. Runs inside a worker process."""

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.telling import telling_sentence
from pytest_envrobust.frameworks._zoo import IMAGENET, SEEDED, UNSET, downloaded, drawn, some, unfit, unreadable
from pytest_envrobust.frameworks.keras import quiet

_NAMES = {
    "mobilenet_v2": "MobileNetV2",
    "resnet101_v2": "ResNet101V2",
    "densenet121": "DenseNet121",
    "inception_v3": "InceptionV3",
}


def build(name: str, weights: str, images: NDArray[Any] | None) -> Any:
    """The ``keras.Model`` with seeded or ImageNet weights, or those of a ``.weights.h5`` file.

    ``images``, shape (N, H, W, 3), prepared as the model takes them, are what a seeded model is calibrated on.
    Raises `DeclarationError` where ImageNet weights cannot be had or a file does not fit.
    """
    import keras

    make = getattr(keras.applications, _NAMES[name])
    if weights == IMAGENET:
        with quiet():
            return downloaded(name, "keras", lambda: make(weights="imagenet", classifier_activation=None))
    model = make(weights=None, classifier_activation=None)
    if weights == UNSET:
        return model
    if weights == SEEDED:
        assert images is not None
        _draw(model)
        _calibrate(model, images)
    else:
        _load(model, name, Path(weights))
    return model


def canonical_weights(model: Any) -> list[NDArray[np.float32]]:
    """Kernels of convolutions and dense layers as (out, in / groups, height, width), in definition order."""
    return [_canonical(layer, np.asarray(layer.kernel)) for layer in _kernel_layers(model)]


def _draw(model: Any) -> None:
    """Seeded kernels, biases 0; batch normalization is as keras makes it, gamma 1 and beta 0."""
    for index, layer in enumerate(_kernel_layers(model)):
        shape = _canonical(layer, np.empty(layer.kernel.shape, dtype=np.float32)).shape
        layer.kernel.assign(_own(layer, drawn(index, shape)))
        if layer.use_bias:
            layer.bias.assign(np.zeros(layer.bias.shape, dtype=np.float32))


def _calibrate(model: Any, images: NDArray[Any]) -> None:
    """Give batch normalization the statistics of these images, layer by layer, in one pass.

    As a graph: eagerly, keras keeps every layer's output until the end, gigabytes for 20 images.
    """
    import keras
    import tensorflow as tf

    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    tf.function(lambda batch: model(batch, training=True))(tf.constant(images))  # none of the four has dropout
    for layer, momentum in zip(layers, momenta):
        layer.momentum = momentum


def _kernel_layers(model: Any) -> list[Any]:
    """Convolutions and dense layers in the order in which the definition calls them.

    ``model.layers`` is in an order of the graph's, in which branches are mixed; keras numbers tensors as they are made.
    """
    import keras

    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
    return sorted((layer for layer in model.layers if isinstance(layer, kinds)), key=_number)


def _number(layer: Any) -> int:
    number = str(layer.output.name).rpartition("_")[2]
    return int(number) if number.isdecimal() else 0


def _canonical(layer: Any, kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    if kernel.ndim == 2:
        return kernel.T[:, :, None, None]
    if _is_depthwise(layer):  # (height, width, in, multiplier)
        height, width, inputs, multiplier = kernel.shape
        return kernel.transpose(2, 3, 0, 1).reshape(inputs * multiplier, 1, height, width)
    return kernel.transpose(3, 2, 0, 1)


def _own(layer: Any, canonical: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse of `_canonical`."""
    shape = tuple(layer.kernel.shape)
    if len(shape) == 2:
        return canonical[:, :, 0, 0].T
    if _is_depthwise(layer):
        height, width, inputs, multiplier = shape
        return canonical.reshape(inputs, multiplier, height, width).transpose(2, 3, 0, 1)
    return canonical.transpose(2, 3, 1, 0)


def _is_depthwise(layer: Any) -> bool:
    import keras

    return isinstance(layer, keras.layers.DepthwiseConv2D)


def _load(model: Any, name: str, path: Path) -> None:
    """Read the file's weights. Keras passes over what a file lacks or has too much, so both are looked for here."""
    stored = _stored(path)
    for weight in model.weights:
        weight.assign(np.full(weight.shape, np.nan, dtype=np.float32))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they say what is looked for below
            model.load_weights(path)
    except ValueError as error:
        faults = [f"its layers have {stored} weights and the model's {len(model.weights)}", telling_sentence(error)]
        raise unfit(path, name, "keras", faults) from error
    absent = [weight.path for weight in model.weights if np.isnan(np.asarray(weight)).all()]
    if absent:
        raise unfit(path, name, "keras", [f"{len(absent)} weights are missing ({some(absent)})"])
    if stored > len(model.weights):
        raise unfit(path, name, "keras", [f"it has {stored} weights and the model {len(model.weights)}"])


def _stored(path: Path) -> int:
    """How many weights the file's layers have. Raises `DeclarationError` where it is no HDF5 file."""
    h5py = import_module("h5py")
    found: list[str] = []
    try:
        with h5py.File(path) as file:
            file.visititems(lambda key, item: found.append(key) if isinstance(item, h5py.Dataset) else None)
    except OSError as error:
        raise unreadable(path, "keras", error) from error
    return sum(key.startswith("layers/") for key in found)
