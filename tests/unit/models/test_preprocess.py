from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_envrobust import DeclarationError, Preprocess


def image(*pixel: int, size: tuple[int, int] = (4, 4)) -> NDArray[np.uint8]:
    return np.tile(np.array(pixel, dtype=np.uint8), (*size, 1))


def ramp(height: int, width: int) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows, columns, rows + columns], axis=-1).astype(np.uint8)


def first_pixel(preprocess: Preprocess, *pixel: int, size: tuple[int, int] = (64, 64)) -> list[float]:
    batch = preprocess.apply([image(*pixel, size=size)], layout="NHWC")
    assert np.allclose(batch, batch[0, 0, 0], atol=1e-6)
    values: list[float] = batch[0, 0, 0].tolist()
    return values


def test_imagenet_by_hand() -> None:
    expected = [(51 / 255 - 0.485) / 0.229, (102 / 255 - 0.456) / 0.224, (255 / 255 - 0.406) / 0.225]
    assert first_pixel(Preprocess.imagenet(32), 51, 102, 255) == pytest.approx(expected, abs=1e-5)


def test_inception_by_hand() -> None:
    assert first_pixel(Preprocess.inception(32), 0, 255, 51) == pytest.approx([-1.0, 1.0, -0.6], abs=1e-6)


def test_caffe_by_hand() -> None:
    expected = [30 - 103.939, 20 - 116.779, 10 - 123.68]
    assert first_pixel(Preprocess.caffe(32), 10, 20, 30) == pytest.approx(expected, abs=1e-4)


def test_raw_by_hand() -> None:
    assert first_pixel(Preprocess.raw(32), 10, 20, 255) == [10.0, 20.0, 255.0]


def test_custom_scale_mean_and_std() -> None:
    preprocess = Preprocess(scale=1 / 128, mean=(127 / 128,) * 3)
    assert first_pixel(preprocess, 0, 127, 255) == pytest.approx([-127 / 128, 0.0, 1.0], abs=1e-6)


def test_mean_and_std_follow_the_channel_order() -> None:
    preprocess = Preprocess(channels="BGR", mean=(1.0, 2.0, 3.0), std=(1.0, 2.0, 4.0))
    assert first_pixel(preprocess, 10, 20, 30) == pytest.approx([29.0, 9.0, 1.75])


@pytest.mark.parametrize(("layout", "shape"), [("NCHW", (2, 3, 4, 6)), ("NHWC", (2, 4, 6, 3))])
def test_layout(layout: Any, shape: tuple[int, ...]) -> None:
    pictures = [ramp(4, 6), ramp(4, 6)]
    batch = Preprocess().apply(pictures, layout=layout)
    assert batch.shape == shape
    assert batch.flags.c_contiguous
    assert batch.dtype == np.float32
    pixel = batch[1, :, 3, 5] if layout == "NCHW" else batch[1, 3, 5]
    assert pixel.tolist() == [3.0, 5.0, 8.0]


def test_a_declared_layout_wins() -> None:
    assert Preprocess(layout="NHWC").apply([ramp(4, 6)], layout="NCHW").shape == (1, 4, 6, 3)


def test_a_center_crop() -> None:
    batch = Preprocess(crop=(2, 4)).apply([ramp(6, 7)], layout="NHWC")
    assert batch[0, :, :, 0].tolist() == [[2.0] * 4, [3.0] * 4]
    assert batch[0, 0, :, 1].tolist() == [1.0, 2.0, 3.0, 4.0]


def test_resizing_the_shorter_side_keeps_the_proportions() -> None:
    assert Preprocess(resize=8).apply([ramp(4, 6)], layout="NHWC").shape == (1, 8, 12, 3)
    assert Preprocess(resize=8).apply([ramp(6, 4)], layout="NHWC").shape == (1, 12, 8, 3)


def test_resizing_to_height_and_width() -> None:
    assert Preprocess(resize=(5, 9)).apply([ramp(4, 6)], layout="NHWC").shape == (1, 5, 9, 3)


def test_the_filter_counts() -> None:
    checkers = np.zeros((8, 8, 3), dtype=np.uint8)
    checkers[::2, ::2] = 255
    nearest = Preprocess(resize=4, filter="nearest").apply([checkers], layout="NHWC")
    smooth = Preprocess(resize=4, filter="box").apply([checkers], layout="NHWC")
    assert set(np.unique(nearest)) <= {0.0, 255.0}
    assert np.unique(smooth).tolist() == [64.0]


def test_named_ones_resize_then_crop() -> None:
    preprocess = Preprocess.imagenet(224)
    assert (preprocess.resize, preprocess.crop) == (256, 224)
    assert Preprocess.raw(32).apply([ramp(40, 60)], layout="NCHW").shape == (1, 3, 32, 32)


def test_named_ones_can_be_changed() -> None:
    preprocess = Preprocess.inception(299, resize=320, filter="bicubic", layout="NHWC")
    assert (preprocess.resize, preprocess.filter, preprocess.layout, preprocess.crop) == (320, "bicubic", "NHWC", 299)


def test_uint8_is_the_pixels_themselves() -> None:
    picture = ramp(4, 6)
    batch = Preprocess(dtype="uint8").apply([picture], layout="NHWC")
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch[0], picture)


def test_int8_is_rounded_and_clipped() -> None:
    preprocess = Preprocess(mean=(128.0,) * 3, dtype="int8")
    batch = preprocess.apply([image(0, 128, 255)], layout="NHWC")
    assert batch.dtype == np.int8
    assert batch[0, 0, 0].tolist() == [-128, 0, 127]
    half = Preprocess(scale=0.5, dtype="uint8").apply([image(1, 3, 255)], layout="NHWC")
    assert half[0, 0, 0].tolist() == [0, 2, 128]
    clipped = Preprocess(scale=2.0, dtype="uint8").apply([image(100, 127, 255)], layout="NHWC")
    assert clipped[0, 0, 0].tolist() == [200, 254, 255]


def test_float16() -> None:
    batch = Preprocess.inception(4, resize=None, dtype="float16").apply([image(0, 255, 0)], layout="NCHW")
    assert batch.dtype == np.float16
    assert batch[0, :, 0, 0].tolist() == [-1.0, 1.0, -1.0]


def test_the_image_is_not_changed() -> None:
    picture = ramp(8, 8)
    kept = picture.copy()
    Preprocess.caffe(4).apply([picture], layout="NCHW")[:] = 0
    Preprocess(dtype="uint8").apply([picture], layout="NHWC")[:] = 0
    np.testing.assert_array_equal(picture, kept)


def test_a_crop_larger_than_the_image() -> None:
    with pytest.raises(DeclarationError, match="an image of 4 × 6 is smaller than the crop of 5 × 5"):
        Preprocess(crop=5).apply([ramp(4, 6)], layout="NHWC")


def test_images_that_end_in_different_sizes() -> None:
    with pytest.raises(DeclarationError, match="images end in 2 different sizes") as caught:
        Preprocess(resize=4).apply([ramp(4, 6), ramp(4, 8), ramp(4, 8)], layout="NHWC")
    assert "crop" in caught.value.remedy


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"filter": "cubic"}, "filter='cubic'"),
        ({"channels": "GBR"}, "channels='GBR'"),
        ({"layout": "CHWN"}, "layout='CHWN'"),
        ({"dtype": "float64"}, "dtype='float64'"),
        ({"resize": 0}, "resize=0"),
        ({"crop": -4}, "crop=-4"),
        ({"crop": (4, 0)}, "crop=(4, 0)"),
        ({"crop": (4, 4, 4)}, "crop=(4, 4, 4)"),
        ({"resize": 2.5}, "resize=2.5"),
        ({"resize": "224"}, "resize='224'"),
        ({"mean": 0.5}, "mean=0.5"),
        ({"mean": (1.0, 2.0)}, "mean=(1.0, 2.0)"),
        ({"mean": (float("nan"), 0.0, 0.0)}, "mean="),
        ({"std": (1.0, 0.0, 1.0)}, "std="),
        ({"std": (1.0, float("inf"), 1.0)}, "std="),
    ],
)
def test_values_that_make_no_sense(arguments: dict[str, Any], word: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        Preprocess(**arguments)
    assert f"preprocess {word}" in caught.value.thing
    assert caught.value.cause
