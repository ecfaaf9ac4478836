"""Digests of files, of directories, and of predictions, so that environments with identical outputs can be grouped."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_envrobust.core.errors import DeclarationError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def file_digests(folder: Path) -> dict[str, str]:
    """The digest of every file below ``folder``, by its path from there, sorted."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file_digest(file) for file in files}


def output_digest(scores: NDArray[Any]) -> str:
    """SHA-256 in hexadecimal over shape, dtype and bytes of an array of any shape.

    Equal digests mean bit-identical values: -0.0 differs from 0.0. Memory layout and byte order do not count.
    Raises `DeclarationError` for an array of Python objects, which has no bytes of its own.
    """
    import numpy as np

    array = np.asarray(scores)
    if array.dtype.hasobject:
        raise DeclarationError(
            "predictions of dtype object have no digest", cause="a numeric array is needed", remedy="use numpy.float32"
        )
    little = array.dtype.newbyteorder("<")
    flat = np.ascontiguousarray(array, dtype=little).reshape(-1)
    described = str(little) if little.names else little.str
    digest = hashlib.sha256(f"{array.shape}{described}".encode())
    digest.update(flat.view(np.uint8).data)
    return digest.hexdigest()
