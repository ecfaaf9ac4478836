"""What a model given without a declaration is: its framework, and a visible guess at its preprocessing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.frameworks import frameworks
from pytest_envrobust.models.feeding import best_named, real_range, stored_range
from pytest_envrobust.models.image_axes import COLORS, ImageAxes, image_axes
from pytest_envrobust.models.model import Source
from pytest_envrobust.models.preparation import Preparation
from pytest_envrobust.models.preprocess import GRAY, NAMED, Preprocess
from pytest_envrobust.models.preprocess_files import FoundPreprocess

_USUAL_SIZE = (224, 224)
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
    spec: TensorSpec | None,
    usual_layout: str,
    said: Preparation | None = None,
    *,
    found: FoundPreprocess | None = None,
    pictures: Collection[tuple[int, int]] = (),
) -> Guess:
    """The preprocessing for an input of that spec: layout, size, channels from its shape, values from what says them.

    That is ``said``, what the user said; then ``found``, a file beside the model; else the values are guessed from the
    input's quantization, dtype and layout. ``pictures`` are the heights and widths of the images: where all have the
    right size already, they are neither resized nor cropped. Without a size, 224 × 224 is assumed.

    Raises `DeclarationError` where the input takes another number of channels than pictures have.
    """
    said = said or Preparation()
    axes = None if spec is None else image_axes(spec)
    _check_axes(spec, axes)
    base, name, origin = _values(spec, axes, usual_layout, said, found)
    sides = _sides(said, axes, base if origin.is_file else None)
    fits = set(pictures) == {sides}
    preprocess = said.resized(said.apply(base), sides, fits=fits)
    layout = axes.layout if axes is not None else None
    if axes is not None and axes.channels == 1:
        preprocess = replace(preprocess, channels=GRAY)
    preprocess = replace(preprocess, layout=layout, dtype=_dtype(spec, preprocess))
    size = preprocess.crop or preprocess.resize or sides
    height, width = size if isinstance(size, tuple) else (size, size)
    dtype = spec.dtype if spec is not None else "float32"
    parts = [
        f"preprocessing {name} {height}×{width} {layout or usual_layout} {dtype}",
        " gray" if preprocess.channels == GRAY else "",
        f" by its {spec.quantization}" if spec is not None and spec.quantization is not None else "",
        ", images not resized: they have that size" if fits and preprocess.resize is None else "",
    ]
    return Guess(preprocess, "".join(parts) + origin.text)


@dataclass(frozen=True)
class _Origin:
    """Where the values come from, as the guess's text ends."""

    text: str
    is_file: bool = False


def _values(
    spec: TensorSpec | None, axes: ImageAxes | None, usual_layout: str, said: Preparation, found: FoundPreprocess | None
) -> tuple[Preprocess, str, _Origin]:
    """The preprocessing that says the values, its name, and where it comes from."""
    seen = f"from its input {spec}" if spec is not None else "its input is not declared"
    if said.name is not None:
        changed = [option for option in said.options if option not in ("--envrobust-preprocess", "--envrobust-size")]
        with_changes = f" with {', '.join(changed)}" if changed else ""
        return NAMED[said.name](), said.name + with_changes, _Origin(f" (size and layout {seen})")
    if found is not None and found.preprocess is not None:
        base = said.base() if said.has_numbers else found.preprocess
        base = replace(found.preprocess, scale=base.scale, mean=base.mean, std=base.std)
        return base, f"of {found.file.name} beside it:", _Origin(f" ({said.apply(base)})", is_file=True)
    if said.has_numbers:
        base = said.base()
        text = str(replace(said.apply(base), resize=None, crop=None)).removesuffix(", float32")
        return base, f"({text})", _Origin(f" (size and layout {seen})")
    unread = "" if found is None else f"; {found.file.name} beside it cannot be used ({found.why})"
    if spec is not None and spec.quantization is not None:
        low, high = real_range(spec)
        name, _ = best_named((low, high))
        seen = f"{seen}, whose integers stand for {low:.4g} to {high:.4g}"
        base = NAMED[name]()
    elif spec is not None and spec.dtype.startswith(("int", "uint")):
        # an input of signed bytes can hold pixels only when they are shifted
        name, base = "raw", Preprocess.raw(mean=(128.0,)) if spec.dtype == "int8" else Preprocess.raw()
    elif axes is not None and axes.channels == 1:
        name, base = "unit", Preprocess.unit()
    else:
        name = "imagenet" if ((axes.layout if axes else None) or usual_layout) == "NCHW" else "inception"
        base = NAMED[name]()
    shifted = " - 128" if base.mean == (128.0,) else ""
    return base, name + shifted, _Origin(f"{_GUESSED}{seen}{unread}); --envrobust-preprocess says otherwise")


def _sides(said: Preparation, axes: ImageAxes | None, file: Preprocess | None) -> tuple[int, int]:
    """Height and width of the prepared images: as said, as the input takes them, as the file beside the model says."""
    if isinstance(said.crop, tuple):
        return said.crop
    told = said.size or (axes.size if axes is not None else None)
    if told is None and file is not None:
        size = file.crop or file.resize
        told = (size, size) if isinstance(size, int) else size
    return told or _USUAL_SIZE


def _dtype(spec: TensorSpec | None, preprocess: Preprocess) -> str:
    """What the values are made in: an integer input's own dtype where it holds them all, and nothing is rounded.

    A quantized input makes its integers of real values.
    """
    if spec is None or spec.quantization is not None:
        return "float32"
    if spec.dtype == "float16":
        return spec.dtype
    if spec.dtype not in ("uint8", "int8"):
        return "float32"
    (low, high), (least, most) = preprocess.range, stored_range(spec.dtype)
    steps = (preprocess.scale, *preprocess.mean, *preprocess.std)
    is_whole = all(value == round(value) for value in steps) and all(value == 1 for value in preprocess.std)
    return spec.dtype if is_whole and least <= low and high <= most else "float32"


def _check_axes(spec: TensorSpec | None, axes: ImageAxes | None) -> None:
    if spec is None or (axes is None and len(spec.shape) in (0, 4)) or (axes and axes.channels in (1, COLORS)):
        return
    takes = f"{axes.channels} channels" if axes is not None else f"{len(spec.shape)} axes"
    raise DeclarationError(
        f"images for an input {spec}",
        cause=f"it takes {takes}; images of a folder have {COLORS} channels, or 1 where the input is gray",
        remedy="declare a function as the preprocessing, or give an array as inputs: a .npy file of what it takes",
    )
