"""From real values to what an input takes."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_envrobust import DeclarationError, Preprocess
from pytest_envrobust.core.tensors import Quantization, TensorSpec
from pytest_envrobust.models.feeding import clipped_by_dtype, fed, reading_of, suited, turned

SIGNED = TensorSpec((None, 4), "int8", quantization=Quantization(0.5, -2))
PICTURE = TensorSpec((1, 8, 8, 3), "uint8", quantization=Quantization(1 / 127.5, 127))


def test_real_values_become_integers_by_scale_and_zero_point_half_to_even() -> None:
    made = fed(np.array([[-1.0, 0.0, 0.25, 0.75]], np.float32), SIGNED)
    assert made.batch.dtype == np.int8
    assert made.batch.tolist() == [[-4, -2, -2, 0]]
    assert made.notices == ()


def test_integers_of_its_own_dtype_are_fed_as_they_are_and_others_are_real_values() -> None:
    stored = np.array([[-4, 0, 1, 2]], np.int8)
    assert fed(stored, SIGNED).batch is stored
    assert fed(stored.astype(np.int32), SIGNED).batch.tolist() == [[-10, -2, 0, 2]]


def test_values_outside_are_clipped_and_told_with_their_share_and_a_remedy() -> None:
    spec = TensorSpec((1, 4), "uint8", quantization=Quantization(1 / 255))
    made = fed(np.array([[-0.5, 0.0, 1.0, 2.0]], np.float32), spec)
    assert made.batch.tolist() == [[0, 0, 255, 255]]
    (notice,) = made.notices
    assert "50%" in notice
    assert "0 to 1" in notice
    assert "-0.5 to 2" in notice
    assert "--envrobust-preprocess unit" in notice


def test_an_integer_input_without_a_scale_takes_whole_numbers_that_it_holds_and_no_others() -> None:
    spec = TensorSpec((None, 2), "uint8")
    assert fed(np.array([[0.0, 255.0]], np.float32), spec).batch.dtype == np.uint8
    for values, said in (([0.5, 1.0], "fractions"), ([0.0, 256.0], "from 0 to 256"), ([0.0, np.nan], "not finite")):
        with pytest.raises(DeclarationError, match=said):
            fed(np.array([values], np.float32), spec)


def test_a_gray_input_makes_one_channel_of_a_declared_preprocessing() -> None:
    assert suited(Preprocess.unit(8), TensorSpec((1, 1, 8, 8))) == Preprocess.unit(8, channels="gray")


def test_an_integer_dtype_for_a_quantized_input_is_read_as_what_its_values_fit_and_told() -> None:
    pixels, real = Preprocess.raw(8, dtype="uint8"), Preprocess.inception(8, dtype="uint8")
    assert suited(pixels, PICTURE) == pixels
    assert "own integers" in reading_of(pixels, PICTURE)
    assert suited(real, PICTURE) == Preprocess.inception(8)
    assert "real values" in reading_of(real, PICTURE)
    assert reading_of(pixels, TensorSpec((1, 8, 8, 3), "uint8", quantization=Quantization(1.0))) == ""


def test_rounding_that_leaves_nothing_of_a_picture_is_refused() -> None:
    with pytest.raises(DeclarationError, match="next to nothing"):
        suited(Preprocess.inception(8, dtype="uint8"), TensorSpec((1, 8, 8, 3), "uint8"))


def test_what_an_integer_dtype_cuts_off_is_told() -> None:
    real = np.array([0.0, 100.0, 200.0, 255.0], np.float32)
    assert clipped_by_dtype(Preprocess.raw(8, dtype="int8"), real).startswith("50% ")
    assert clipped_by_dtype(Preprocess.raw(8, dtype="uint8"), real) == ""


def test_channels_of_a_function_s_array_stand_where_the_input_has_them() -> None:
    last = np.zeros((2, 8, 9, 3), np.float32)
    assert turned(last, TensorSpec((1, 3, 8, 9)), "NHWC").shape == (2, 3, 8, 9)
    assert turned(last, None, "NCHW").shape == (2, 3, 8, 9)
    assert turned(last, TensorSpec((1, 8, 9, 3)), "NCHW") is last
