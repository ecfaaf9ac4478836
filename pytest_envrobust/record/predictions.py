"""The predictions of a run: what it keeps while it goes on, and the file beside the record that they end up in."""

from __future__ import annotations

import io
import shutil
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.files import written_whole

THUMBNAIL_SIDE = 128
"""Pixels of a thumbnail's longer side, at most."""
MAPPED_FROM = 1 << 24
"""Bytes from which scores stay in their file."""
_COPIED_AT_ONCE = 1 << 20
_QUALITY = 80
_THUMBNAIL = "thumbnail-"
_BROKEN = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)


class HasPredictions(Protocol):
    """Where a report finds arrays and pictures; either may be absent."""

    def scores(self, digest: str) -> NDArray[Any] | None:
        """Scores of shape (N, classes) by their output digest."""

    def thumbnail(self, input_digest: str) -> bytes | None:
        """A JPEG of an input, by the digest of its pixels."""


def predictions_path(record_path: Path) -> Path:
    """Where the predictions lie beside a record."""
    return record_path.with_suffix(".npz")


@dataclass(frozen=True)
class PredictionStore:
    """What a run keeps while it goes on, one file an array. Several processes may use one folder at once."""

    folder: Path

    @classmethod
    def beside(cls, record_path: Path) -> PredictionStore:
        """The folder for the run whose record will be at ``record_path``."""
        return cls(record_path.with_name(f".{record_path.stem}.predictions"))

    def keep(self, digest: str, scores: NDArray[Any]) -> NDArray[Any]:
        """Keep scores, (N, classes), under their digest; equal ones are kept once.

        Returns them, large ones mapped from the file and read-only: a run of many environments holds none in memory.
        """
        path = self._scores_path(digest)
        if not path.exists():
            with written_whole(path) as stream:
                np.save(stream, np.asarray(scores), allow_pickle=False)
        return scores if scores.nbytes < MAPPED_FROM else np.load(path, mmap_mode="r", allow_pickle=False)

    def keep_thumbnail(self, input_digest: str, image: NDArray[np.uint8]) -> None:
        """Keep a small JPEG of an input, uint8 of shape (height, width, channels), channels RGB or one; once each."""
        path = self._thumbnail_path(input_digest)
        if not path.exists():
            content = encode_thumbnail(image)
            with written_whole(path) as stream:
                stream.write(content)

    def scores(self, digest: str) -> NDArray[Any] | None:
        """Scores of shape (N, classes), mapped from their file and read-only; ``None`` where they were not kept."""
        path = self._scores_path(digest)
        return np.load(path, mmap_mode="r", allow_pickle=False) if path.exists() else None

    def thumbnail(self, input_digest: str) -> bytes | None:
        """The bytes of a JPEG; ``None`` where none was kept."""
        path = self._thumbnail_path(input_digest)
        return path.read_bytes() if path.exists() else None

    def gather(self, record_path: Path) -> None:
        """Put what was kept into one ``.npz`` beside the record, whole or not at all; nothing kept leaves no file.

        Raises `DeclarationError` where the place cannot be written.
        """
        arrays: dict[str, Any] = {
            path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in sorted(self.folder.glob("*.npy"))
        }
        for path in sorted(self.folder.glob(f"{_THUMBNAIL}*.jpg")):
            arrays[path.stem] = np.frombuffer(path.read_bytes(), dtype=np.uint8)
        target = predictions_path(record_path)
        try:
            if arrays:
                with written_whole(target) as stream:
                    np.savez_compressed(stream, **arrays)
            else:
                target.unlink(missing_ok=True)  # an earlier run's are not this record's
        except OSError as error:
            raise DeclarationError(f"predictions {str(target)!r} cannot be written", cause=str(error)) from None

    def remove(self) -> None:
        """Remove the folder and all in it; it need not be there."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _scores_path(self, digest: str) -> Path:
        return self.folder / f"{digest}.npy"

    def _thumbnail_path(self, input_digest: str) -> Path:
        return self.folder / f"{_THUMBNAIL}{input_digest}.jpg"


@dataclass(frozen=True)
class Predictions:
    """The file beside a record. Each array is read when it is asked for; ``names`` are those that there are."""

    path: Path
    names: frozenset[str] = frozenset()

    @classmethod
    def beside(cls, record_path: Path) -> Predictions:
        """The predictions of the record at ``record_path``; empty where there is no file.

        Raises `DeclarationError` where the file is broken.
        """
        path = predictions_path(record_path)
        if not path.exists():
            return cls(path)
        with _readable(path), zipfile.ZipFile(path) as archive:
            return cls(path, frozenset(name.removesuffix(".npy") for name in archive.namelist()))

    def scores(self, digest: str) -> NDArray[Any] | None:
        """Scores of shape (N, classes); ``None`` where the file has none. Raises `DeclarationError` if broken."""
        return self._read(digest) if digest in self.names else None

    def thumbnail(self, input_digest: str) -> bytes | None:
        """The bytes of a JPEG; ``None`` where the file has none. Raises `DeclarationError` if broken."""
        name = f"{_THUMBNAIL}{input_digest}"
        return self._read(name).tobytes() if name in self.names else None

    def copy_into(self, together: zipfile.ZipFile, names: Collection[str]) -> None:
        """Copy those of its arrays into another file. Raises `DeclarationError` if broken."""
        if not names:
            return
        with _readable(self.path), zipfile.ZipFile(self.path) as own:
            for name in sorted(names):
                # a fixed date: the same arrays make the same file
                info = zipfile.ZipInfo(f"{name}.npy")
                info.compress_type = zipfile.ZIP_DEFLATED
                with own.open(info.filename) as source, together.open(info, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target, _COPIED_AT_ONCE)

    def write_beside(self, record_path: Path) -> None:
        """Write all of it beside another record; nothing leaves no file. Raises `DeclarationError` where it cannot."""
        target = predictions_path(record_path)
        if target.resolve() == self.path.resolve():
            return
        try:
            if self.names:
                shutil.copyfile(self.path, target)
            else:
                target.unlink(missing_ok=True)
        except OSError as error:
            raise DeclarationError(f"predictions {str(target)!r} cannot be written", cause=str(error)) from None

    def _read(self, name: str) -> NDArray[Any]:
        with _readable(self.path), np.load(self.path, allow_pickle=False) as archive:
            found: NDArray[Any] = archive[name]
            return found


@dataclass(frozen=True)
class Joined:
    """The predictions of several records as one. What several have under one name is the same: names are digests."""

    parts: tuple[Predictions, ...]

    def scores(self, digest: str) -> NDArray[Any] | None:
        """Scores of shape (N, classes); ``None`` where no part has any. Raises `DeclarationError` if broken."""
        return next((found for part in self.parts if (found := part.scores(digest)) is not None), None)

    def thumbnail(self, input_digest: str) -> bytes | None:
        """The bytes of a JPEG; ``None`` where no part has one. Raises `DeclarationError` if broken."""
        return next((found for part in self.parts if (found := part.thumbnail(input_digest)) is not None), None)

    def write_beside(self, record_path: Path) -> None:
        """Write all of it beside a record, whole or not at all; where there is nothing, no file is left.

        One array at a time goes from file to file, so that many need no memory. Raises `DeclarationError` where a part
        is broken, or the place cannot be written.
        """
        target = predictions_path(record_path)
        try:
            if not any(part.names for part in self.parts):
                target.unlink(missing_ok=True)
                return
            with written_whole(target) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as together:
                written: set[str] = set()
                for part in self.parts:
                    part.copy_into(together, part.names - written)
                    written |= part.names
        except OSError as error:
            raise DeclarationError(f"predictions {str(target)!r} cannot be written", cause=str(error)) from None


def encode_thumbnail(image: NDArray[np.uint8]) -> bytes:
    """A JPEG whose longer side has at most 128 pixels, of an image uint8 (height, width, channels) or (height, width).

    One channel is gray, three are RGB; a fourth is left out. Smaller images keep their size.
    """
    from PIL import Image

    pixels = np.ascontiguousarray(image if image.ndim == 2 else image[:, :, :3])
    if pixels.ndim == 3 and pixels.shape[2] < 3:
        pixels = np.ascontiguousarray(pixels[:, :, 0])
    picture = Image.fromarray(pixels)
    picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise DeclarationError(
            f"predictions {str(path)!r} cannot be read",
            cause=str(error) or type(error).__name__,
            remedy="remove the file, or write record and predictions again",
        ) from None
