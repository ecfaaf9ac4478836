"""Seeded faults of inputs: what a broken pipeline feeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pytest_envrobust.models.faults import INPUT_FAULTS, faulty_batches, part_of
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.models.preprocess import Layout, Preprocess

PIXELS = np.random.default_rng(3).integers(0, 256, (2, 5, 7, 3)).astype(np.uint8)
IMAGES = LoadedInputs(("a", "b"), images=tuple(PIXELS))
PLAIN = Preprocess(scale=1 / 255, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))


def faults_of(inputs: LoadedInputs, preprocess: Preprocess | None, layout: Layout) -> dict[str, np.ndarray]:
    return dict(faulty_batches(inputs, preprocess, layout))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_every_fault_keeps_shape_and_dtype_and_changes_the_batch(layout: Layout) -> None:
    batch, found = IMAGES.batch(PLAIN, layout), faults_of(IMAGES, PLAIN, layout)
    assert tuple(found) == INPUT_FAULTS
    for faulty in found.values():
        assert (faulty.shape, faulty.dtype) == (batch.shape, batch.dtype)
        assert faulty.flags.c_contiguous
        assert not np.array_equal(faulty, batch)


def test_bgr_is_the_picture_in_the_wrong_order_and_the_mean_in_the_right_one() -> None:
    wrong = LoadedInputs(("a", "b"), images=tuple(PIXELS[..., ::-1]))
    np.testing.assert_array_equal(faults_of(IMAGES, PLAIN, "NCHW")["bgr"], wrong.batch(PLAIN, "NCHW"))
    bgr = replace(PLAIN, channels="BGR")
    np.testing.assert_array_equal(faults_of(IMAGES, bgr, "NCHW")["bgr"], wrong.batch(bgr, "NCHW"))


def test_height_and_width_of_square_images_are_transposed() -> None:
    square = LoadedInputs(("a", "b"), images=tuple(PIXELS[:, :, :5]))
    for layout, order in (("NCHW", (0, 1, 3, 2)), ("NHWC", (0, 2, 1, 3))):
        expected = square.batch(PLAIN, layout).transpose(order)
        np.testing.assert_array_equal(faults_of(square, PLAIN, layout)["height-width"], expected)


def test_height_and_width_that_differ_keep_the_shape_and_lose_the_picture() -> None:
    faulty = faults_of(IMAGES, PLAIN, "NCHW")["height-width"]
    columns = IMAGES.batch(PLAIN, "NCHW").transpose(0, 1, 3, 2)
    np.testing.assert_array_equal(faulty.reshape(2, 3, 7, 5), columns)


def test_a_mistaken_layout_is_the_other_layout_s_memory() -> None:
    first, last = IMAGES.batch(PLAIN, "NCHW"), IMAGES.batch(PLAIN, "NHWC")
    np.testing.assert_array_equal(faults_of(IMAGES, PLAIN, "NCHW")["layout"].ravel(), last.ravel())
    np.testing.assert_array_equal(faults_of(IMAGES, PLAIN, "NHWC")["layout"].ravel(), first.ravel())


def test_scaled_twice_does_the_arithmetic_again_and_not_normalized_leaves_half_of_it_out() -> None:
    found, batch = faults_of(IMAGES, PLAIN, "NHWC"), IMAGES.batch(PLAIN, "NHWC")
    np.testing.assert_allclose(found["scaled-twice"], (batch / 255 - PLAIN.mean) / PLAIN.std, rtol=1e-5)
    np.testing.assert_allclose(found["not-normalized"], PIXELS / 255, rtol=1e-6)


def test_the_arithmetic_of_bgr_is_done_again_in_its_own_order() -> None:
    bgr = replace(PLAIN, channels="BGR")
    batch = IMAGES.batch(bgr, "NCHW").transpose(0, 2, 3, 1)
    found = faults_of(IMAGES, bgr, "NCHW")["scaled-twice"].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found, (batch / 255 - PLAIN.mean) / PLAIN.std, rtol=1e-5)


def test_what_is_not_scaled_cannot_be_scaled_twice() -> None:
    assert set(faults_of(IMAGES, Preprocess(dtype="uint8"), "NHWC")) == {"bgr", "height-width", "layout"}


def test_an_array_has_no_arithmetic_to_mistake() -> None:
    array = PIXELS.astype(np.float32)
    found = faults_of(LoadedInputs(("a", "b"), array=array), None, "NHWC")
    assert set(found) == {"bgr", "height-width", "layout"}
    np.testing.assert_array_equal(found["bgr"], array[..., ::-1])


def test_an_array_that_is_relaid_is_mistaken_in_the_layout_that_it_is_fed_in() -> None:
    inputs = LoadedInputs(("a", "b"), array=PIXELS, layout="NHWC")
    np.testing.assert_array_equal(faults_of(inputs, None, "NCHW")["bgr"], PIXELS.transpose(0, 3, 1, 2)[:, ::-1])


def test_an_array_without_a_layout_tells_its_channels_by_its_shape() -> None:
    found = faults_of(LoadedInputs(("a", "b"), array=PIXELS), None, "NCHW")
    np.testing.assert_array_equal(found["bgr"], PIXELS[..., ::-1])


def test_gray_images_can_only_be_turned() -> None:
    gray = np.random.default_rng(0).random((2, 1, 5, 5), dtype=np.float32)
    assert set(faults_of(LoadedInputs(("a", "b"), array=gray), None, "NCHW")) == {"height-width"}


def test_what_changes_no_bit_is_left_out() -> None:
    flat = np.full((2, 3, 4, 4), np.nan, dtype=np.float32)
    assert faults_of(LoadedInputs(("a", "b"), array=flat), None, "NCHW") == {}
    flat[:, 0] = 1
    assert set(faults_of(LoadedInputs(("a", "b"), array=flat), None, "NCHW")) == {"bgr", "layout"}


def test_what_is_no_image_has_no_fault_of_images() -> None:
    rows = np.random.default_rng(0).random((2, 3), dtype=np.float32)
    wide = np.random.default_rng(0).random((2, 8, 8, 8), dtype=np.float32)
    assert faults_of(LoadedInputs(("a", "b"), array=rows), None, "NCHW") == {}
    assert faults_of(LoadedInputs(("a", "b"), array=wide), None, "NCHW") == {}


def test_faults_are_made_one_at_a_time_and_only_those_asked_for() -> None:
    asked = faulty_batches(IMAGES, PLAIN, "NCHW", ("layout", "bgr"))
    assert next(asked)[0] == "layout"
    assert [name for name, _ in asked] == ["bgr"]


def test_a_part_of_inputs_keeps_names_and_layout() -> None:
    assert part_of(IMAGES, [1]).names == ("b",)
    np.testing.assert_array_equal(part_of(IMAGES, [1]).batch(PLAIN, "NCHW"), IMAGES.batch(PLAIN, "NCHW")[1:])
    part = part_of(LoadedInputs(("a", "b"), array=PIXELS, layout="NHWC"), [1, 0])
    assert part.layout == "NHWC"
    np.testing.assert_array_equal(part.batch(None, "NHWC"), PIXELS[::-1])
