"""The preprocessing that lies beside a model: files that timm and Hugging Face's transformers write with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.models.preprocess import Preprocess, Size

_PIL_FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""By PIL's own numbers."""
_EXPORTS = "onnx"
"""Models of a hub lie in a folder of that name, below the file that describes them."""


@dataclass(frozen=True)
class FoundPreprocess:
    """A preprocessing, and the file that says it; without the former the file could not be used, and ``why``."""

    file: Path
    preprocess: Preprocess | None
    why: str = ""


def preprocess_beside(model: Path) -> FoundPreprocess | None:
    """What a file beside the model (or in it, where it is a directory) says of its preprocessing.

    Hugging Face's ``preprocessor_config.json`` comes before timm's ``config.json`` with a ``pretrained_cfg``.
    """
    folders = [model] if model.is_dir() else []
    folders.append(model.parent)
    if model.parent.name == _EXPORTS:
        folders.append(model.parent.parent)
    for folder in folders:
        for name, read in _READERS.items():
            file = folder / name
            if file.is_file() and (found := _read(file, read)) is not None:
                return found
    return None


def _read(file: Path, read: Callable[[Mapping[str, Any]], Preprocess | None]) -> FoundPreprocess | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        preprocess = read(content) if isinstance(content, dict) else None
    except (OSError, ValueError, TypeError, KeyError, IndexError, ZeroDivisionError, DeclarationError) as error:
        return FoundPreprocess(file, None, f"{type(error).__name__}: {error}")
    return None if preprocess is None else FoundPreprocess(file, preprocess)


def _of_transformers(config: Mapping[str, Any]) -> Preprocess | None:
    """``preprocessor_config.json``; ``None`` where it is not of images."""
    if not any(key in config for key in ("image_mean", "do_resize", "image_processor_type")):
        return None
    crops = bool(config.get("do_center_crop", False))
    resize = _resize_of(config, crops=crops) if config.get("do_resize", True) else None
    crop = _sides(config.get("crop_size", config.get("size")), square=True) if crops else None
    if resize is not None and "crop_pct" in config and not crops:
        resize, crop = _kept(config["size"], float(config["crop_pct"]))
    rescales = bool(config.get("do_rescale", True))
    normalizes = bool(config.get("do_normalize", "image_mean" in config))
    offset = 1.0 if rescales and config.get("rescale_offset", False) else 0.0
    return Preprocess(
        resize=resize,
        crop=crop,
        filter=_filter(config.get("resample", 2)),
        scale=float(config.get("rescale_factor", 1 / 255)) if rescales else 1.0,
        mean=tuple(offset + value for value in (_numbers(config.get("image_mean", 0.0)) if normalizes else (0.0,))),
        std=_numbers(config.get("image_std", 1.0)) if normalizes else (1.0,),
        channels="BGR" if config.get("do_flip_channel_order", False) else "RGB",
    )


def _resize_of(config: Mapping[str, Any], *, crops: bool) -> Size | None:
    return _sides(config.get("size", 224), square=not crops)


def _kept(size: Any, share: float) -> tuple[Size, Size | None]:
    """ConvNeXt's way: small pictures are cut out of larger ones, those of 384 and more are squeezed."""
    side = int(size["shortest_edge"]) if isinstance(size, Mapping) else int(size)
    return ((side, side), None) if side >= 384 else (int(side / share), side)


def _sides(size: Any, *, square: bool) -> Size | None:
    """A size as it is written: a number is a square or the shorter side, a mapping says which."""
    if isinstance(size, Mapping):
        if "shortest_edge" in size:
            side = int(size["shortest_edge"])
            return (side, side) if square and "height" in size else side
        return int(size["height"]), int(size["width"])
    if isinstance(size, (list, tuple)):
        return int(size[0]), int(size[-1])
    return None if size is None else (int(size), int(size)) if square else int(size)


def _of_timm(config: Mapping[str, Any]) -> Preprocess | None:
    """``config.json`` with a ``pretrained_cfg``, or the older one, in which it is not nested."""
    nested = config.get("pretrained_cfg")
    told = nested if isinstance(nested, dict) else config if "architecture" in config else {}
    if "mean" not in told or "input_size" not in told:
        return None
    channels, height, width = (int(side) for side in told["input_size"])
    share = float(told.get("crop_pct") or 0.875)
    before = (int(height / share), int(width / share))
    squeezes = told.get("crop_mode", "center") == "squash" or height != width
    return Preprocess(
        resize=before if squeezes else before[0],
        crop=(height, width),
        filter=_filter(told.get("interpolation", "bilinear")),
        scale=1 / 255,
        mean=_numbers(told["mean"]),
        std=_numbers(told.get("std", 1.0)),
        channels="gray" if channels == 1 else "RGB",
    )


def _filter(told: Any) -> str:
    if isinstance(told, str):
        return "bilinear" if told == "random" else told
    return _PIL_FILTERS[int(told)]


def _numbers(told: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in told) if isinstance(told, (list, tuple)) else (float(told),)


_READERS: dict[str, Callable[[Mapping[str, Any]], Preprocess | None]] = {
    "preprocessor_config.json": _of_transformers,
    "config.json": _of_timm,
}
