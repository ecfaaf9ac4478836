"""The geometry of the report's drawings: scales, boxes, points, where labels fit. Templates draw what is here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

LOG_FROM = 20.0
"""From this ratio of largest to smallest value an axis is logarithmic: a linear one hides the small half."""
HEAT_STEPS = 8
"""Steps of the sequential color scale; step 0 is the background."""
CHARACTER = 6.1
"""Width of a character of a label, in pixels at 11 px, on the generous side."""
LINE = 13.0
"""Height of a label's line, in pixels."""
_WHISKER = 1.5
_MOST_TICKS, _TICK_GAP = 8, 26.0
_LOG_STEPS = ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))
"""Round numbers within a decade, the most first."""


@dataclass(frozen=True)
class Tick:
    """A mark of an axis: where it is, in pixels, and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Scale:
    """From values in ``low .. high`` to pixels in ``start .. stop``, linear or logarithmic."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value; values outside end at the edges."""
        low, high, inside = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, inside = math.log(low), math.log(high), math.log(inside)
        share = (inside - low) / (high - low)
        return round(self.start + share * (self.stop - self.start), 1)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """Round values on the scale, at most eight or so, and on a logarithmic one not too close for their texts."""
        if not self.log:
            return self._ticks(_linear_steps(self.low, self.high))
        found = (self._ticks(_log_steps(self.low, self.high, within)) for within in _LOG_STEPS)
        return next((ticks for ticks in found if _are_readable(ticks)), self._ticks([self.low, self.high]))

    def _ticks(self, values: Sequence[float]) -> tuple[Tick, ...]:
        return tuple(Tick(self.at(value), f"{value:.2g}" if value < 1 else f"{value:.6g}") for value in values)


def scale(
    values: Iterable[float], start: float, stop: float, *, log: bool | None = None, margin: float = 0.04
) -> Scale:
    """A scale that all values fit on, with a margin; logarithmic where they span more than a factor of 20.

    ``log`` decides instead where it is given. Values that are not positive make it linear. There must be a value.
    """
    found = list(values)
    low, high = min(found), max(found)
    chosen = low > 0 and (high / low > LOG_FROM if log is None else log)
    if chosen:
        factor = max((high / low) ** margin, 1.1)
        return Scale(low / factor, high * factor, start, stop, log=True)
    pad = (high - low) * margin if high > low else abs(high) * 0.1 or 1.0
    return Scale(max(low - pad, 0.0) if low >= 0 else low - pad, high + pad, start, stop)


@dataclass(frozen=True)
class Box:
    """A box plot, in pixels: quartiles, median, whiskers, and the samples beyond these."""

    whisker_low: float
    low: float
    middle: float
    high: float
    whisker_high: float
    outside: tuple[float, ...] = ()


def box(samples: Sequence[float], on: Scale) -> Box:
    """The box of samples: quartiles, whiskers to the last sample within 1.5 box lengths (J. W. Tukey, 1977)."""
    ordered = sorted(samples)
    low, middle, high = (quantile(ordered, share) for share in (0.25, 0.5, 0.75))
    reach = _WHISKER * (high - low)
    inside = [value for value in ordered if low - reach <= value <= high + reach]
    outside = tuple(dict.fromkeys(on.at(value) for value in ordered if not low - reach <= value <= high + reach))
    ends = (inside[0], inside[-1]) if inside else (low, high)
    return Box(on.at(ends[0]), on.at(low), on.at(middle), on.at(high), on.at(ends[1]), outside)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The quantile of sorted values, interpolated between neighbors."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


@dataclass(frozen=True)
class ParetoPoint:
    """A labeled point: ``x``, ``y`` in the data's units, and whether nothing beats it in both."""

    name: str
    x: float
    y: float
    is_best: bool = False


def pareto(points: Sequence[ParetoPoint]) -> list[ParetoPoint]:
    """The points, those marked that no other beats: at most its ``x``, at least its ``y``, and better in one."""

    def beaten(point: ParetoPoint) -> bool:
        return any(
            other.x <= point.x and other.y >= point.y and (other.x < point.x or other.y > point.y) for other in points
        )

    return [ParetoPoint(point.name, point.x, point.y, not beaten(point)) for point in points]


@dataclass(frozen=True)
class Rectangle:
    """Left, top, right and bottom in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Rectangle) -> bool:
        """Whether the two share any area."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def holds(self, other: Rectangle) -> bool:
        """Whether the other lies inside."""
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.top <= other.top
            and other.bottom <= self.bottom
        )


@dataclass(frozen=True)
class Label:
    """Where a label's text begins or ends; ``leader`` is the line from its point, where it stands apart."""

    text: str
    x: float
    y: float
    anchor: str
    leader: tuple[float, float, float, float] | None = None
    frame: Rectangle = field(default=Rectangle(0, 0, 0, 0), repr=False)


def place_labels(
    points: Sequence[tuple[str, float, float]], within: Rectangle, *, radius: float = 5.0
) -> list[Label | None]:
    """A place for each label ``(text, x, y)``, in pixels, that covers no point and no other label.

    Earlier ones choose first: beside their point, else further up or down at the end of a line. ``None`` where there is
    no room.
    """
    taken = [Rectangle(x - radius, y - radius, x + radius, y + radius) for _, x, y in points]
    placed: list[Label | None] = []
    for text, x, y in points:
        free = (
            label
            for label in _places(text, x, y, radius)
            if within.holds(label.frame) and not any(label.frame.overlaps(other) for other in taken)
        )
        label = next(free, None)
        if label is not None:
            taken.append(label.frame)
        placed.append(label)
    return placed


def heat_step(value: float, low: float, high: float, *, log: bool = False) -> int:
    """The step of the color scale, 0 .. 8: 0 at ``low`` or below, 8 at ``high``, evenly between."""
    if value <= low or high <= low:
        return 0
    share = (value - low) / (high - low)
    if log and low > 0:
        share = math.log(value / low) / math.log(high / low)
    return min(HEAT_STEPS, max(1, math.ceil(share * HEAT_STEPS - 1e-9)))


def _places(text: str, x: float, y: float, radius: float) -> Iterator[Label]:
    width, gap = len(text) * CHARACTER, radius + 3
    for rise in sorted(range(-20, 21), key=lambda step: (abs(step), step)):
        baseline = y + 4 + rise * LINE
        for anchor, away in (("start", gap), ("end", -gap), ("start", 4 * gap), ("end", -4 * gap)):
            near = abs(away) == gap
            if near and rise and abs(rise) < 2:
                continue  # a leader this short reads as part of the point
            left = x + away if anchor == "start" else x + away - width
            frame = Rectangle(left - 1, baseline - LINE + 3, left + width + 1, baseline + 3)
            leader = None if near and not rise else (x, y, x + away - math.copysign(2, away), baseline - 4)
            yield Label(text, round(x + away, 1), round(baseline, 1), anchor, leader, frame)


def _linear_steps(low: float, high: float) -> list[float]:
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(nice * power for nice in (1, 2, 5, 10) if nice * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _log_steps(low: float, high: float, within: Sequence[int]) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [nice * 10.0**power for power in decades for nice in within if low <= nice * 10.0**power <= high]


def _are_readable(ticks: Sequence[Tick]) -> bool:
    gaps = [abs(other.at - one.at) for one, other in pairwise(ticks)]
    return len(ticks) <= _MOST_TICKS and min(gaps, default=0.0) >= _TICK_GAP
