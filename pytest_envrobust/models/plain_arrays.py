"""One numpy array from what users hand over as inputs, or a sentence that says what to hand over instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.named_inputs import combined
from pytest_envrobust.core.wording import listed

_TO_NUMPY: Mapping[str, str] = {
    "torch": "x.detach().cpu().numpy()",
    "tensorflow": "x.numpy()",
    "keras": "keras.ops.convert_to_numpy(x)",
    "jax": "numpy.asarray(x)",
    "jaxlib": "numpy.asarray(x)",
    "cupy": "x.get()",
    "PIL": "numpy.asarray(picture.convert('RGB'))",
}
_ONE_ARRAY = "inputs are one array, whose first dimension counts them"


def plain_array(value: Any) -> NDArray[Any]:
    """The array of an array, or of a list or tuple of arrays or numbers, an input each.

    Arrays of shape (1, ...) with four dimensions in a list are batches of one input, and joined. A mapping of names to
    these is one array of named inputs, see `core.named_inputs`. Raises `DeclarationError` for anything else, tensors
    among it, with the remedy.
    """
    if isinstance(value, Mapping):
        return _named(value)
    if isinstance(value, (list, tuple)):
        array = _joined(value)
    elif isinstance(value, (np.ndarray, np.generic, int, float)) or hasattr(value, "__array__"):
        _refuse_foreign(value)
        array = np.asarray(value)
    else:
        _refuse_foreign(value)
        raise DeclarationError(
            f"inputs of type {_type_of(value)}",
            cause=_ONE_ARRAY,
            remedy="give a numpy array, er.ImageFolder(path), er.Arrays(array), or a path",
        )
    if array.dtype.kind in "OSUcMm":
        raise DeclarationError(f"inputs of dtype {array.dtype}", cause="a model takes real numbers")
    return _named({name: array[name] for name in array.dtype.names}) if array.dtype.names else array


def _named(values: Mapping[Any, Any]) -> NDArray[Any]:
    if not values or not all(isinstance(name, str) and name for name in values):
        raise DeclarationError(
            f"inputs by name ({listed([repr(name) for name in values]) or 'none'})",
            cause="each array has the name of the model's input that takes it",
            remedy='write them so: {"image": images, "scale": scales}',
        )
    arrays = {name: plain_array(value) for name, value in values.items()}
    nested = [name for name, array in arrays.items() if array.dtype.names]
    if nested:
        raise DeclarationError(f"inputs by name, of which {nested[0]} has names in it", cause="each is one array")
    return combined(arrays) if len(arrays) > 1 else next(iter(arrays.values()))


def _joined(values: Any) -> NDArray[Any]:
    for each in values:
        _refuse_foreign(each)
    if values and all(isinstance(each, (str, bytes)) or hasattr(each, "__fspath__") for each in values):
        raise DeclarationError(
            f"inputs as a list of {len(values)} paths",
            cause="a list holds arrays",
            remedy="name the folder: er.ImageFolder(folder, preprocess, pattern='*.jpg')",
        )
    if any(isinstance(each, (Mapping, str, bytes)) for each in values):
        raise DeclarationError(f"inputs as a list of {_type_of(values[0])}", cause=_ONE_ARRAY)
    shapes = sorted({np.shape(each) for each in values if isinstance(each, np.ndarray)})
    if len(shapes) > 1:
        raise DeclarationError(
            f"inputs as a list of arrays of {len(shapes)} shapes ({shapes[0]}, {shapes[1]}, ...)",
            cause=_ONE_ARRAY,
            remedy="bring them to one shape: numpy.stack(arrays); images of several sizes: er.ImageFolder(path)",
        )
    try:
        if shapes and len(shapes[0]) == 4 and shapes[0][0] == 1:
            return np.concatenate(values)
        return np.asarray(values)
    except ValueError as error:
        raise DeclarationError("inputs as a list that makes no array", cause=str(error)) from None


def _refuse_foreign(value: Any) -> None:
    """Raise `DeclarationError` for a tensor of a framework and a picture: what is meant is told, not guessed."""
    root = type(value).__module__.partition(".")[0]
    if root in _TO_NUMPY:
        raise DeclarationError(
            f"inputs of type {_type_of(value)}",
            cause="they go to every framework's own process, as a numpy array",
            remedy=f"give the array: {_TO_NUMPY[root]}",
        )


def _type_of(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
