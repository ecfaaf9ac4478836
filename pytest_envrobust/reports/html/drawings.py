"""The two drawings of a model in the HTML report: how its times are spread, and agreement against time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_envrobust.core.timing import Clock
from pytest_envrobust.core.wording import clock_name, percent
from pytest_envrobust.history.view import ModelView
from pytest_envrobust.record.latency_part import clock_of
from pytest_envrobust.record.schema import Latency
from pytest_envrobust.reports.html.charts import (
    CHARACTER,
    Box,
    Label,
    ParetoPoint,
    Rectangle,
    Scale,
    box,
    pareto,
    place_labels,
    scale,
)
from pytest_envrobust.reports.words import milliseconds

_CLOCKS: tuple[Clock, ...] = ("wall", "cpu")
_FEWEST = 5
"""Samples that a box needs."""


@dataclass(frozen=True)
class Spread:
    """An environment's line in the drawing of times: ``y`` in pixels, a box for each clock that was read.

    ``is_untimed`` where these are the calls that gave the predictions, the first ones included.
    """

    environment: str
    y: float
    boxes: tuple[tuple[str, Box], ...]
    text: str
    is_untimed: bool


@dataclass(frozen=True)
class TimeDrawing:
    """Box plots of times, one line an environment; sizes in pixels."""

    width: int
    height: int
    left: float
    axis: Scale
    lines: tuple[Spread, ...]


@dataclass(frozen=True)
class Dot:
    """A point of the drawing of agreement against time, in pixels; ``text`` says it in words."""

    x: float
    y: float
    is_best: bool
    label: Label | None
    text: str


@dataclass(frozen=True)
class ParetoDrawing:
    """Agreement (up) against time (right); ``front`` is the steps through the points that nothing beats.

    Where all agree equally a drawing would say nothing that times do not: ``said`` is a sentence in its place.
    ``untimed`` environments are left out, as nobody asked for their time and others were timed.
    """

    width: int
    height: int
    area: Rectangle
    x: Scale
    y: Scale
    clock: str
    dots: tuple[Dot, ...]
    front: str
    best: tuple[str, ...]
    unlabeled: int
    untimed: int
    said: str


def time_drawing(view: ModelView) -> TimeDrawing | None:
    """Boxes of single calls; ``None`` where no environment has enough of them."""
    drawn = {
        row.environment: (clocks, row.latency)
        for row in view.rows
        if row.latency is not None and (clocks := _samples(row.latency))
    }
    if not drawn:
        return None
    left = 24 + CHARACTER * 1.1 * max(len(name) for name in drawn)
    width, height = 900, 22 * len(drawn) + 46
    times = [value for clocks, _ in drawn.values() for of in clocks.values() for value in of]
    axis = scale(times, left, width - 14)
    lines = [
        Spread(
            name,
            16.0 + 22 * number,
            tuple((clock, box(of, axis)) for clock, of in clocks.items()),
            _said(clocks),
            _is_untimed(latency),
        )
        for number, (name, (clocks, latency)) in enumerate(drawn.items())
    ]
    return TimeDrawing(width, height, left, axis, tuple(lines))


def _samples(latency: Latency) -> dict[Clock, list[float]]:
    """Single calls by clock, for the clocks of which there are enough."""
    samples = latency.samples_ms or {}
    return {clock: samples[clock] for clock in _CLOCKS if len(samples.get(clock, ())) >= _FEWEST}


def _is_untimed(latency: Latency) -> bool:
    return latency.measured_from == "predictions"


def pareto_drawing(view: ModelView) -> ParetoDrawing | None:
    """Agreement against median time; ``None`` for less than two environments that have both."""
    both = [
        (row.environment, row.latency, row.labels.agreement)
        for row in view.rows
        if row.labels is not None and row.latency is not None
    ]
    # calls that gave predictions include the first ones: they do not belong beside times that were asked for
    timed = [each for each in both if not _is_untimed(each[1])] or both
    clocks = {clock_of(environment, latency) for environment, latency, _ in timed}
    clock: Clock = "wall"
    if clocks == {"cpu"} and all(latency.cpu_ms is not None for _, latency, _ in timed):
        clock = "cpu"
    points = pareto(
        [
            ParetoPoint(environment, median, agreement)
            for environment, latency, agreement in timed
            if (median := latency.median_on(clock)) is not None
        ]
    )
    if len(points) < 2:
        return None
    width, height = 900, 420
    area = Rectangle(58, 16, width - 14, height - 44)
    x = scale([point.x for point in points], area.left, area.right, margin=0.06)
    y = _agreement_scale([point.y for point in points], area)
    ordered = sorted(points, key=lambda point: (not point.is_best, point.x, -point.y))
    labels = place_labels([(point.name, x.at(point.x), y.at(point.y)) for point in ordered], area)
    dots = [
        Dot(
            x.at(point.x), y.at(point.y), point.is_best, label,
            f"{point.name}: {percent(point.y)}, {milliseconds(point.x)} ms",
        )
        for point, label in zip(ordered, labels)
    ]  # fmt: skip
    best = [point for point in ordered if point.is_best]
    return ParetoDrawing(
        width, height, area, x, y, clock, tuple(dots), _steps(best, x, y, area),
        tuple(point.name for point in best), labels.count(None), len(both) - len(timed),
        _said_of_equals(points, clock),
    )  # fmt: skip


def _said_of_equals(points: Sequence[ParetoPoint], clock: Clock) -> str:
    if len({point.y for point in points}) > 1:
        return ""
    fastest = min(points, key=lambda point: point.x)
    return (
        f"All {len(points)} environments agree with the reference in {percent(fastest.y)} of the labels. The "
        f"fastest is {fastest.name}, {milliseconds(fastest.x)} ms of {clock_name(clock)} time a call."
    )


def _agreement_scale(shares: Sequence[float], area: Rectangle) -> Scale:
    """All of the agreements with a band above the best, which is often shared by many; 10 points at least."""
    low = min(*shares, 0.9)
    return Scale(max(0.0, low - 0.15 * (1.0 - low)), 1.0, area.bottom, area.top + 34)


def _steps(best: Sequence[ParetoPoint], x: Scale, y: Scale, area: Rectangle) -> str:
    """A path along the front: what is to its right and below is beaten."""
    if not best:
        return ""
    first = best[0]
    path = f"M{x.at(first.x)} {area.bottom}V{y.at(first.y)}"
    path += "".join(f"H{x.at(point.x)}V{y.at(point.y)}" for point in best[1:])
    return f"{path}H{area.right}"


def _said(clocks: Mapping[Clock, Sequence[float]]) -> str:
    parts = [f"{clock} {milliseconds(min(of))} to {milliseconds(max(of))} ms" for clock, of in clocks.items()]
    return ", ".join(parts)
