"""The geometry of the report's drawings."""

from __future__ import annotations

import random

import pytest

from pytest_envrobust.reports.html.charts import (
    HEAT_STEPS,
    ParetoPoint,
    Rectangle,
    box,
    heat_step,
    pareto,
    place_labels,
    quantile,
    scale,
)


def texts(*values: float, log: bool | None = None, width: float = 600) -> list[str]:
    return [tick.text for tick in scale(values, 0, width, log=log).ticks]


def test_a_scale_keeps_order_and_proportion() -> None:
    on = scale([0.0, 10.0], 100, 200, margin=0.0)
    assert [on.at(value) for value in (0.0, 2.5, 10.0)] == [100, 125, 200]
    assert on.at(-5.0) == 100
    assert on.at(50.0) == 200


def test_a_scale_may_run_upward() -> None:
    on = scale([0.0, 1.0], 300, 100, margin=0.0)
    assert [on.at(value) for value in (0.0, 0.5, 1.0)] == [300, 200, 100]


@pytest.mark.parametrize(
    ("values", "expected"), [((1, 20), False), ((1, 21), True), ((0, 1000), False), ((-1, 1000), False)]
)
def test_an_axis_is_logarithmic_from_a_range_of_more_than_twenty(values: tuple[float, ...], expected: bool) -> None:
    assert scale(values, 0, 100).log is expected


def test_equal_ratios_are_equally_far_apart_on_a_logarithmic_scale() -> None:
    on = scale([0.1, 10], 0, 1000)
    assert on.log
    assert on.at(1) - on.at(0.1) == pytest.approx(on.at(10) - on.at(1), abs=0.2)


@pytest.mark.parametrize("values", [(5.0,), (0.0,), (-3.0, -3.0), (1e-9, 1e-9), (1.0, 1.0000001)])
def test_equal_values_make_a_scale_too(values: tuple[float, ...]) -> None:
    on = scale(values, 0, 100)
    assert on.low < on.high
    assert 0 <= on.at(values[0]) <= 100
    assert on.ticks


def test_a_scale_of_values_from_zero_up_does_not_show_less() -> None:
    assert scale([0.0, 5.0], 0, 100).low == 0.0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0, 10), ["0", "5", "10"]),
        ((4.7, 18), ["5", "10", "15"]),
        ((1, 1000), ["1", "3", "10", "30", "100", "300", "1000"]),
        ((0.2, 45), ["0.2", "0.5", "1", "2", "5", "10", "20"]),
    ],
)
def test_ticks_are_round(values: tuple[float, ...], expected: list[str]) -> None:
    found = texts(*values)
    assert set(expected) <= set(found)
    assert len(found) <= 8


def test_a_narrow_logarithmic_axis_has_few_ticks() -> None:
    assert texts(0.25, 1.1, log=True, width=112) == ["0.5", "1"]
    assert texts(0.03, 50, log=True, width=112) == ["0.1", "1", "10"]


def test_ticks_stand_where_their_values_do() -> None:
    on = scale([0.2, 45], 0, 600)
    assert all(tick.at == on.at(float(tick.text)) for tick in on.ticks)


def test_a_logarithmic_axis_without_a_round_number_shows_its_ends() -> None:
    on = scale([1.11, 1.12], 0, 100, log=True, margin=0.0)
    assert len(on.ticks) == 2


@pytest.mark.parametrize(("share", "expected"), [(0, 1), (0.25, 1.75), (0.5, 2.5), (1, 4)])
def test_quantiles_lie_between_neighbors(share: float, expected: float) -> None:
    assert quantile([1, 2, 3, 4], share) == expected


def test_a_box_has_quartiles_whiskers_and_what_lies_beyond() -> None:
    on = scale([0, 100], 0, 100, margin=0.0)
    found = box([12, 10, 11, 13, 14, 60, 12], on)
    assert (found.low, found.middle, found.high) == (11.5, 12, 13.5)
    assert (found.whisker_low, found.whisker_high) == (10, 14)
    assert found.outside == (60,)


def test_a_box_of_equal_samples_is_a_line() -> None:
    found = box([5.0] * 6, scale([5.0], 0, 100))
    assert found.low == found.high == found.whisker_low == found.whisker_high
    assert found.outside == ()


def test_the_front_has_what_nothing_beats() -> None:
    points = [
        ParetoPoint("slow, right", 9, 1.0),
        ParetoPoint("fast", 1, 0.8),
        ParetoPoint("middle", 4, 0.9),
        ParetoPoint("beaten", 5, 0.85),
    ]
    assert [point.name for point in pareto(points) if point.is_best] == ["slow, right", "fast", "middle"]


def test_of_equal_agreement_only_the_fastest_is_on_the_front() -> None:
    found = pareto([ParetoPoint("a", 3, 1.0), ParetoPoint("b", 2, 1.0), ParetoPoint("c", 2, 1.0)])
    assert [point.name for point in found if point.is_best] == ["b", "c"]


def test_labels_cover_neither_points_nor_each_other() -> None:
    chance = random.Random(4)
    area = Rectangle(50, 10, 880, 380)
    points = [(f"torch/compiler-{n}/cpu", chance.uniform(60, 860), chance.choice((40.0, 300.0))) for n in range(25)]
    placed = place_labels(points, area)
    frames = [label.frame for label in placed if label is not None]
    assert len(frames) >= 20
    assert all(area.holds(frame) for frame in frames)
    for number, frame in enumerate(frames):
        assert not any(frame.overlaps(other) for other in frames[number + 1 :])
        assert not any(frame.left < x < frame.right and frame.top < y < frame.bottom for _, x, y in points)


def test_a_lone_label_stands_beside_its_point_without_a_line() -> None:
    (label,) = place_labels([("a", 100, 100)], Rectangle(0, 0, 400, 200))
    assert label is not None
    assert (label.anchor, label.leader) == ("start", None)
    assert 100 < label.x < 115


def test_a_label_at_the_right_edge_stands_to_the_left() -> None:
    (label,) = place_labels([("a long name", 395, 100)], Rectangle(0, 0, 400, 200))
    assert label is not None
    assert (label.anchor, label.leader) == ("end", None)


def test_a_label_that_stands_apart_has_a_line_from_its_point() -> None:
    placed = place_labels([("one", 100, 100), ("other", 100, 100)], Rectangle(0, 0, 110, 200))
    leaders = [label.leader for label in placed if label is not None and label.leader is not None]
    assert leaders
    assert all(leader[:2] == (100, 100) for leader in leaders)


def test_without_room_there_is_no_label() -> None:
    assert place_labels([("much too long a name", 50, 50)], Rectangle(0, 0, 100, 100)) == [None]


def test_heat_runs_evenly_from_background_to_the_deepest_color() -> None:
    steps = [heat_step(value / 100, 0.0, 1.0) for value in range(101)]
    assert steps == sorted(steps)
    assert set(steps) == set(range(HEAT_STEPS + 1))
    assert (steps[0], steps[1], steps[50], steps[100]) == (0, 1, 4, 8)


def test_heat_of_differences_is_logarithmic() -> None:
    assert heat_step(1e-3, 1e-6, 1.0, log=True) == 4
    assert heat_step(1e-3, 1e-6, 1.0) == 1


def test_heat_without_a_range_is_background() -> None:
    assert heat_step(0.0, 0.0, 0.0) == 0
