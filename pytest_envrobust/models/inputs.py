"""The inputs that a model is judged on: photographs in a folder, or arrays."""

from __future__ import annotations

import hashlib
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.wording import counted, shortened
from pytest_envrobust.models.callables import Preprocessing, PreprocessLike
from pytest_envrobust.models.pictures import read_picture, told_of
from pytest_envrobust.models.plain_arrays import plain_array
from pytest_envrobust.models.preprocess import Layout
from pytest_envrobust.models.truth import TruthSource, check_truth, resolved_truth

JPEG_SUFFIXES = frozenset({".jfif", ".jpe", ".jpeg", ".jpg"})
NETPBM_SUFFIXES = frozenset({".pbm", ".pgm", ".pnm", ".ppm"})
OTHER_SUFFIXES = frozenset({".apng", ".avif", ".bmp", ".gif", ".jp2", ".png", ".tif", ".tiff", ".webp"})
IMAGE_SUFFIXES = JPEG_SUFFIXES | NETPBM_SUFFIXES | OTHER_SUFFIXES
RAW_SUFFIXES = frozenset({".arw", ".cr2", ".dcm", ".dng", ".exr", ".hdr", ".nef"})
UNREAD_SUFFIXES = RAW_SUFFIXES | {".heic", ".heif", ".jxl", ".psd", ".svg"}
"""Kinds of pictures that are passed over, and told."""


ALL_IDENTICAL = "all {} inputs are identical: they show no more than one of them does"


@dataclass(frozen=True)
class LoadedInputs:
    """Inputs in memory: names, and either decoded images (H, W, 3 uint8 each) or a ready array (N, ...).

    ``told`` are lines that a reader must know of how they were decoded.
    """

    names: tuple[str, ...]
    images: tuple[NDArray[np.uint8], ...] | None = field(default=None, repr=False)
    array: NDArray[Any] | None = field(default=None, repr=False)
    layout: Layout | None = None
    told: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """16 hexadecimal digits for each input, over its shape, dtype and decoded values."""
        items: Iterable[NDArray[Any]] = () if self.array is None else self.array
        return tuple(_digest(item) for item in (items if self.images is None else self.images))

    @property
    def are_all_identical(self) -> bool:
        """Whether there are several, and all of them are one."""
        return len(self) > 1 and len(self.digests) == len(self) and len(set(self.digests)) == 1

    @property
    def notices(self) -> tuple[str, ...]:
        """What is told of how they were decoded, and which of them are identical."""
        if self.are_all_identical:
            return (ALL_IDENTICAL.format(len(self)), *self.told)
        groups: dict[str, list[str]] = {}
        for name, digest in zip(self.names, self.digests):
            groups.setdefault(digest, []).append(name)
        same = [group for group in groups.values() if len(group) > 1]
        if not same:
            return self.told
        count = sum(map(len, same))
        shown = shortened([" = ".join(group) for group in same])
        return (*self.told, f"{count} of {len(self)} inputs are identical to another one: {shown}")

    def batch(self, preprocess: Preprocessing | None, layout: Layout) -> NDArray[Any]:
        """The batch for a source whose framework usually takes ``layout``, C-contiguous, shape (N, ...)."""
        if self.images is not None:
            if preprocess is None:
                raise DeclarationError(
                    "images without a preprocessing",
                    remedy="declare one: ImageFolder(path, Preprocess.imagenet(size=224)), or --envrobust-preprocess",
                )
            return preprocess.apply(self.images, layout=layout, names=self.names)
        assert self.array is not None
        wanted = (preprocess.layout if preprocess else None) or layout
        return np.ascontiguousarray(_relaid(self.array, self.layout, wanted))


class Inputs(ABC):
    """What can be given as a model's inputs."""

    preprocess: PreprocessLike | None
    truth: TruthSource | None

    @abstractmethod
    def resolved(self, base: Path) -> Inputs:
        """The same inputs with relative paths taken from ``base``."""

    @abstractmethod
    def check(self) -> None:
        """Raise `DeclarationError` for what can be seen to be wrong without reading everything."""

    def count(self) -> int | None:
        """How many there are, where that is told without reading them."""
        return None

    @abstractmethod
    def load(self) -> LoadedInputs:
        """Read and decode. Raises `DeclarationError` naming the first input that cannot be read."""


@dataclass(frozen=True)
class ImageFolder(Inputs):
    """The images of a folder and its subfolders, sorted by name, decoded as `pictures` says.

    ``pattern`` takes only files whose name matches the glob, ``limit`` only the first so many. ``truth`` says where
    the true classes are: ``"folders"`` (the first folder below ``path`` is the class), a ``.csv`` file of lines
    ``input,class``, or a regular expression with one group that finds the class in a name, such as ``"^([0-9]+)_"``.
    """

    path: str | Path
    preprocess: PreprocessLike | None = None
    limit: int | None = None
    pattern: str = "*"
    truth: TruthSource | None = None

    def resolved(self, base: Path) -> ImageFolder:
        return replace(self, path=base / self.path, truth=resolved_truth(self.truth, base))

    def check(self) -> None:
        self.files()
        check_truth(self.truth)

    def count(self) -> int | None:
        return len(self.files())

    def load(self) -> LoadedInputs:
        folder = Path(self.path)
        files = self.files()
        names = tuple(file.relative_to(folder).as_posix() for file in files)
        pictures = dict(zip(names, map(read_picture, files)))
        told = (*self._passed_over(), *told_of(pictures))
        return LoadedInputs(names, images=tuple(picture.pixels for picture in pictures.values()), told=told)

    def _passed_over(self) -> Iterator[str]:
        """A line where there are pictures of a kind that is not read."""
        folder = Path(self.path)
        unread = sorted(
            file.relative_to(folder).as_posix()
            for file in folder.rglob(self.pattern)
            if file.suffix.lower() in UNREAD_SUFFIXES and file.is_file()
        )
        if unread:
            yield f"{counted(len(unread), 'picture')} of a kind that is not read passed over ({shortened(unread)})"

    def files(self) -> list[Path]:
        """The images' files in order. Raises `DeclarationError` where there are none."""
        folder = Path(self.path)
        if not folder.is_dir():
            cause = "it is a file, not a folder" if folder.exists() else "there is no such folder"
            raise DeclarationError(f"image folder {str(folder)!r}", cause=cause)
        found = folder.rglob(self.pattern)
        files = sorted(file for file in found if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file())
        if not files:
            named = "" if self.pattern == "*" else f" named {self.pattern}"
            raise DeclarationError(
                f"image folder {str(folder)!r}",
                cause=f"it holds no image{named} ({', '.join(sorted(IMAGE_SUFFIXES))})",
            )
        return files[: self.limit]


@dataclass(frozen=True, eq=False)
class Arrays(Inputs):
    """Inputs as one array, shape (N, ...): in memory, or in a ``.npy`` or ``.npz`` file.

    In memory it may be a list of arrays, one an input. For a model of several inputs it is a mapping from their names
    to arrays, each (N, ...), or a ``.npz`` file of arrays of these names; they are fed as they are. Raises
    `DeclarationError` for what is no array of numbers, such as a framework's tensor.

    With a ``preprocess`` the array holds RGB uint8 images, (N, H, W, 3). Without, it is fed as it is; where
    ``layout`` says how it is laid out, it is transposed for sources whose layout is the other one. ``truth`` is a
    class index for each input, -1 where it is unknown, or as for `ImageFolder`.
    """

    array: NDArray[Any] | Sequence[Any] | Mapping[str, Any] | str | Path
    preprocess: PreprocessLike | None = None
    layout: Layout | None = None
    names: Sequence[str] = field(default=())
    truth: TruthSource | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.array, (str, Path)):
            object.__setattr__(self, "array", plain_array(self.array))

    def resolved(self, base: Path) -> Arrays:
        array = base / self.array if isinstance(self.array, (str, Path)) else self.array
        return replace(self, array=array, truth=resolved_truth(self.truth, base))

    def check(self) -> None:
        check_truth(self.truth)
        if isinstance(self.array, (str, Path)) and not Path(self.array).is_file():
            raise DeclarationError(f"inputs {str(self.array)!r}", cause="there is no such file")

    def count(self) -> int | None:
        if isinstance(self.array, np.ndarray):
            return len(self.array) if self.array.ndim else None
        path = Path(str(self.array))
        try:
            return len(np.load(path, mmap_mode="r", allow_pickle=False)) if path.suffix == ".npy" else None
        except (OSError, ValueError, EOFError, TypeError):  # the run says what is wrong with it
            return None

    def load(self) -> LoadedInputs:
        array = self.array if isinstance(self.array, np.ndarray) else _read_array(Path(str(self.array)))
        if array.dtype.names:
            self._check_fed_as_they_are(array.dtype.names)
        elif array.ndim < 2 or not len(array):
            raise DeclarationError(
                f"inputs of shape {array.shape}", cause="the first dimension counts the inputs and must not be 0"
            )
        names = tuple(self.names) or tuple(str(index) for index in range(len(array)))
        if len(names) != len(array):
            raise DeclarationError(f"{len(names)} names for {len(array)} inputs")
        if self.preprocess is None:
            return LoadedInputs(names, array=array, layout=self.layout)
        if array.dtype != np.uint8 or array.ndim != 4 or array.shape[-1] != 3:
            raise DeclarationError(
                f"inputs of shape {array.shape} and dtype {array.dtype}",
                cause="a preprocessing starts from RGB uint8 images, shape (N, height, width, 3)",
                remedy="leave the preprocessing out to feed the array as it is",
            )
        return LoadedInputs(names, images=tuple(array))

    def _check_fed_as_they_are(self, names: Sequence[str]) -> None:
        for option, value in (("preprocess", self.preprocess), ("layout", self.layout)):
            if value is not None:
                raise DeclarationError(
                    f"{option}= with inputs by name ({', '.join(names)})",
                    cause="several inputs are fed as they are: pictures are prepared for models of one input",
                    remedy=f"prepare the arrays yourself and leave {option} out",
                )


def given_inputs(inputs: object) -> Inputs:
    """Inputs as they are declared: `Inputs`, a path, an array. Raises `DeclarationError` for anything else."""
    if isinstance(inputs, Inputs):
        return inputs
    return inputs_at(inputs) if isinstance(inputs, (str, Path)) else Arrays(plain_array(inputs))


def inputs_at(
    path: str | Path, preprocess: PreprocessLike | None = None, truth: TruthSource | None = None
) -> ImageFolder | Arrays:
    """The inputs at a path: a ``.npy`` or ``.npz`` file is an array, anything else an image folder."""
    if Path(path).suffix in (".npy", ".npz"):
        return Arrays(path, preprocess, truth=truth)
    return ImageFolder(path, preprocess, truth=truth)


def _digest(item: NDArray[Any]) -> str:
    described = str(item.dtype) if item.dtype.names else item.dtype.str
    digest = hashlib.sha256(f"{item.shape}{described}".encode())
    digest.update(np.ascontiguousarray(item).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()[:16]


def _read_array(file: Path) -> NDArray[Any]:
    try:
        # numpy leaves a file open that it opened itself and cannot read.
        with file.open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            arrays = {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise DeclarationError(f"inputs {str(file)!r} cannot be read", cause=str(error)) from None
    if not arrays:
        raise DeclarationError(f"inputs {str(file)!r}", cause="the file holds no array")
    return next(iter(arrays.values())) if len(arrays) == 1 else plain_array(arrays)


def _relaid(array: NDArray[Any], layout: Layout | None, wanted: Layout) -> NDArray[Any]:
    if layout is None or array.ndim != 4 or layout == wanted:
        return array
    return array.transpose(0, 3, 1, 2) if wanted == "NCHW" else array.transpose(0, 2, 3, 1)
