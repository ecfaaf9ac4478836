"""The built-in models in torch: torchvision's, and timm's for ResNet101V2. Runs inside a worker process."""

from __future__ import annotations

import contextlib
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import Unavailable
from pytest_envrobust.core.requirements import Requirement
from pytest_envrobust.frameworks._zoo import IMAGENET, SEEDED, UNSET, downloaded, drawn, some, unfit, unreadable

RESNET101_V2 = "resnetv2_101.a1h_in1k"
"""timm's name of the network and of its ImageNet weights."""
IMAGENET_WEIGHTS = "IMAGENET1K_V1"
"""torchvision's name of the first ImageNet weights that it had for each network."""

_NEEDED = {name: Requirement(name, "zoo") for name in ("torchvision", "timm", "safetensors", "huggingface_hub")}
_PROBE_SECONDS = 10.0
_AUXILIARY = "AuxLogits."
_COUNTER = "num_batches_tracked"


def build(name: str, weights: str, images: NDArray[Any] | None) -> Any:
    """The ``nn.Module`` with seeded or ImageNet weights, or those of a ``.safetensors`` file, in evaluation mode.

    ``images``, shape (N, 3, H, W), prepared as the model takes them, are what a seeded model is calibrated on.
    Raises `Unavailable` where torchvision, timm or safetensors is not installed, `DeclarationError` where ImageNet
    weights cannot be had or a file does not fit.
    """
    model = _timm(name, weights) if name == "resnet101_v2" else _torchvision(name, weights)
    if weights == SEEDED:
        assert images is not None
        _draw(model)
        _calibrate(model, images)
    elif weights not in (IMAGENET, UNSET):
        _load(model, name, Path(weights))
    return model.eval()


def canonical_weights(model: Any) -> list[NDArray[np.float32]]:
    """Weights of convolutions and linear layers as (out, in / groups, height, width), in definition order."""
    found = [layer.weight.detach().numpy() for layer in _kernel_layers(model)]
    return [array.reshape(*array.shape, *(1,) * (4 - array.ndim)) for array in found]


def _torchvision(name: str, weights: str) -> Any:
    make = getattr(_module("torchvision.models"), name)
    if weights == IMAGENET:
        model = downloaded(name, "torch", lambda: make(weights=IMAGENET_WEIGHTS, progress=False))
        if name == "inception_v3":  # its auxiliary classifier has no part in inference
            model.aux_logits, model.AuxLogits = False, None
        return model
    if name == "inception_v3":
        # As with torchvision's own weights: it takes images with ImageNet's mean and std and undoes these itself.
        return make(aux_logits=False, init_weights=False, transform_input=True)
    return make()


def _timm(name: str, weights: str) -> Any:
    make = _module("timm").create_model
    if weights == IMAGENET:
        with _quick_hub():
            return downloaded(name, "torch", lambda: make(RESNET101_V2, pretrained=True))
    return make(RESNET101_V2.partition(".")[0])


def _draw(model: Any) -> None:
    """Seeded weights, biases 0; batch normalization with weight 1 and bias 0."""
    import torch

    with torch.no_grad():
        for index, layer in enumerate(_kernel_layers(model)):
            shape = (*layer.weight.shape, *(1,) * (4 - layer.weight.ndim))
            layer.weight.copy_(torch.from_numpy(drawn(index, shape)).reshape(layer.weight.shape))
            if layer.bias is not None:
                layer.bias.zero_()
        for layer in _norm_layers(model):
            layer.weight.fill_(1.0)
            layer.bias.zero_()


def _calibrate(model: Any, images: NDArray[Any]) -> None:
    """Give batch normalization the statistics of these images, layer by layer, in one pass in evaluation mode.

    The variance is the biased one, which a layer in training normalizes by, and which keras keeps.
    """
    import torch

    def take(layer: Any, inputs: tuple[Any]) -> None:
        (values,) = inputs
        layer.running_mean.copy_(values.mean((0, 2, 3)))
        layer.running_var.copy_(values.var((0, 2, 3), unbiased=False))

    hooks = [layer.register_forward_pre_hook(take) for layer in _norm_layers(model)]
    with torch.no_grad():
        model.eval()(torch.from_numpy(images))
    for hook in hooks:
        hook.remove()


def _kernel_layers(model: Any) -> list[Any]:
    """Convolutions and linear layers in the order in which the definition names them."""
    import torch

    return [layer for layer in model.modules() if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear))]


def _norm_layers(model: Any) -> list[Any]:
    import torch

    return [layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)]


def _load(model: Any, name: str, path: Path) -> None:
    load_file = _module("safetensors.torch").load_file
    try:
        stored = load_file(path)
    except Exception as error:
        raise unreadable(path, "torch", error) from error
    stored = {key: value for key, value in stored.items() if not key.startswith(_AUXILIARY)}
    own = model.state_dict()
    absent = [key for key in own if key not in stored and not key.endswith(_COUNTER)]
    foreign = [key for key in stored if key not in own]
    misshaped = [key for key in stored if key in own and stored[key].shape != own[key].shape]
    faults = [
        f"{len(keys)} weights {what} ({some(keys)})"
        for keys, what in ((absent, "are missing"), (foreign, "are unknown"), (misshaped, "have another shape"))
        if keys
    ]
    if faults:
        raise unfit(path, name, "torch", faults)
    model.load_state_dict(stored, strict=False)


def _module(name: str) -> Any:
    """That module of a package of the zoo's. Raises `Unavailable` where it, or one that it needs, is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        requirement = _NEEDED.get((error.name or "").partition(".")[0])
        if requirement is None:
            raise
        remedy = f"pip install 'pytest-envrobust[{requirement.extra}]'"
        raise Unavailable(f"{requirement.module} is not installed", remedy=remedy) from None


@contextlib.contextmanager
def _quick_hub() -> Iterator[None]:
    """The Hugging Face hub's client asks five times, for most of a minute, where the hub cannot be reached.

    It is asked once here; if it does not answer, the client looks into its cache alone.
    """
    constants = _module("huggingface_hub.constants")
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _answers(constants.ENDPOINT)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _answers(address: str) -> bool:
    request = urllib.request.Request(address, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=_PROBE_SECONDS):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
