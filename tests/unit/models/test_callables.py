"""A function as the preprocessing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_envrobust import DeclarationError, ImageFolder, Model
from pytest_envrobust.models.callables import FunctionPreprocess, declared_preprocess

IMAGES = [np.full((4, 5, 3), 51, np.uint8), np.full((4, 5, 3), 255, np.uint8)]


def prepared(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    array = image / 255
    image[:] = 0  # its own copy
    return array


def of_the_second(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image[0, 0, 0] == 255:
        raise ValueError("too white")
    return image


def test_it_is_called_for_each_image_and_named_in_the_record() -> None:
    function = declared_preprocess(prepared)
    assert isinstance(function, FunctionPreprocess)
    batch = function.apply(IMAGES, layout="NCHW")
    assert (batch.shape, batch.dtype) == ((2, 4, 5, 3), np.float32)
    assert batch[:, 0, 0, 0].tolist() == pytest.approx([0.2, 1.0])
    assert str(function).startswith(f"{__name__}:prepared (code ")


def test_an_error_names_the_input_and_the_function() -> None:
    with pytest.raises(DeclarationError, match=r"of_the_second.*fails for b\.png: ValueError: too white"):
        FunctionPreprocess(of_the_second).apply(IMAGES, layout="NCHW", names=["a.png", "b.png"])
    with pytest.raises(DeclarationError, match=r"no array of numbers for a\.png"):
        FunctionPreprocess(lambda image: "text").apply(IMAGES, layout="NCHW", names=["a.png", "b.png"])
    sizes = iter([3, 4])
    with pytest.raises(DeclarationError, match=r"\(4,\) for b\.png"):
        FunctionPreprocess(lambda image: np.zeros(next(sizes))).apply(IMAGES, layout="NCHW", names=["a.png", "b.png"])


def test_what_is_no_preprocessing_is_refused() -> None:
    model = Model("net", sources={"onnx": __file__}, inputs=ImageFolder(".", preprocess="imagenet"))  # type: ignore[arg-type]
    with pytest.raises(DeclarationError, match=r"er\.Preprocess, or a function"):
        model.check()
