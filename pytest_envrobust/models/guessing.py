"""What a model given without a declaration is: its framework, and a visible guess at its preprocessing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.frameworks import frameworks
from pytest_envrobust.models.model import Source
from pytest_envrobust.models.preprocess import NAMED, Layout, Preprocess

_CHANNELS = 3
_GUESSED = ", guessed ("


@dataclass(frozen=True)
class Guess:
    """A preprocessing and, in words, what of it was guessed from what."""

    preprocess: Preprocess
    text: str


def is_guess(text: str) -> bool:
    """Whether a `Guess` with that text guessed the values, not the size and layout alone."""
    return _GUESSED in text


def framework_of(text: str) -> tuple[str, str]:
    """Framework and target of what the user named: a file, a SavedModel directory, or ``package.module:factory``.

    An import path may carry its framework before it (``keras=package.module:factory``); without, it is torch's.
    Raises `DeclarationError` for a missing file or an ending that is not known.
    """
    framework, separator, rest = text.partition("=")
    if separator and framework in frameworks():
        return framework, rest
    if Source(text).is_factory and not Path(text).exists():
        return "torch", text
    path = Path(text)
    if not path.exists():
        raise DeclarationError(
            f"model {text!r}",
            cause="there is no such file",
            remedy="name a model file, a SavedModel directory or package.module:factory",
        )
    if path.is_dir():
        if (path / "saved_model.pb").exists():
            return "tensorflow", text
        raise DeclarationError(f"model {text!r}", cause="this directory is no SavedModel: saved_model.pb is missing")
    by_suffix = {suffix: framework.name for framework in frameworks().values() for suffix in framework.suffixes}
    try:
        return by_suffix[path.suffix.lower()], text
    except KeyError:
        raise DeclarationError(
            f"model {text!r}", cause=f"no framework is known for {path.suffix!r}; {', '.join(sorted(by_suffix))} are"
        ) from None


def guessed_preprocess(
    spec: TensorSpec | None, usual_layout: str, name: str | None = None, size: tuple[int, int] | None = None
) -> Guess:
    """The preprocessing for an input of that spec: layout and size from its shape, values from its dtype and layout.

    ``name`` and ``size`` are what the user said; only the rest is guessed. Without a spec, 224 × 224 is assumed.
    """
    layout, declared = _layout_and_size(spec)
    sides = size or declared or (224, 224)
    dtype = spec.dtype if spec is not None else "float32"
    if name is None:
        quantized = dtype in ("uint8", "int8")
        chosen = "raw" if quantized else "imagenet" if (layout or usual_layout) == "NCHW" else "inception"
    else:
        chosen = name
    preprocess = NAMED[chosen](sides[0], dtype=dtype, layout=layout)
    if sides[0] != sides[1]:
        preprocess = NAMED[chosen](sides[0], dtype=dtype, layout=layout, resize=sides, crop=None)
    seen = f"from its input {spec}" if spec is not None else "its input is not declared"
    text = f"preprocessing {chosen} {sides[0]}×{sides[1]} {layout or usual_layout} {dtype}"
    if name is None:
        return Guess(preprocess, f"{text}{_GUESSED}{seen}); --envrobust-preprocess says otherwise")
    return Guess(preprocess, f"{text} (size and layout {seen})")


def _layout_and_size(spec: TensorSpec | None) -> tuple[Layout | None, tuple[int, int] | None]:
    if spec is None or len(spec.shape) != 4:
        return None, None
    _, first, second, last = spec.shape
    if first == _CHANNELS and last != _CHANNELS:
        return "NCHW", _sides(second, last)
    if last == _CHANNELS:
        return "NHWC", _sides(first, second)
    return None, None


def _sides(height: int | None, width: int | None) -> tuple[int, int] | None:
    return (height, width) if height and width else None
