"""What the command line says of how images are prepared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.suggestions import did_you_mean
from pytest_envrobust.models.preprocess import FILTERS, NAMED, Preprocess, Size

NO_CROP = "none"
ORDERS = ("RGB", "BGR", "gray")
PREPARATION = ("preprocess", "size", "crop", "scale", "mean", "std", "filter", "channels")
"""The options, without their prefix."""
CROP_SHARE = 7 / 8


@dataclass(frozen=True)
class Preparation:
    """What was said; ``None`` is what was not.

    ``size`` is height and width of the prepared images. ``crop`` is the share of the shorter side that the center
    crop keeps, the crop itself in pixels (then ``size`` is what images are resized to before), or `NO_CROP`: images
    are squeezed to the size. A single ``mean`` or ``std`` is that of all channels.
    """

    name: str | None = None
    size: tuple[int, int] | None = None
    crop: float | tuple[int, int] | str | None = None
    scale: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    filter: str | None = None
    channels: str | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """The options that were given, as they are written on the command line."""
        given = {name: self.name if name == "preprocess" else getattr(self, name) for name in PREPARATION}
        return tuple(f"--envrobust-{name}" for name, value in given.items() if value is not None)

    @property
    def has_numbers(self) -> bool:
        """Whether scale, mean or standard deviation were given."""
        return any(value is not None for value in (self.scale, self.mean, self.std))

    def apply(self, base: Preprocess) -> Preprocess:
        """``base`` with the values, filter and channel order that were said. Raises `DeclarationError`."""
        changes: dict[str, Any] = {
            name: value
            for name in ("scale", "mean", "std", "filter", "channels")
            if (value := getattr(self, name)) is not None
        }
        return replace(base, **changes)

    def base(self) -> Preprocess:
        """What numbers without a name start from: raw pixels or, where mean and deviation are below 1, 0 to 1.

        A mean of ``0.485`` is meant for values from 0 to 1, one of ``123.7`` for pixels.
        """
        is_unit = self.scale is None and all(
            abs(value) <= 1 for values in (self.mean, self.std) if values is not None for value in values
        )
        return Preprocess.unit() if is_unit else Preprocess.raw()

    def resized(self, base: Preprocess, sides: tuple[int, int], *, fits: bool) -> Preprocess:
        """``base`` with images of height and width ``sides`` coming out.

        The share that its own crop keeps stays, unless another was said. Where the images have that size already
        (``fits``) they are left as they are.
        """
        if isinstance(self.crop, tuple):
            before = _before(self.crop, CROP_SHARE) if self.size is None else _same(self.size)
            return replace(base, resize=before, crop=self.crop)
        if fits and self.crop is None:
            return replace(base, resize=None, crop=None)
        if self.crop == NO_CROP or (self.crop is None and base.crop is None and base.resize is not None):
            return replace(base, resize=sides, crop=None)
        if isinstance(self.crop, float):
            return replace(base, resize=_before(sides, self.crop), crop=sides)
        if sides[0] != sides[1]:
            return replace(base, resize=sides, crop=None)
        return replace(base, resize=_before(sides, _share_of(base)), crop=sides[0])


def parsed_preparation(texts: dict[str, str | None]) -> Preparation:
    """What the options say, by name without their prefix. Raises `DeclarationError` for one that is malformed."""
    parsers: dict[str, Callable[[str, str], Any]] = {
        "size": _parsed_size,
        "crop": _parsed_crop,
        "scale": _parsed_number,
        "mean": _parsed_numbers,
        "std": _parsed_numbers,
        "filter": lambda text, option: _one_of(text, FILTERS, option),
        "channels": lambda text, option: _one_of(text, ORDERS, option),
    }
    name = texts.get("preprocess")
    if name is not None:
        _one_of(name, tuple(NAMED), "--envrobust-preprocess")
    given = {
        key: parse(text, f"--envrobust-{key}") for key, parse in parsers.items() if (text := texts.get(key)) is not None
    }
    found = Preparation(name=name, **given)
    found.apply(Preprocess())  # a deviation of zero is told at once
    return found


def _share_of(base: Preprocess) -> float:
    """The share of the shorter side that a preprocessing's own crop keeps."""
    if isinstance(base.resize, int) and base.crop is not None:
        crop = base.crop if isinstance(base.crop, int) else min(base.crop)
        return min(crop / base.resize, 1.0)
    return CROP_SHARE if base.resize is None or base.crop is not None else 1.0


def _before(sides: tuple[int, int], share: float) -> Size:
    """What images are resized to so that the crop keeps that share: the shorter side, or both of them."""
    height, width = round(sides[0] / share), round(sides[1] / share)
    return height if height == width else (height, width)


def _same(sides: tuple[int, int]) -> Size:
    return sides[0] if sides[0] == sides[1] else sides


def _one_of(text: str, valid: Sequence[str], option: str) -> str:
    found = next((each for each in valid if each.lower() == text.lower()), None)
    if found is None:
        raise DeclarationError(
            f"{option} {text}", cause=f"it is one of {', '.join(valid)}", remedy=did_you_mean(text, valid)
        )
    return found


def _parsed_size(text: str, option: str) -> tuple[int, int]:
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdigit() and int(side) for side in sides):
        raise DeclarationError(f"{option} {text}", cause="it is a number of pixels, or HEIGHTxWIDTH")
    return int(sides[0]), int(sides[-1])


def _parsed_crop(text: str, option: str) -> float | tuple[int, int] | str:
    if text.lower() == NO_CROP:
        return NO_CROP
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if 0 < share <= 1:
        return share
    try:
        return _parsed_size(text, option)
    except DeclarationError:
        raise DeclarationError(
            f"{option} {text}",
            cause=f"it is the share of the shorter side that is kept (0.875), pixels (224, 224x192), or {NO_CROP}",
        ) from None


def _parsed_number(text: str, option: str) -> float:
    """A number, or a fraction such as ``1/255``."""
    above, _, below = text.partition("/")
    try:
        return float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        raise DeclarationError(f"{option} {text}", cause="it is a number, or a fraction such as 1/255") from None


def _parsed_numbers(text: str, option: str) -> tuple[float, ...]:
    numbers = tuple(_parsed_number(part.strip(), option) for part in text.split(","))
    if len(numbers) not in (1, 3):
        raise DeclarationError(f"{option} {text}", cause="it is one number, or three separated by commas")
    return numbers
