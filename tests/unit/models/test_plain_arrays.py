from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pytest_envrobust import Arrays, DeclarationError, ImageFolder, Model, zoo
from pytest_envrobust.models.plain_arrays import plain_array

BATCH = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)


@pytest.mark.parametrize("given", [BATCH, list(BATCH), tuple(BATCH), [BATCH[:1], BATCH[1:]], BATCH.tolist()])
def test_arrays_are_a_models_inputs(given: Any) -> None:
    inputs = Model("net", {"onnx": "net.onnx"}, inputs=given).input_set
    assert isinstance(inputs, Arrays)
    np.testing.assert_array_equal(inputs.load().array, BATCH)
    np.testing.assert_array_equal(Arrays(given).load().array, BATCH)


def test_an_array_is_a_built_in_models_inputs() -> None:
    images = np.zeros((2, 224, 224, 3), dtype=np.uint8)
    found = zoo.mobilenet_v2(images).input_set.load()
    assert found.images is not None
    assert len(found.images) == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, r"inputs by name \(none\)"),
        ({"image": BATCH, 2: BATCH}, r"inputs by name \('image' and 2\).*has the name of the model's input"),
        ({"image": BATCH, "more": {"a": BATCH, "b": BATCH}}, "inputs by name, of which more has names in it"),
        (["a.jpg", "b.jpg"], r"a list of 2 paths.*er\.ImageFolder"),
        ([Path("a.jpg")], r"a list of 1 paths"),
        ([BATCH, {}], "as a list of numpy.ndarray"),
        ([np.zeros((3, 4)), np.zeros((3, 5))], r"arrays of 2 shapes \(\(3, 4\), \(3, 5\), ...\).*numpy\.stack"),
        ([[1, 2], [3]], "a list that makes no array"),
        (np.array([None, 1]), "inputs of dtype object.*real numbers"),
        (np.array(["a"]), "inputs of dtype <U1"),
        ((row for row in BATCH), r"inputs of type generator.*give a numpy array, er\.ImageFolder\(path\)"),
        (ImageFolder, "inputs of type abc.ABCMeta"),
        (Image.new("RGB", (4, 4)), r"inputs of type PIL\.Image\.Image.*numpy\.asarray\(picture"),
        ([Image.new("RGB", (4, 4))], r"inputs of type PIL\.Image\.Image"),
    ],
)
def test_what_is_no_array_is_refused_with_a_remedy(given: Any, said: str) -> None:
    with pytest.raises(DeclarationError, match=f"model 'net': .*{said}"):
        Model("net", {"onnx": "net.onnx"}, inputs=given)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_tensor_is_refused_with_the_call_that_makes_an_array(wrapped: bool) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    tensor = torch.zeros(2, 3, requires_grad=True)
    given = [tensor] if wrapped else tensor
    with pytest.raises(
        DeclarationError, match=r"inputs of type torch\.Tensor.*: x\.detach\(\)\.cpu\(\)\.numpy\(\)"
    ) as caught:
        Arrays(given)
    assert plain_array(eval(caught.value.remedy.partition(": ")[2], {"x": tensor})).shape == (2, 3)
