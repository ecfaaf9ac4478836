"""The broken and the harmless variants that verdicts are held against the truth of."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import pytest_envrobust as er
from pytest_envrobust.core.faults import BY_NAME, LAYER, ONE

BARE = Path(__file__).resolve().parent / "bare"
sys.path.insert(0, str(BARE))

IMAGENET = {"scale": 1.0, "mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}


@dataclass(frozen=True)
class Network:
    """A network whose variants are tried: the module that builds them, and how its pictures are prepared."""

    name: str
    framework: str
    module: str
    preprocess: er.Preprocess
    only: tuple[str, ...] = ()
    """The variants that are tried; none says all."""

    @property
    def prepared(self) -> Mapping[str, er.Preprocess]:
        """Variants that are the network itself with its pictures prepared in another way; see ``bare/pictures.py``."""
        usual = self.preprocess
        other = "bicubic" if usual.filter == "bilinear" else "bilinear"
        return {
            "squashed": replace(usual, resize=(224, 224), crop=None),
            "squashed_nearest": replace(usual, resize=(224, 224), crop=None, filter="nearest"),
            "nearest": replace(usual, filter="nearest"),
            "other_filter": replace(usual, filter=other),
            "tight": replace(usual, resize=224),
            "loose": replace(usual, resize=320),
            "bgr": replace(usual, channels="BGR"),
            "not_normalized": replace(usual, scale=1.0, mean=(0, 0, 0), std=(1, 1, 1)),
            "unit": replace(usual, scale=1 / 255, mean=(0, 0, 0), std=(1, 1, 1)),
            "imagenet": replace(usual, **IMAGENET),
        }

    @property
    def changed(self) -> tuple[str, ...]:
        """Variants that are another network."""
        return tuple(import_module(self.module).CHANGES)

    @property
    def variants(self) -> tuple[str, ...]:
        """Those that are tried."""
        every = (*self.changed, *self.prepared)
        return tuple(name for name in every if name in self.only) if self.only else every

    def model(self, folder: str) -> er.Model:
        """The network and its variants as sources of one model, on the pictures of a folder."""
        sources: dict[str, er.Source] = {self.framework: er.Source(f"{self.module}:reference")}
        for name in self.variants:
            target = "reference" if name in self.prepared else name
            sources[self.key(name)] = er.Source(f"{self.module}:{target}", preprocess=self.prepared.get(name))
        return er.Model(self.name, sources, er.ImageFolder(Path(folder), self.preprocess))

    def key(self, variant: str) -> str:
        """The variant's source."""
        return f"{self.framework}:{variant.replace('_', '-')}"


NETWORKS = {
    "lite0": Network(
        "lite0",
        "torch",
        "lite0_variants",
        er.Preprocess(resize=256, filter="bicubic", crop=224, mean=(127, 127, 127), std=(128, 128, 128)),
    ),
    "mobilenet": Network(
        "mobilenet",
        "keras",
        "mobilenet_variants",
        er.Preprocess(resize=256, crop=224, mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5)),
    ),
}

KINDS: Mapping[str, tuple[str, float]] = {
    "shifted_labels": ("classes", 1.0),
    "swapped": ("classes", ONE),
    "raised_1": ("biased-class", 1.0),
    "raised": ("biased-class", 3.0),
    "rounded_tenths": ("coarse-scores", 8.0),
    "rounded_halves": ("coarse-scores", 6.0),
    "rounded_wholes": ("coarse-scores", 4.0),
    "in_bgr": ("colors", 1.0),
    "bgr": ("colors", 1.0),
    "in_mirrored": ("mirrored", 1.0),
    "in_transposed": ("layout", 1.0),
    "in_shifted_1": ("shift", 1.0),
    "in_shifted_8": ("shift", 8.0),
    "in_darker": ("normalization", 0.1),
    "in_unit": ("scale", 0.4),
    "int8": ("coarse-weights", 8.0),
    "int6": ("coarse-weights", 6.0),
    "int4": ("coarse-weights", 4.0),
    "mirrored_all": ("flipped-kernels", 1.0),
    "mirrored": ("flipped-kernels", LAYER),
    "zeroed": ("zeroed-channels", ONE),
    "relu_late": ("activation", LAYER),
    "relu": ("activation", 1.0),
    "epsilon_1e5": ("epsilon", 1e-3),
    "epsilon_1e2": ("epsilon", 1e-2),
    "symmetric_padding": ("padding", 1.0),
    "squashed": ("squash", 1.0),
    "nearest": ("filter", 2.0),
    "other_filter": ("filter", 1.0),
    "tight": ("crop", 0.14),
    "loose": ("crop", 0.14),
    "not_normalized": ("normalization", 1.0),
    "imagenet": ("normalization", 0.3),
}
"""The kind of seeded fault that a variant is, and how strong: that of the longest name that its own begins with."""

WRONG_ANYHOW = ("swapped", "raised", "leaks")
"""What begins so is broken though few labels of these pictures may tell: one class is wrong, or some answers."""


def is_harmless(variant: str) -> bool:
    """Whether it is the same function but for rounding, or but for the measure of its scores."""
    return variant.startswith("ok_")


def is_weaker_than(variant: str, kind: str, strength: float | None) -> bool:
    """Whether the variant is a fault of that kind and weaker than ``strength``; than any, where that is ``None``."""
    name = max((each for each in KINDS if variant.startswith(each)), key=len, default="")
    if not name or KINDS[name][0] != kind:
        return False
    own = KINDS[name][1]
    return strength is None or (own > strength if BY_NAME[kind].falls else own < strength)
