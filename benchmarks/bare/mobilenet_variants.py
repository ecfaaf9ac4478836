"""Variants of keras' MobileNetV2 with seeded, calibrated weights: each a name, and what is done to the network.

``mobilenet_variants:NAME`` builds one; ``MOBILENET`` in the environment is the file of the network as it is.
"""

from __future__ import annotations

import functools
import os

import numpy as np


def reference():
    """The network as it is."""
    import keras

    return keras.models.load_model(os.environ["MOBILENET"])


def built(name):
    """The network, changed."""
    return CHANGES[name](reference())


def __getattr__(name):
    """A function that builds the variant of that name."""
    if name in CHANGES:
        return functools.partial(built, name)
    raise AttributeError(name)


def layers(change, only=lambda layer: True):
    """The weights of some layers, a list of arrays each, made into others."""

    def changed(network):
        for layer in network.layers:
            if layer.weights and only(layer):
                layer.set_weights([np.asarray(each, np.float32) for each in change(layer.get_weights())])
        return network

    return changed


def named(*names):
    return lambda layer: layer.name in names


def convolutions(layer):
    return "Conv2D" in type(layer).__name__


def matrices(change):
    """Of each layer the kernels and matrices alone."""
    return layers(lambda values: [change(each) if each.ndim > 1 else each for each in values])


def integers(bits):
    def change(value):
        scale = max(np.abs(value).max() / (2 ** (bits - 1) - 1), 1e-12)
        return np.round(value / scale) * scale

    return change


def noisy(share):
    def change(value):
        return value + share * value.std() * np.random.default_rng(0).standard_normal(value.shape)

    return change


def mirrored(values):
    return [values[0][:, ::-1], *values[1:]]


def without_channel(channel):
    def change(values):
        kernel = values[0].copy()
        kernel[:, :, channel] = 0
        return [kernel, *values[1:]]

    return change


def classes(change):
    """The last matrix and bias, by class."""
    return layers(lambda values: list(change(*values)), named("predictions"))


def order(*places):
    """Two classes in each other's place, by pairs."""
    found = np.arange(1000)
    for one, other in places:
        found[one], found[other] = other, one
    return found


def reordered(places):
    return classes(lambda matrix, bias: (matrix[:, places], bias[places]))


def raised(label, by):
    def change(matrix, bias):
        bias = bias.copy()
        bias[label] += by
        return matrix, bias

    return classes(change)


def rebuilt(**changes):
    """Layers of a kind with another setting: ``ReLU=("max_value", None)``."""

    def change(network):
        import keras

        def cloned(layer):
            config = layer.get_config()
            setting = changes.get(type(layer).__name__)
            if setting is not None:
                config[setting[0]] = setting[1]
            return type(layer).from_config(config)

        clone = keras.models.clone_model(network, clone_function=cloned)
        clone.set_weights(network.get_weights())
        return clone

    return change


def around(before=None, after=None):
    """Something done to what goes into the network, or to what comes out."""

    def change(network):
        import keras

        image = keras.Input(network.input_shape[1:])
        scores = network(image if before is None else before(image))
        return keras.Model(image, scores if after is None else after(scores))

    return change


def transposed(image):
    import keras

    return keras.ops.swapaxes(image, 1, 2)


def logits(network):
    """The logarithms of the probabilities: the same labels by another measure."""
    import keras

    network.get_layer("predictions").activation = keras.activations.log_softmax
    return network


CHANGES = {
    # harmless
    "ok_float16_weights": matrices(lambda value: value.astype(np.float16)),
    "ok_noise_1e7": matrices(noisy(1e-7)),
    "ok_noise_1e6": matrices(noisy(1e-6)),
    "ok_wrapped": around(),
    "ok_log_softmax": logits,
    "ok_epsilon_as_it_is": rebuilt(BatchNormalization=("epsilon", 1e-3)),
    # what comes out
    "shifted_labels": reordered(np.roll(np.arange(1000), 1)),
    "swapped_neighbors": reordered(order((281, 282))),
    "swapped_far": reordered(order((3, 700), (12, 811))),
    "raised_1": raised(417, 0.5),
    "raised_3": raised(417, 1.5),
    # what goes in
    "in_bgr": around(before=lambda image: image[..., ::-1]),
    "in_mirrored": around(before=lambda image: image[:, :, ::-1]),
    "in_transposed": around(before=transposed),
    "in_unit": around(before=lambda image: (image + 1) / 2),
    "in_darker": around(before=lambda image: image - 0.25),
    # weights
    "int8": matrices(integers(8)),
    "int6": matrices(integers(6)),
    "noise_1": matrices(noisy(0.01)),
    "noise_5": matrices(noisy(0.05)),
    "mirrored_stem": layers(mirrored, named("Conv1")),
    "mirrored_one": layers(mirrored, named("block_6_depthwise")),
    "mirrored_all": layers(mirrored, convolutions),
    "zeroed_middle": layers(without_channel(17), named("block_6_depthwise")),
    "zeroed_late": layers(without_channel(100), named("block_15_depthwise")),
    # structure
    "relu": rebuilt(ReLU=("max_value", None)),
    "epsilon_1e5": rebuilt(BatchNormalization=("epsilon", 1e-5)),
    "epsilon_1e2": rebuilt(BatchNormalization=("epsilon", 1e-2)),
}
