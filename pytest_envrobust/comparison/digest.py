"""One digest for one set of predictions, so that environments with identical outputs can be grouped."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError


def output_digest(scores: NDArray[Any]) -> str:
    """SHA-256 in hexadecimal over shape, dtype and bytes of an array of any shape.

    Equal digests mean bit-identical values: -0.0 differs from 0.0. Memory layout and byte order do not count.
    Raises `DeclarationError` for an array of Python objects, which has no bytes of its own.
    """
    array = np.asarray(scores)
    if array.dtype.hasobject:
        raise DeclarationError(
            "predictions of dtype object have no digest", cause="a numeric array is needed", remedy="use numpy.float32"
        )
    little = array.dtype.newbyteorder("<")
    flat = np.ascontiguousarray(array, dtype=little).reshape(-1)
    digest = hashlib.sha256(f"{array.shape}{little.str}".encode())
    digest.update(flat.view(np.uint8).data)
    return digest.hexdigest()
