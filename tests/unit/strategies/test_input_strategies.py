"""Images and batches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.strategies import batches, images

SHAPES = {"HWC": (6, 8, 3), "CHW": (3, 6, 8), "NHWC": (1, 6, 8, 3), "NCHW": (1, 3, 6, 8)}


@settings(max_examples=60)
@given(st.data(), st.sampled_from(sorted(SHAPES)), st.sampled_from(["uint8", "float16", "float32", "float64"]))
def test_images_are_what_was_asked_for(data: st.DataObject, layout, dtype: str) -> None:
    image = data.draw(images((6, 8), dtype, layout))
    assert (image.shape, image.dtype) == (SHAPES[layout], np.dtype(dtype))
    assert image.flags.c_contiguous
    assert image.min() >= 0
    assert image.max() <= (255 if dtype == "uint8" else 1)


def test_images_shrink_to_black_and_can_be_anything() -> None:
    assert not find(images((6, 8)), lambda _: True).any()
    assert len(np.unique(find(images((6, 8)), lambda image: len(np.unique(image)) > 40))) > 40
    assert find(images((6, 8), "float32"), lambda image: image.mean() > 0.9).mean() > 0.9


def test_batches_of_an_array_are_some_of_its_rows_in_any_order() -> None:
    array = np.arange(5).repeat(2).reshape(5, 2)
    np.testing.assert_array_equal(find(batches(array), lambda _: True), array[:1])
    assert find(batches(array), lambda batch: batch[:, 0].tolist() == [4, 0, 4]).shape == (3, 2)
    with pytest.raises(DeclarationError, match="batches of no inputs"):
        batches(array[:0])


@given(st.data())
def test_batches_of_inputs_keep_names_and_pictures_together(data: st.DataObject) -> None:
    pictures = tuple(np.full((2, 2, 3), number, dtype=np.uint8) for number in range(4))
    chosen = data.draw(batches(LoadedInputs(tuple("abcd"), images=pictures), max_size=3))
    assert 1 <= len(chosen) <= 3
    assert chosen.images is not None
    assert ["abcd"[image[0, 0, 0]] for image in chosen.images] == list(chosen.names)


@pytest.mark.parametrize("asked", [{"dtype": "int8"}, {"layout": "WHC"}])
def test_what_is_no_image_is_refused(asked) -> None:
    with pytest.raises(DeclarationError, match="images"):
        images((6, 8), **asked)
