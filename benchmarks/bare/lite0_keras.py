"""EfficientNet-Lite0 in keras, with the weights of the torch network."""

from __future__ import annotations

import lite0

# Kernel size, stride, expansion, channels and repeats of each stage.
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


def network():
    """The pretrained network, (N, 224, 224, 3) in, logits out."""
    import keras

    image = keras.Input((224, 224, 3))
    x = convolved(image, 32, 3, 2)
    for kernel, stride, expansion, channels, repeats in STAGES:
        for number in range(repeats):
            x = block(x, kernel, stride if number == 0 else 1, expansion, channels)
    x = keras.layers.GlobalAveragePooling2D()(convolved(x, 1280, 1, 1))
    model = keras.Model(image, keras.layers.Dense(1000)(x))
    take_weights(model, lite0.network())
    return model


def block(x, kernel, stride, expansion, channels):
    """An inverted residual block."""
    import keras

    inner = x if expansion == 1 else convolved(x, x.shape[-1] * expansion, 1, 1)
    inner = keras.layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False)(inner)
    inner = convolved(normalized(inner, relu=True), channels, 1, 1, relu=False)
    return keras.layers.Add()([x, inner]) if stride == 1 and x.shape[-1] == channels else inner


def convolved(x, channels, kernel, stride, relu=True):
    """A convolution without bias, normalized."""
    import keras

    return normalized(keras.layers.Conv2D(channels, kernel, stride, "same", use_bias=False)(x), relu)


def normalized(x, relu):
    """Batch normalization, and ReLU6 after it where asked for."""
    import keras

    x = keras.layers.BatchNormalization(epsilon=1e-3)(x)
    return keras.layers.ReLU(6.0)(x) if relu else x


def take_weights(model, donor):
    """Those of the torch network, whose layers with weights come in the same order."""
    import torch

    layers = (layer for layer in model.layers if layer.weights)
    for module in donor.modules():
        if isinstance(module, torch.nn.Conv2d):
            order = (2, 3, 0, 1) if module.groups > 1 else (2, 3, 1, 0)  # depthwise or not
            next(layers).set_weights([module.weight.detach().numpy().transpose(order)])
        elif isinstance(module, torch.nn.BatchNorm2d):
            kept = (module.weight, module.bias, module.running_mean, module.running_var)
            next(layers).set_weights([each.detach().numpy() for each in kept])
        elif isinstance(module, torch.nn.Linear):
            next(layers).set_weights([module.weight.detach().numpy().T, module.bias.detach().numpy()])
