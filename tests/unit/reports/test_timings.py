"""What reports say of times: the ratio that decides, its control, points of the axes, notices."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from pytest_envrobust.core.status import Status
from pytest_envrobust.core.timing import Clock
from pytest_envrobust.history.view import ModelView, Row
from pytest_envrobust.record.schema import Ends, Latency, Times
from pytest_envrobust.reports.timings import (
    Condensed,
    RecordedTiming,
    condensed,
    controls_text,
    notice_lines,
    rate_text,
    ratio_text,
    throughput_of,
    timings_of,
    unavailable_points,
)

PREDICTED = Latency(measured_from="predictions")
ONE: dict[Clock, Ends] = {"cpu": (1.0, 1.0, 1.0)}


def latency(**more: Any) -> Latency:
    return replace(Latency(measured_from="pairs", clock="cpu", batch=1, threads=1), **more)


def control(middle: float, clock: Clock = "cpu", **more: Any) -> Latency:
    ends = (middle / 1.01, middle, middle * 1.01)
    return latency(clock=clock, control={clock: ends}, ratio={clock: (1.0, 1.1, 1.2)}, **more)


def view(**latencies: Latency) -> ModelView:
    rows = (
        Row(f"torch/{name}/cpu", Status.PASSED, "", is_reference=False, latency=each)
        for name, each in latencies.items()
    )
    return ModelView("signs", "", tuple(rows))


def of(each: Latency, environment: str = "torch/script/cpu") -> RecordedTiming:
    return RecordedTiming(environment, each)


def test_the_recorded_clock_decides() -> None:
    both: dict[Clock, Ends] = {"wall": (1.0, 2.0, 3.0), "cpu": (4.0, 5.0, 6.0)}
    assert ratio_text(of(Latency(clock="wall", ratio=both))) == "2.00 [1.00, 3.00] wall"
    assert ratio_text(of(Latency(clock="cpu", ratio=both))) == "5.00 [4.00, 6.00] CPU"
    assert ratio_text(of(Latency(ratio=both))) == "5.00 [4.00, 6.00] CPU"
    assert ratio_text(of(Latency(ratio=both), "torch/eager/cuda:0")) == "2.00 [1.00, 3.00] wall"


@pytest.mark.parametrize("recorded", [None, {}, {"wall": (1.0, 2.0, 3.0)}])
def test_where_the_clock_that_decides_has_no_ratio_none_is_told(recorded: dict[Clock, Ends] | None) -> None:
    assert ratio_text(of(Latency(clock="cpu", ratio=recorded))) == ""


@pytest.mark.parametrize(
    ("middle", "holds"), [(1.0, True), (1.029, True), (1.031, False), (0.972, True), (0.97, False), (0.0, False)]
)
def test_a_control_holds_within_three_percent_either_way(middle: float, holds: bool) -> None:
    timing = of(Latency(clock="cpu", control={"cpu": (0.9, middle, 1.1)}))
    assert (timing.control_holds, timing.control_speaks_against) == (holds, not holds)


def test_a_control_that_could_not_run_speaks_against_the_ratio_and_one_that_nobody_asked_for_does_not() -> None:
    assert of(Latency(control_fault="the worker died")).control_speaks_against
    assert not of(Latency()).control_speaks_against


def test_an_environment_without_times_has_nothing_to_tell() -> None:
    timing = RecordedTiming.of(Row("torch/script/cpu", Status.CRASHED, "boom", is_reference=False))
    assert (timing.ratio, timing.control, timing.control_fault, timing.call_ms) == (None, None, "", None)


def test_controls_of_further_points_count_and_the_worst_is_named_with_its_point() -> None:
    far = control(0.9, "wall", batch=8, threads=2)
    found = view(a=control(1.02), b=control(1.01, points=[far]))
    timings = [timing for row in found.rows for timing in timings_of(row)]
    assert controls_text(timings) == (
        "A/A controls, the reference against itself: 2 of 3 within 3 %, the worst 0.900 times its own wall time beside "
        "torch/b/cpu (batch 8, 2 threads)"
    )


def test_controls_that_could_not_run_are_told_with_the_reason() -> None:
    fault = latency(control_fault="too little memory", ratio=ONE)
    assert controls_text([of(fault), of(fault), of(control(1.0)), of(latency(ratio=ONE))]) == (
        "A/A controls, the reference against itself: 1 of 1 within 3 %, the worst 1.000 times its own CPU time beside "
        "torch/script/cpu, 2 could not run: too little memory, 1 ratio without"
    )


def test_where_no_control_was_asked_for_nothing_is_said() -> None:
    assert controls_text([of(latency(ratio=ONE))]) == ""


def test_notices_that_differ_in_numbers_alone_are_one_with_the_spans() -> None:
    said = [
        ("a", "the processor's frequency went from 3400 to 2900 MHz meanwhile"),
        ("b", "the machine runs on battery"),
        ("c", "the processor's frequency went from 3400 to 900.5 MHz meanwhile"),
        ("c", "the processor's frequency went from 3400 to 3000 MHz meanwhile"),
    ]
    assert condensed(said) == [
        Condensed("the processor's frequency went from 3400 to 900.5-3000 MHz meanwhile", ("a", "c")),
        Condensed("the machine runs on battery", ("b",)),
    ]


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("kept 2.5 % of it", "kept 1e+02 % of it", "kept 2.5-1e+02 % of it"),
        ("kept 9 % of it", "kept 10 % of it", "kept 9-10 % of it"),
        ("3 cores", "5 cores", "3-5 cores"),
        ("a governor sched2", "a governor sched3", None),
        ("on 1 core", "on 2 cores", None),
    ],
)
def test_only_numbers_are_taken_for_numbers(one: str, other: str, together: str | None) -> None:
    assert [each.text for each in condensed([("a", one), ("b", other)])] == ([together] if together else [one, other])


def test_a_notice_of_one_environment_names_it_and_points_belong_to_their_environment() -> None:
    busy = "other processes used {} of 2 cores meanwhile"
    point = latency(batch=8, notices=[busy.format(1.9)])
    found = view(
        a=latency(notices=[busy.format(0.4)], points=[point]),
        b=latency(notices=["the machine runs on battery"], points=[latency(batch=8, notices=[busy.format(0.2)])]),
        c=latency(),
        d=PREDICTED,
    )
    assert notice_lines(found) == [
        "other processes used 0.2-1.9 of 2 cores meanwhile (2 of 3 environments)",
        "the machine runs on battery (torch/b/cpu)",
    ]


def test_throughput_is_told_where_there_is_more_than_an_input_a_call() -> None:
    points = [latency(batch=8, threads=2), latency(batch=8), latency(batch=1, threads=2)]
    (one, other) = throughput_of(view(a=latency(points=points), b=latency(), c=PREDICTED))
    assert [(timing.point.batch, timing.point.threads) for timing in one] == [(1, 1), (8, 1), (1, 2), (8, 2)]
    assert [timing.environment for timing in other] == ["torch/b/cpu"]
    assert len(throughput_of(view(a=latency(batch=4)))) == 1
    assert throughput_of(view(a=latency(), b=latency())) == ()
    assert throughput_of(view(a=Latency(measured_from="pairs"))) == ()


def test_time_and_rate_of_an_image() -> None:
    timing = of(latency(batch=8, wall_ms=Times(median=20.0), images_per_second=400.0))
    assert (timing.image_ms, rate_text(timing)) == (2.5, "400")
    assert (of(latency()).image_ms, rate_text(of(latency()))) == (None, "")


def test_a_reason_is_told_once_without_the_name_of_its_cell() -> None:
    timings = [
        RecordedTiming(name, Latency(batch=batch, threads=1, reason=f"{name} cannot be timed at batch {batch}"), True)
        for name, batch in (("torch/a/cpu", 8), ("torch/b/cpu", 8), ("torch/b/cpu", 8), ("torch/b/cpu", 32))
    ]
    assert unavailable_points([*timings, of(latency())]) == {
        "cannot be timed at batch 8": ["torch/a/cpu", "torch/b/cpu"],
        "cannot be timed at batch 32": ["torch/b/cpu"],
    }
