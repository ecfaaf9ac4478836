"""One preprocessing with parts of another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pytest_envrobust.models.preprocess import Preprocess
from pytest_envrobust.models.preprocess_parts import PARTS, differing_parts, with_parts

SQUASHED = Preprocess.inception(224, resize=(224, 224), crop=None, filter="nearest")
CROPPED = Preprocess.imagenet(224)
SIZE = (224, 224)


@pytest.fixture(scope="module")
def pictures():
    random = np.random.default_rng(0)
    return [random.integers(0, 256, shape, dtype=np.uint8) for shape in ((40, 60, 3), (50, 44, 3))]


def batch(preprocess: Preprocess, pictures):
    return preprocess.apply(pictures, layout="NHWC")


def test_each_part_is_taken_alone() -> None:
    assert differing_parts(SQUASHED, CROPPED, SIZE) == ("filter", "geometry", "values")
    assert with_parts(SQUASHED, CROPPED, ["filter"], SIZE) == replace(SQUASHED, filter="bilinear")
    assert with_parts(SQUASHED, CROPPED, ["geometry"], SIZE) == replace(SQUASHED, resize=256, crop=224)
    values = with_parts(SQUASHED, CROPPED, ["values"], SIZE)
    assert (values.scale, values.mean, values.std) == (CROPPED.scale, CROPPED.mean, CROPPED.std)
    assert (values.resize, values.filter) == (SQUASHED.resize, SQUASHED.filter)


def test_with_all_parts_the_batch_is_the_others(pictures) -> None:
    others = [CROPPED, Preprocess.caffe(224, filter="bicubic"), replace(CROPPED, channels="BGR")]
    for own in (SQUASHED, Preprocess.caffe(224)):
        for other in others:
            np.testing.assert_array_equal(batch(with_parts(own, other, PARTS, SIZE), pictures), batch(other, pictures))


def test_equal_ones_differ_in_nothing_however_they_are_written() -> None:
    half = (0.5, 0.5, 0.5)
    assert differing_parts(Preprocess.inception(224), Preprocess.inception(224), SIZE) == ()
    assert differing_parts(SQUASHED, replace(SQUASHED, scale=1 / 255, mean=half, std=half), SIZE) == ()
    assert differing_parts(SQUASHED, replace(SQUASHED, crop=224, mean=(1.0,), layout="NCHW"), SIZE) == ()
    assert differing_parts(CROPPED, replace(CROPPED, crop=(224, 224)), SIZE) == ()
    caffe = Preprocess.caffe(224)
    turned = replace(caffe, channels="RGB", mean=caffe.mean[::-1])
    assert differing_parts(caffe, turned, SIZE) == ("channels",)


def test_a_filter_that_resizes_nothing_is_no_difference() -> None:
    as_they_are = replace(CROPPED, resize=None, filter="nearest")
    assert differing_parts(as_they_are, CROPPED, SIZE) == ("geometry",)
    assert differing_parts(CROPPED, as_they_are, SIZE) == ("geometry",)
    taken = with_parts(as_they_are, CROPPED, ["geometry"], SIZE)
    assert (taken.resize, taken.filter) == (256, "bilinear")


def test_the_order_of_channels_moves_each_color_with_its_values(pictures) -> None:
    taken = batch(with_parts(CROPPED, Preprocess.caffe(224), ["channels"], SIZE), pictures)
    np.testing.assert_array_equal(taken, batch(CROPPED, pictures)[..., ::-1])


def test_values_go_to_the_color_that_they_belong_to(pictures) -> None:
    caffe = Preprocess.caffe(224)
    taken = batch(with_parts(CROPPED, caffe, ["values"], SIZE), pictures)
    np.testing.assert_array_equal(taken, batch(caffe, pictures)[..., ::-1])


def test_the_geometry_is_scaled_to_the_size_that_the_source_takes(pictures) -> None:
    small = Preprocess.inception(112)
    assert differing_parts(small, CROPPED, (112, 112)) == ("values",)
    taken = with_parts(replace(small, resize=(112, 112), crop=None), CROPPED, ["geometry"], (112, 112))
    assert (taken.resize, taken.crop) == (128, (112, 112))
    wide = Preprocess(resize=(64, 96))
    squashed = with_parts(wide, SQUASHED, ["geometry"], (64, 96))
    assert (squashed.resize, squashed.crop) == ((64, 96), None)
    assert batch(with_parts(wide, CROPPED, ["geometry"], (64, 96)), [np.zeros((200, 300, 3), np.uint8)]).shape == (
        1, 64, 96, 3,
    )  # fmt: skip


def test_one_gray_channel_stays_one(pictures) -> None:
    gray = Preprocess.unit(28, channels="gray")
    assert differing_parts(gray, Preprocess.unit(28), (28, 28)) == ()
    assert differing_parts(gray, Preprocess.imagenet(28), (28, 28)) == ("values",)
    taken = with_parts(gray, Preprocess.imagenet(28), PARTS, (28, 28))
    np.testing.assert_array_equal(batch(taken, pictures), batch(Preprocess.imagenet(28, channels="gray"), pictures))
    colored = with_parts(Preprocess.unit(28), Preprocess.imagenet(28, channels="gray"), PARTS, (28, 28))
    assert colored.channels == "RGB"
    assert colored.mean == pytest.approx([sum(CROPPED.mean) / 3])
