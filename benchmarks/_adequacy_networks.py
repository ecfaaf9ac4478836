"""The networks that adequacy is measured on, as ONNX files, and the photographs and crops that they are given."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pytest_envrobust import ImageFolder, Preprocess
from pytest_envrobust.models.inputs import LoadedInputs

if TYPE_CHECKING:
    import torch

HERE = Path(__file__).resolve().parent
COUNT = 200
SMALL = Preprocess.imagenet(64)
LITE0 = Preprocess(resize=256, filter="bicubic", crop=224, mean=(127, 127, 127), std=(128, 128, 128))


@dataclass(frozen=True)
class Network:
    """A network in an ONNX file, its inputs and how they are prepared."""

    file: Path
    inputs: LoadedInputs
    preprocess: Preprocess


def crops(count: int = COUNT, shorter: int | None = None) -> LoadedInputs:
    """The photographs that foolbox carries, then crops of them, half to nine tenths of each side.

    With ``shorter`` they are small, their shorter side of so many pixels.
    """
    spec = find_spec("foolbox")
    if spec is None or spec.origin is None:
        sys.exit("foolbox, which carries the photographs, is not installed: pip install 'pytest-envrobust[demo]'")
    whole = ImageFolder(Path(spec.origin).parent / "data", pattern="imagenet_*.jpg").load()
    assert whole.images is not None
    random = np.random.default_rng(0)
    images = [_resized(image, shorter) for image in whole.images]
    while len(images) < count:
        picture = whole.images[len(images) % len(whole)]
        sides = [round(side * share) for side, share in zip(picture.shape[:2], [random.uniform(0.5, 0.9)] * 2)]
        top, left = (int(random.integers(side - part + 1)) for side, part in zip(picture.shape[:2], sides))
        images.append(_resized(picture[top : top + sides[0], left : left + sides[1]], shorter))
    return LoadedInputs(tuple(f"{place:03}" for place in range(count)), images=tuple(images[:count]))


def lite0(folder: Path) -> Network:
    """EfficientNet-Lite0 with its real weights."""
    sys.path.insert(0, str(HERE / "bare"))
    from lite0 import network

    file = _exported(network(), (1, 3, 224, 224), folder / "lite0.onnx")
    return Network(file, crops(), LITE0)


def mobilenet(folder: Path) -> Network:
    """The demo's keras MobileNetV2, with seeded weights and batch normalization calibrated on the photographs."""
    sys.path.insert(0, str(HERE.parent / "examples" / "demo"))
    import keras
    from demo_models import build_mobilenet_v2

    build_mobilenet_v2(folder / "mobilenet.keras")
    model, file = keras.models.load_model(folder / "mobilenet.keras"), folder / "mobilenet.onnx"
    taken = keras.layers.Input((3, 224, 224), name="images")
    first = keras.Model(taken, model(keras.layers.Permute((2, 3, 1))(taken)))
    signature = [keras.InputSpec(shape=(None, 3, 224, 224), dtype="float32", name="images")]
    first.export(str(file), format="onnx", input_signature=signature, verbose=False)
    return Network(file, crops(), Preprocess.inception(224))


def plain(folder: Path) -> Network:
    """A seeded torch network whose last layer tells the photographs apart, with wide margins."""
    return _seeded(folder, 0, ["ReLU6", (32, 2), (64, 2), (128, 2), (256, 2)], ridge=30.0)


def deep(folder: Path) -> Network:
    """The same, deeper and with narrower margins."""
    layers = ["ReLU", (16, 2), (32, 1), (64, 2), (64, 1), (128, 2), (128, 2)]
    return _seeded(folder, 1, layers, ridge=3000.0)


def random_head(folder: Path) -> Network:
    """A seeded torch network whose last layer is drawn at random: 100 classes, margins of nothing."""
    return _seeded(folder, 2, ["ReLU6", (32, 2), (64, 2), (128, 2), (256, 1)], ridge=None)


def residual(folder: Path) -> Network:
    """A seeded torch network with residual blocks."""
    return _seeded(folder, 3, ["ReLU", (32, 2), "residual", (64, 2), "residual", (128, 2), "residual"], ridge=300.0)


NETWORKS: dict[str, Callable[[Path], Network]] = {
    "lite0": lite0,
    "mobilenet": mobilenet,
    "plain": plain,
    "deep": deep,
    "random-head": random_head,
    "residual": residual,
}


def _resized(picture: NDArray[np.uint8], shorter: int | None) -> NDArray[np.uint8]:
    if shorter is None:
        return np.ascontiguousarray(picture)
    scale = shorter / min(picture.shape[:2])
    height, width = (max(shorter, round(side * scale)) for side in picture.shape[:2])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS), dtype=np.uint8)


def _exported(module: torch.nn.Module, shape: tuple[int, ...], file: Path) -> Path:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that keeps batch normalization is the older one
        torch.onnx.export(
            module.eval(),
            (torch.zeros(shape),),
            str(file),
            dynamo=False,
            opset_version=17,
            input_names=["images"],
            output_names=["scores"],
            dynamic_axes={"images": {0: "n"}},
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
    return file


def _seeded(folder: Path, seed: int, layers: list[Any], ridge: float | None) -> Network:
    """A network of seeded kernels, its batch normalization and its last layer fitted to 600 small crops."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    features = torch.nn.Sequential(*_blocks(layers), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    images = torch.from_numpy(crops(600, 96).batch(SMALL, "NCHW"))
    with torch.no_grad():
        features.train()
        features(images)
        found = features.eval()(images)
        mean, deviation = found.mean(0), found.std(0) + 1e-6
        apart = (found - mean) / deviation
        weights, bias = _head(apart, ridge)
        last = torch.nn.Linear(*weights.shape)
        last.weight.copy_((weights / deviation[:, None]).T)
        last.bias.copy_(bias - (mean / deviation) @ weights)
    network = torch.nn.Sequential(features, last)
    return Network(_exported(network, (1, 3, 64, 64), folder / f"seeded-{seed}.onnx"), crops(shorter=96), SMALL)


def _head(features: torch.Tensor, ridge: float | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and bias of the last layer: by ridge regression on which photograph it is, or drawn."""
    import torch

    count, width = features.shape
    if ridge is None:
        return 3 * torch.randn(width, 100) / width**0.5, torch.zeros(100)
    wanted = 8 * torch.nn.functional.one_hot(torch.arange(count) % 20, 20).float()
    squares = features.T @ features + ridge * torch.eye(width)
    return torch.linalg.solve(squares, features.T @ (wanted - wanted.mean(0))), wanted.mean(0)


def _blocks(layers: list[Any]) -> Iterator[torch.nn.Module]:
    import torch

    activation = getattr(torch.nn, layers[0])

    class Residual(torch.nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.inner = torch.nn.Sequential(*convolved(channels, channels, 1))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.relu(images + self.inner(images))

    def convolved(taken: int, given: int, stride: int) -> Iterator[torch.nn.Module]:
        yield torch.nn.Conv2d(taken, given, 3, stride, 1, bias=False)
        yield torch.nn.BatchNorm2d(given, momentum=None)

    channels = 3
    for layer in layers[1:]:
        if layer == "residual":
            yield Residual(channels)
        else:
            yield from convolved(channels, layer[0], layer[1])
            yield activation()
            channels = layer[0]
