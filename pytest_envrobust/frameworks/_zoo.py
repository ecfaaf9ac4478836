"""What the built-in models share in every framework: the numbers that are drawn, and what can go wrong with files."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError, chain_of
from pytest_envrobust.core.telling import named_cause, telling_sentence

T = TypeVar("T")

SEEDED, IMAGENET = "seeded", "imagenet"
"""Weights that have a name; any other are a file."""
UNSET = "unset"
"""No weights of ours: those that a framework begins with."""
SEED = 0
SUFFIXES = {"keras": ".weights.h5", "torch": ".safetensors"}
"""What a weights file's name ends in, by framework."""

_SILENCE_SECONDS = 20.0
"""How long a server may say nothing during a download."""
_UNREACHABLE = "URL fetch failure"
"""How keras' plain `Exception` begins where a download fails."""


def drawn(index: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The ``index``-th weight of a seeded model, shape (out, in / groups, height, width), the same in every framework.

    Normal with a variance of 2 / fan-in (He, Zhang, Ren, Sun: 'Delving Deep into Rectifiers', 2015).
    """
    normal = np.random.default_rng([SEED, index]).standard_normal(shape)
    weight: NDArray[np.float32] = (normal * np.sqrt(2.0 / np.prod(shape[1:]))).astype(np.float32)
    return weight


def downloaded(name: str, framework: str, load: Callable[[], T]) -> T:
    """``load()``, a framework's own download of ImageNet weights.

    Raises `DeclarationError` where it fails, or where the server is silent for too long.
    """
    try:
        with _bounded():
            return load()
    except Exception as error:
        reason = telling_sentence(error)
        unreachable = reason.startswith(_UNREACHABLE) or any(isinstance(each, OSError) for each in chain_of(error))
        cause = f"they cannot be downloaded: {reason}" if unreachable else named_cause(error)
        raise DeclarationError(
            f"the ImageNet weights of {name} for {framework}",
            cause=cause,
            remedy=f"weights 'seeded' need no download, and {framework}=FILE{SUFFIXES[framework]} reads a file",
        ) from error


def unfit(path: Path, name: str, framework: str, faults: Iterable[str]) -> DeclarationError:
    """The error for a file that does not hold the weights of this model; ``faults`` say what is wrong."""
    return DeclarationError(
        f"{framework} weights {str(path)!r} do not fit {name}",
        cause="; ".join(faults),
        remedy=f"give a file that was saved from {framework}'s own {name} with 1000 classes",
    )


def unreadable(path: Path, framework: str, error: Exception) -> DeclarationError:
    """The error for a file that is not of the format that its name says."""
    return DeclarationError(
        f"{framework} weights {str(path)!r} cannot be read", cause=telling_sentence(error) or type(error).__name__
    )


def some(names: Iterable[Any]) -> str:
    """The first few names, and how many more there are."""
    listed = sorted(str(name) for name in names)
    shown = ", ".join(listed[:3])
    return f"{shown} and {len(listed) - 3} more" if len(listed) > 3 else shown


@contextlib.contextmanager
def _bounded() -> Iterator[None]:
    """No connection made in here waits for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
