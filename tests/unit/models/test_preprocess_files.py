"""Preprocessings that lie beside a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_envrobust import Preprocess
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.models.guessing import guessed_preprocess, is_guess
from pytest_envrobust.models.preparation import Preparation
from pytest_envrobust.models.preprocess_files import preprocess_beside

HALF = [0.5, 0.5, 0.5]
VIT = {"do_resize": True, "size": {"height": 224, "width": 224}, "resample": 2, "image_mean": HALF, "image_std": HALF}
RESNET = {
    "do_resize": True,
    "size": {"shortest_edge": 256},
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": False,
}
CONVNEXT = {"do_resize": True, "size": {"shortest_edge": 224}, "crop_pct": 0.875, "resample": 3, "image_mean": HALF}
TIMM = {
    "architecture": "net",
    "pretrained_cfg": {
        "input_size": [3, 224, 224],
        "interpolation": "bicubic",
        "crop_pct": 0.9,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    },
}
HALVES = {"scale": 1 / 255, "mean": (0.5,) * 3, "std": (0.5,) * 3}


def beside(folder: Path, name: str, content: Any) -> Path:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder / "model.onnx"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("preprocessor_config.json", VIT, Preprocess(resize=(224, 224), **HALVES)),
        (
            "preprocessor_config.json",
            RESNET,
            Preprocess(resize=256, crop=(224, 224), filter="bicubic", scale=1 / 255, mean=(0.0,), std=(1.0,)),
        ),
        (
            "preprocessor_config.json",
            CONVNEXT,
            Preprocess(resize=256, crop=224, filter="bicubic", scale=1 / 255, mean=(0.5,) * 3, std=(1.0,)),
        ),
        ("config.json", TIMM, Preprocess.imagenet(224, resize=248, crop=(224, 224), filter="bicubic")),
    ],
)
def test_files_are_read(tmp_path: Path, name: str, content: dict[str, Any], expected: Preprocess) -> None:
    found = preprocess_beside(beside(tmp_path, name, content))
    assert found is not None
    assert found.preprocess == expected, found.why


def test_a_hub_s_file_lies_above_its_onnx_folder(tmp_path: Path) -> None:
    beside(tmp_path, "preprocessor_config.json", VIT)
    assert preprocess_beside(tmp_path / "onnx" / "model.onnx") is not None
    assert preprocess_beside(tmp_path / "other" / "model.onnx") is None


def test_a_config_of_something_else_is_none(tmp_path: Path) -> None:
    assert preprocess_beside(beside(tmp_path, "config.json", {"architectures": ["BertModel"]})) is None


def test_the_model_s_own_size_and_what_the_user_says_come_first(tmp_path: Path) -> None:
    found = preprocess_beside(beside(tmp_path, "config.json", TIMM))
    guess = guessed_preprocess(TensorSpec((1, 3, 90, 90)), "NCHW", found=found)
    assert (guess.preprocess.resize, guess.preprocess.crop, guess.preprocess.filter) == (100, 90, "bicubic")
    assert "config.json" in guess.text
    assert not is_guess(guess.text)
    said = guessed_preprocess(TensorSpec((1, 3, 90, 90)), "NCHW", Preparation("unit"), found=found)
    assert said.preprocess.std == (1.0, 1.0, 1.0)


def test_a_file_that_cannot_be_read_leaves_a_guess_that_says_so(tmp_path: Path) -> None:
    found = preprocess_beside(beside(tmp_path, "preprocessor_config.json", "{"))
    guess = guessed_preprocess(None, "NCHW", found=found)
    assert is_guess(guess.text)
    assert "preprocessor_config.json beside it cannot be used" in guess.text
