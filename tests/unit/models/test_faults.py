"""Seeded faults of inputs: what a broken pipeline feeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pytest_envrobust.core.faults import INPUTS, Fault, faults
from pytest_envrobust.models.faults import faulty_batches, part_of
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.models.preprocess import Layout, Preprocess

PIXELS = np.random.default_rng(3).integers(0, 256, (2, 5, 7, 3)).astype(np.uint8)
IMAGES = LoadedInputs(("a", "b"), images=tuple(PIXELS))
CROPPED = Preprocess(resize=16, crop=12, scale=1 / 255, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
OF_ARRAYS = {"colors", "layout", "scale", "shift", "mirrored"}
PLAIN = Preprocess(scale=1 / 255, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))


def faults_of(
    inputs: LoadedInputs, preprocess: Preprocess | None, layout: Layout
) -> dict[tuple[str, float], np.ndarray]:
    """The faulty batches by kind and strength."""
    return {(fault.kind, fault.strength): batch for fault, batch in faulty_batches(inputs, preprocess, layout)}


def kinds_of(inputs: LoadedInputs, preprocess: Preprocess | None, layout: Layout) -> set[str]:
    return {kind for kind, _ in faults_of(inputs, preprocess, layout)}


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_every_fault_keeps_shape_and_dtype_and_changes_the_batch(layout: Layout) -> None:
    batch = IMAGES.batch(CROPPED, layout)
    found = dict(faulty_batches(IMAGES, CROPPED, layout))
    assert {fault.kind for fault in found} == {fault.kind for fault in faults(INPUTS)}
    for faulty in found.values():
        assert (faulty.shape, faulty.dtype) == (batch.shape, batch.dtype)
        assert faulty.flags.c_contiguous
        assert not np.array_equal(faulty, batch)


def test_bgr_is_the_picture_in_the_wrong_order_and_the_mean_in_the_right_one() -> None:
    wrong = LoadedInputs(("a", "b"), images=tuple(PIXELS[..., ::-1]))
    np.testing.assert_array_equal(faults_of(IMAGES, PLAIN, "NCHW")[("colors", 1.0)], wrong.batch(PLAIN, "NCHW"))
    bgr = replace(PLAIN, channels="BGR")
    np.testing.assert_array_equal(faults_of(IMAGES, bgr, "NCHW")[("colors", 1.0)], wrong.batch(bgr, "NCHW"))


def test_colors_are_mixed_with_those_in_reverse_order() -> None:
    array = PIXELS.astype(np.float32)
    found = faults_of(LoadedInputs(("a", "b"), array=array), None, "NHWC")
    np.testing.assert_allclose(found["colors", 0.1], 0.9 * array + 0.1 * array[..., ::-1], rtol=1e-5)


def test_mean_and_deviation_are_off_by_a_share() -> None:
    found = faults_of(IMAGES, PLAIN, "NHWC")["normalization", 0.1]
    off = (PIXELS / 255 - np.multiply(0.9, PLAIN.mean)) / (np.multiply(0.9, PLAIN.std) + 0.1)
    np.testing.assert_allclose(found, off, rtol=1e-4, atol=1e-6)


def test_height_and_width_of_square_images_are_transposed() -> None:
    square = LoadedInputs(("a", "b"), images=tuple(PIXELS[:, :, :5]))
    for layout, order in (("NCHW", (0, 1, 3, 2)), ("NHWC", (0, 2, 1, 3))):
        expected = square.batch(PLAIN, layout).transpose(order)
        np.testing.assert_array_equal(faults_of(square, PLAIN, layout)[("layout", 1.0)], expected)


def test_height_and_width_that_differ_keep_the_shape_and_lose_the_picture() -> None:
    faulty = faults_of(IMAGES, PLAIN, "NCHW")[("layout", 1.0)]
    columns = IMAGES.batch(PLAIN, "NCHW").transpose(0, 1, 3, 2)
    np.testing.assert_array_equal(faulty.reshape(2, 3, 7, 5), columns)


def test_a_mistaken_layout_is_the_other_layout_s_memory() -> None:
    first, last = IMAGES.batch(PLAIN, "NCHW"), IMAGES.batch(PLAIN, "NHWC")
    np.testing.assert_array_equal(faults_of(IMAGES, PLAIN, "NCHW")[("layout", 2.0)].ravel(), last.ravel())
    np.testing.assert_array_equal(faults_of(IMAGES, PLAIN, "NHWC")[("layout", 2.0)].ravel(), first.ravel())


def test_scaled_twice_does_the_arithmetic_again_and_not_normalized_leaves_half_of_it_out() -> None:
    found, batch = faults_of(IMAGES, PLAIN, "NHWC"), IMAGES.batch(PLAIN, "NHWC")
    np.testing.assert_allclose(found[("scale", 2.0)], (batch / 255 - PLAIN.mean) / PLAIN.std, rtol=1e-5)
    np.testing.assert_allclose(found[("normalization", 1.0)], PIXELS / 255, rtol=1e-6)


def test_the_arithmetic_of_bgr_is_done_again_in_its_own_order() -> None:
    bgr = replace(PLAIN, channels="BGR")
    batch = IMAGES.batch(bgr, "NCHW").transpose(0, 2, 3, 1)
    found = faults_of(IMAGES, bgr, "NCHW")[("scale", 2.0)].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found, (batch / 255 - PLAIN.mean) / PLAIN.std, rtol=1e-5)


def test_what_is_not_scaled_cannot_be_scaled_twice() -> None:
    assert kinds_of(IMAGES, Preprocess(dtype="uint8"), "NHWC") == OF_ARRAYS


def test_an_array_has_no_arithmetic_to_mistake() -> None:
    array = PIXELS.astype(np.float32)
    found = faults_of(LoadedInputs(("a", "b"), array=array), None, "NHWC")
    assert {kind for kind, _ in found} == OF_ARRAYS
    np.testing.assert_array_equal(found[("colors", 1.0)], array[..., ::-1])


def test_an_array_that_is_relaid_is_mistaken_in_the_layout_that_it_is_fed_in() -> None:
    inputs = LoadedInputs(("a", "b"), array=PIXELS, layout="NHWC")
    np.testing.assert_array_equal(
        faults_of(inputs, None, "NCHW")[("colors", 1.0)], PIXELS.transpose(0, 3, 1, 2)[:, ::-1]
    )


def test_an_array_without_a_layout_tells_its_channels_by_its_shape() -> None:
    found = faults_of(LoadedInputs(("a", "b"), array=PIXELS), None, "NCHW")
    np.testing.assert_array_equal(found[("colors", 1.0)], PIXELS[..., ::-1])


def test_gray_images_have_no_channels_to_mistake() -> None:
    gray = np.random.default_rng(0).random((2, 1, 5, 5), dtype=np.float32)
    assert kinds_of(LoadedInputs(("a", "b"), array=gray), None, "NCHW") == OF_ARRAYS - {"colors"}


def test_what_changes_no_bit_is_left_out() -> None:
    flat = np.full((2, 3, 4, 4), np.nan, dtype=np.float32)
    assert faults_of(LoadedInputs(("a", "b"), array=flat), None, "NCHW") == {}
    flat[:, 0] = 1
    assert kinds_of(LoadedInputs(("a", "b"), array=flat), None, "NCHW") == {"colors", "layout", "scale"}


def test_what_is_no_image_has_no_fault_of_images() -> None:
    rows = np.random.default_rng(0).random((2, 3), dtype=np.float32)
    wide = np.random.default_rng(0).random((2, 8, 8, 8), dtype=np.float32)
    for array in (rows, wide):
        found = faults_of(LoadedInputs(("a", "b"), array=array), None, "NCHW")
        assert list(found) == [("scale", 0.01), ("scale", 0.1), ("scale", 0.4)]
        np.testing.assert_allclose(found["scale", 0.4], array / 1.4, rtol=1e-6)


def test_faults_are_made_one_at_a_time_and_only_those_asked_for() -> None:
    asked = faulty_batches(IMAGES, PLAIN, "NCHW", (Fault("layout", 1.0), Fault("colors", 1.0)))
    assert next(asked)[0].kind == "layout"
    assert [fault.kind for fault, _ in asked] == ["colors"]


def made(kind: str, preprocess: Preprocess, images: LoadedInputs = IMAGES) -> dict[float, np.ndarray]:
    """The NHWC batches of a kind of fault, by strength."""
    asked = [fault for fault in faults(INPUTS) if fault.kind == kind]
    return {fault.strength: batch for fault, batch in faulty_batches(images, preprocess, "NHWC", asked)}


def test_another_filter_is_used_and_nearest_neighbor_is_the_strongest() -> None:
    found = made("filter", CROPPED)
    for strength, used in ((1.0, "bicubic"), (2.0, "nearest")):
        np.testing.assert_array_equal(found[strength], IMAGES.batch(replace(CROPPED, filter=used), "NHWC"))
    assert made("filter", PLAIN) == {}, "nothing is resized"


def test_a_picture_that_is_wholly_squashed_is_seen_to_its_edges() -> None:
    found = made("squash", CROPPED)
    np.testing.assert_array_equal(found[1.0], IMAGES.batch(replace(CROPPED, resize=(12, 12), crop=None), "NHWC"))
    away = [np.abs(batch - IMAGES.batch(CROPPED, "NHWC")).mean() for batch in found.values()]
    assert away == sorted(away), "the strength grows"


def test_what_is_declared_squashed_is_cropped() -> None:
    squashed = replace(CROPPED, resize=(12, 12), crop=None)
    expected = IMAGES.batch(replace(CROPPED, resize=12), "NHWC")
    np.testing.assert_array_equal(made("squash", squashed)[1.0], expected)


def test_a_smaller_share_is_seen_of_a_picture_that_is_resized_to_more() -> None:
    expected = IMAGES.batch(replace(CROPPED, resize=(18, 25)), "NHWC")  # 16 × 22 by 1.14
    np.testing.assert_array_equal(made("crop", CROPPED)[0.14], expected)
    assert made("crop", PLAIN) == {}


def test_pixels_move_right_and_down_and_the_edge_is_repeated() -> None:
    batch, found = IMAGES.batch(PLAIN, "NHWC"), made("shift", PLAIN)
    assert list(found) == [1.0, 3.0], "8 pixels are more than there are"
    np.testing.assert_array_equal(found[3.0][:, 3:, 3:], batch[:, :-3, :-3])
    np.testing.assert_array_equal(found[3.0][:, :3, 3:], np.repeat(batch[:, :1, :-3], 3, axis=1))


def test_a_mirrored_picture_has_its_columns_in_reverse_order() -> None:
    np.testing.assert_array_equal(made("mirrored", PLAIN)[1.0], IMAGES.batch(PLAIN, "NHWC")[:, :, ::-1])


def test_pixels_that_are_fed_as_integers_are_scaled_before_they_are_rounded() -> None:
    raw = Preprocess(dtype="uint8")
    assert np.abs(made("scale", raw)[0.4].astype(float) - PIXELS / 1.4).max() <= 0.5 + 1e-4


def test_a_part_of_inputs_keeps_names_and_layout() -> None:
    assert part_of(IMAGES, [1]).names == ("b",)
    np.testing.assert_array_equal(part_of(IMAGES, [1]).batch(PLAIN, "NCHW"), IMAGES.batch(PLAIN, "NCHW")[1:])
    part = part_of(LoadedInputs(("a", "b"), array=PIXELS, layout="NHWC"), [1, 0])
    assert part.layout == "NHWC"
    np.testing.assert_array_equal(part.batch(None, "NHWC"), PIXELS[::-1])
