"""The tables of the page on times: throughput, and how times were taken."""

from __future__ import annotations

from typing import Any

from pytest_envrobust.history.view import ModelView, Row
from pytest_envrobust.reports.html.timing_tables import RatioCell, Taken, ratio_cell, taken_rows, throughput_tables
from pytest_envrobust.reports.times import Timed

RATIO = {"cpu": [1.4, 1.5, 1.6], "wall": [7.0, 8.0, 9.0]}


def latency(**more: Any) -> dict[str, Any]:
    return {"from": "pairs", "clock": "cpu", "batch": 1, "threads": 1, **more}


def view(*latencies: dict[str, Any]) -> ModelView:
    rows = (Row(f"torch/{number}/cpu", "passed", "", False, latency=each) for number, each in enumerate(latencies))
    return ModelView("signs", "", tuple(rows))


def test_a_ratio_stands_with_its_clock_and_control() -> None:
    near = latency(ratio=RATIO, control={"cpu": [0.99, 1.004, 1.01]})
    assert ratio_cell(Timed("a/b/cpu", near)) == RatioCell("1.50", "1.40 to 1.60", "CPU", "1.004")
    far = latency(ratio=RATIO, control={"cpu": [1.04, 1.05, 1.06], "wall": [1.0, 1.0, 1.0]})
    assert ratio_cell(Timed("a/b/cpu", far)).control_doubt == "outside 3 %"
    assert ratio_cell(Timed("a/b/cpu", far | {"clock": "wall"})) == RatioCell("8.00", "7.00 to 9.00", "wall", "1.000")
    assert ratio_cell(Timed("a/b/cpu", latency(ratio=RATIO, control_fault="died"))).control_doubt == "not run"
    assert ratio_cell(Timed("a/b/cpu", latency())) == RatioCell()


def test_each_point_has_a_row_and_what_could_not_be_timed_has_its_reason() -> None:
    points = [
        latency(batch=8, wall_ms={"median": 24.0}, images_per_second=333.3, ratio=RATIO, clock="wall"),
        {"batch": 32, "threads": 1, "reason": "torch/0/cpu cannot be timed at batch 32: its source takes batches of 8"},
    ]
    (table,) = throughput_tables(view(latency(wall_ms={"median": 4.0}, images_per_second=250.0, points=points)))
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
        rounds=40, calls_a_turn=3, warm_up_calls=25, smallest_visible=1.02, control={"cpu": [0.99, 1.0, 1.01]},
        notices=[battery, "the load average was 3.5 on 2 cores"],
        points=[latency(batch=8, notices=[battery, "the load average was 4.5 on 2 cores"], control_fault="died")],
    )  # fmt: skip
    assert taken_rows(view(measured, latency(), {"from": "predictions", "notices": ["never shown"]})) == [
        Taken(
            "torch/0/cpu", "CPU", "40 × 3", "25", "1.02", "1.000 (0.990 to 1.010)",
            ("the A/A control could not run: died", battery, "the load average was 3.5-4.5 on 2 cores"),
        )
    ]  # fmt: skip
