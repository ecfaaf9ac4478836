"""Decoding a picture's file to RGB uint8, without losing anything silently.

What a file itself says of its picture is followed (orientation, palette, bits a channel). Where it leaves a choice, the
loaders that classifiers are trained with decide, as far as they agree: torchvision's and Keras' take Pillow's RGB. What
neither settles is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.wording import counted, shortened

if TYPE_CHECKING:
    from PIL.Image import Image

_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # TIFF tags
_WHITE_IS_ZERO, _UNSIGNED = 0, 1
_ORIENTATION = 274  # EXIF tag
_DARK = 16
"""A picture whose brightest value is below this part of white would keep fewer than 16 levels."""

UPRIGHT = "turned upright by their EXIF orientation, which torchvision's, Keras' and TensorFlow's own loaders ignore"
FIRST_FRAME = "hold several frames or pages: the first is taken"
TRANSPARENT = "have transparent pixels: the colors stored beneath are taken, as torchvision's and Keras' loaders do"
CMYK = "are CMYK: made RGB by the plain formula, as torchvision's and Keras' loaders do, without a color profile"
DEEP_GRAY = "are gray with more than 8 bits: scaled so that the brightest value their files can hold is 255"
DEEP_COLOR = "have 16 bits a channel: the upper 8 are taken"
KINDS = (UPRIGHT, FIRST_FRAME, TRANSPARENT, CMYK, DEEP_GRAY, DEEP_COLOR)

_CONVERT = "save it as an 8-bit PNG, or declare an array of values as the model takes them: inputs=er.Arrays(array)"


@dataclass(frozen=True)
class Picture:
    """RGB uint8, shape (height, width, 3), and those of `KINDS` that tell how it was decoded."""

    pixels: NDArray[np.uint8]
    kinds: tuple[str, ...] = ()


def read_picture(file: Path) -> Picture:
    """The picture of a file. Raises `DeclarationError` where there is none, or none that 8 bits a channel can show."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as opened:
            return _decoded(opened, file)
    except DeclarationError:
        raise
    except UnidentifiedImageError:
        raise _does_not_decode(file, "it is no picture that Pillow reads, or is damaged") from None
    except Exception as error:  # Pillow's readers raise anything on damaged files
        raise _does_not_decode(file, str(error) or type(error).__name__) from None


def told_of(pictures: Mapping[str, Picture]) -> Iterator[str]:
    """A line for each kind of decoding that a reader must know of, naming the pictures."""
    for kind in KINDS:
        names = [name for name, picture in pictures.items() if kind in picture.kinds]
        if names:
            yield f"{len(names)} of {counted(len(pictures), 'picture')} {kind} ({shortened(names)})"


def _does_not_decode(file: Path, cause: str) -> DeclarationError:
    return DeclarationError(
        f"image {str(file)!r} does not decode",
        cause=cause,
        remedy="take it out of the folder, or save it anew as an 8-bit PNG",
    )


def _decoded(opened: Image, file: Path) -> Picture:
    """RGB and upright, with what is to be told of it."""
    from PIL import ImageOps

    kinds = [FIRST_FRAME] if _is_animated(opened) else []
    bits = _bits(opened)
    picture, more = _to_rgb(opened, file, bits)
    kinds += more
    if opened.getexif().get(_ORIENTATION, 1) in range(2, 9):
        kinds.append(UPRIGHT)
        picture.getexif()[_ORIENTATION] = opened.getexif()[_ORIENTATION]
        picture = ImageOps.exif_transpose(picture)
    return Picture(np.array(picture, dtype=np.uint8), tuple(kinds))


def _is_animated(opened: Image) -> bool:
    """Whether there are frames that may differ. A camera's JPEG may carry previews of the same picture (MPO)."""
    return bool(getattr(opened, "is_animated", False)) and opened.format not in ("MPO", "JPEG")


def _bits(opened: Image) -> int:
    """Bits of a channel, as the file says."""
    if opened.format == "TIFF":
        found = _tag(opened, _BITS_PER_SAMPLE, 1)
        return max(found) if isinstance(found, tuple) else int(found)
    raw_modes = str(getattr(opened, "tile", ""))  # "RGB;16B": what the decoder unpacks, known until the pixels are read
    return 16 if ";16" in raw_modes or opened.mode.startswith("I") else 8


def _to_rgb(opened: Image, file: Path, bits: int) -> tuple[Image, list[str]]:
    mode = opened.mode
    if mode == "F" or mode.startswith("I"):
        return _from_gray(opened, file, bits), [DEEP_GRAY]
    kinds = [DEEP_COLOR] if bits > 8 else []
    if mode == "CMYK":
        return opened.convert("RGB"), [*kinds, CMYK]
    if not opened.has_transparency_data:
        return opened.convert("RGB"), kinds
    layered = opened.convert("RGBA")
    alpha = np.array(layered.getchannel("A"))
    picture = layered.convert("RGB")
    if (alpha == 255).all():
        return picture, kinds
    colors = np.array(picture).reshape(-1, 3)
    if alpha.min() != alpha.max() and (colors == colors[0]).all():
        raise DeclarationError(
            f"image {str(file)!r} is of one color beneath its transparency",
            cause="what it shows is in its transparency alone, and models take colors",
            remedy="put it on a background: Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image)",
        )
    return picture, [*kinds, TRANSPARENT]


def _from_gray(opened: Image, file: Path, bits: int) -> Image:
    """Gray values of more than 8 bits as RGB, scaled by the white that the file's kind has."""
    from PIL import Image

    values = np.array(opened)
    said = f"image {str(file)!r} has {_kind_of(opened, bits)}"
    sample_format = _tag(opened, _SAMPLE_FORMAT, _UNSIGNED) if opened.format == "TIFF" else _UNSIGNED
    if sample_format not in (_UNSIGNED, (_UNSIGNED,)) or bits > 16 or opened.mode == "F":
        raise DeclarationError(said, cause="nothing says which of them is white", remedy=_CONVERT)
    white = 2**bits - 1
    if opened.format == "TIFF" and _tag(opened, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO:
        values = white - values.astype(np.int64)
    brightest = int(values.max())
    if 0 < brightest * _DARK < white:
        raise DeclarationError(
            f"{said}, none above {brightest}",
            cause=f"white is {white} in such a file, so that it would be all but black in 8 bits",
            remedy=_CONVERT,
        )
    scaled = np.rint(np.clip(values, 0, white) * (255 / white)).astype(np.uint8)
    return Image.fromarray(scaled).convert("RGB")


def _kind_of(opened: Image, bits: int) -> str:
    return f"{bits}-bit floating-point values" if opened.mode == "F" else f"{bits}-bit gray values"


def _tag(opened: Any, number: int, default: Any) -> Any:
    """A TIFF's tag."""
    return opened.tag_v2.get(number, default)
