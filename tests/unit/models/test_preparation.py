"""What the command line says of how images are prepared."""

from __future__ import annotations

import pytest

from pytest_envrobust import DeclarationError, Preprocess
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.models.guessing import guessed_preprocess, is_guess
from pytest_envrobust.models.preparation import parsed_preparation

SPEC = TensorSpec((1, 3, 64, 64))


def made(**texts: str) -> Preprocess:
    guess = guessed_preprocess(SPEC, "NCHW", parsed_preparation(dict(texts)))
    assert not is_guess(guess.text)
    return guess.preprocess


def test_numbers_alone_say_the_values() -> None:
    assert made(scale="1/255") == Preprocess.unit(64, layout="NCHW")
    half = (0.5,)
    assert made(mean="0.5", std="0.5") == Preprocess.unit(64, mean=half, std=half, layout="NCHW")
    caffe = made(mean="103.939, 116.779, 123.68", channels="bgr")
    assert caffe == Preprocess.caffe(64, layout="NCHW")


def test_a_name_is_changed_by_what_is_said_beside_it() -> None:
    changed = made(preprocess="imagenet", filter="bicubic", std="1")
    assert changed == Preprocess.imagenet(64, filter="bicubic", std=(1.0,), layout="NCHW")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"crop": "1"}, (64, (64, 64))),
        ({"crop": "0.5"}, (128, (64, 64))),
        ({"crop": "none"}, ((64, 64), None)),
        ({"crop": "64", "size": "80"}, (80, (64, 64))),
        ({"size": "64x48"}, ((64, 48), None)),
    ],
)
def test_crops(texts: dict[str, str], expected: tuple[object, object]) -> None:
    found = made(preprocess="unit", **texts)
    assert (found.resize, found.crop) == expected


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("scale", "x"),
        ("scale", "1/0"),
        ("mean", "1,2"),
        ("std", "0"),
        ("crop", "-1"),
        ("filter", "cubic"),
        ("size", "a"),
    ],
)
def test_what_makes_no_sense_is_refused(option: str, text: str) -> None:
    with pytest.raises(DeclarationError, match=option):
        parsed_preparation({option: text})
