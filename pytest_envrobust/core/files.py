"""Files written whole or not at all: under another name in the same folder first, then moved into place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pytest_envrobust.core.errors import DeclarationError

_MODE = 0o644


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A binary stream that becomes the file at ``path`` when the block ends, and nothing where it raises.

    Folders are made. Several processes may write the same path: the last one counts, and a reader sees one or the
    other. Raises `OSError` where the place cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "w+b") as stream:
            yield stream
        os.chmod(aside, _MODE)  # a temporary file is its owner's alone
        os.replace(aside, path)
    except BaseException:
        os.unlink(aside)
        raise


def write_text(path: Path, text: str, what: str) -> None:
    """Write text as UTF-8, whole or not at all. Raises `DeclarationError`, which says ``what`` cannot be written."""
    try:
        with written_whole(path) as stream:
            stream.write(text.encode("utf-8"))
    except OSError as error:
        raise DeclarationError(f"{what} {str(path)!r} cannot be written", cause=str(error)) from None
