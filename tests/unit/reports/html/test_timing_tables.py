"""The tables of the page on times: throughput, and how times were taken."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from pytest_envrobust.core.status import Status
from pytest_envrobust.core.timing import Clock
from pytest_envrobust.history.view import ModelView, Row
from pytest_envrobust.record.schema import Ends, Latency, Times
from pytest_envrobust.reports.html.timing_tables import (
    Measurement,
    RatioCell,
    measurements_of,
    ratio_cell,
    throughput_tables,
)
from pytest_envrobust.reports.timings import RecordedTiming

RATIO: dict[Clock, Ends] = {"cpu": (1.4, 1.5, 1.6), "wall": (7.0, 8.0, 9.0)}


def latency(**more: Any) -> Latency:
    return replace(Latency(measured_from="pairs", clock="cpu", batch=1, threads=1), **more)


def view(*latencies: Latency) -> ModelView:
    rows = (
        Row(f"torch/{number}/cpu", Status.PASSED, "", is_reference=False, latency=each)
        for number, each in enumerate(latencies)
    )
    return ModelView("signs", "", tuple(rows))


def cell_of(**more: Any) -> RatioCell:
    return ratio_cell(RecordedTiming("a/b/cpu", latency(**more)))


def test_a_ratio_stands_with_its_clock_and_control() -> None:
    near = cell_of(ratio=RATIO, control={"cpu": (0.99, 1.004, 1.01)})
    assert near == RatioCell("1.50", "1.40 to 1.60", "CPU", "1.004")
    control = {"cpu": (1.04, 1.05, 1.06), "wall": (1.0, 1.0, 1.0)}
    assert cell_of(ratio=RATIO, control=control).control_doubt == "outside 3 %"
    by_wall = cell_of(ratio=RATIO, control=control, clock="wall")
    assert by_wall == RatioCell("8.00", "7.00 to 9.00", "wall", "1.000")
    assert cell_of(ratio=RATIO, control_fault="died").control_doubt == "not run"
    assert cell_of() == RatioCell()


def test_each_point_has_a_row_and_what_could_not_be_timed_has_its_reason() -> None:
    points = [
        latency(batch=8, wall_ms=Times(median=24.0), images_per_second=333.3, ratio=RATIO, clock="wall"),
        Latency(batch=32, threads=1, reason="torch/0/cpu cannot be timed at batch 32: its source takes batches of 8"),
    ]
    (table,) = throughput_tables(view(latency(wall_ms=Times(median=4.0), images_per_second=250.0, points=points)))
    assert table.environment == "torch/0/cpu"
    assert [(row.batch, row.call, row.image, row.rate, row.ratio.clock) for row in table.rows] == [
        (1, "4.00", "4.00", "250", ""),
        (8, "24.00", "3.00", "333", "wall"),
        (32, "", "", "", ""),
    ]
    assert [row.reason for row in table.rows] == ["", "", "cannot be timed at batch 32: its source takes batches of 8"]


def test_how_a_time_was_taken_is_told_with_each_doubt_once() -> None:
    battery = "the machine runs on battery"
    measured = latency(
        rounds=40, calls_a_turn=3, warm_up_calls=25, smallest_visible=1.02, control={"cpu": (0.99, 1.0, 1.01)},
        notices=[battery, "the load average was 3.5 on 2 cores"],
        points=[latency(batch=8, notices=[battery, "the load average was 4.5 on 2 cores"], control_fault="died")],
    )  # fmt: skip
    predicted = Latency(measured_from="predictions", notices=["never shown"])
    assert measurements_of(view(measured, latency(), predicted)) == [
        Measurement(
            "torch/0/cpu", "CPU", "40 × 3", "25", "1.02", "1.000 (0.990 to 1.010)",
            ("the A/A control could not run: died", battery, "the load average was 3.5-4.5 on 2 cores"),
        )
    ]  # fmt: skip
