"""What is written below the sensitivity table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.records import analysis_of, record_of

from pytest_envrobust.history.view import model_views
from pytest_envrobust.record.predictions import Predictions
from pytest_envrobust.reports.definitions import definition_lines
from pytest_envrobust.reports.html.page import html_report
from pytest_envrobust.reports.markdown import markdown_lines
from pytest_envrobust.reports.terminal import terminal_lines


def swap(left: int, *parts: str, new: int = 0, back: bool = False) -> dict[str, Any]:
    return {"parts": list(parts), "flips": left, "new": new, "by_reference": back}


def record(environment: str = "torch/eager/cpu", **part: Any):
    told = {"environment": environment, "reference": "keras/eager/cpu", "n": 200, "flips": 36, **part}
    cells = [{"status": "passed", "model": "net", "environment": environment, "reference": "keras/eager/cpu"}]
    return record_of(cells, [{"name": "net", "decompositions": {"torch": told}, "analysis": analysis_of()}])


def line(**part: Any) -> str:
    (view,) = model_views(record(**part))
    (found,) = definition_lines(view)
    return found


START = "framework (definitions): 36 of 200 labels differ between torch/eager/cpu and keras/eager/cpu; "


def test_what_the_resizing_makes_and_what_is_left() -> None:
    swaps = [swap(30, "filter"), swap(27, "geometry"), swap(23, "filter", "geometry", new=4)]
    assert line(swaps=swaps) == (
        f"{START}torch with keras's resize filter 30, geometry 27, both 23 (4 new): "
        "13 of the 36 are preprocessing, 23 weights and definition"
    )


def test_both_ways_are_told() -> None:
    swaps = [swap(45, "filter"), swap(60, "values"), swap(70, "filter", "values"), swap(30, "filter", new=2, back=True)]
    assert "both 70; keras with torch's resize filter 30 (2 new): 6 of the 36 are preprocessing" in line(swaps=swaps)
    together = [swap(40, "filter"), swap(40, "geometry"), swap(41, "filter", "geometry")]
    assert "both 41; keras with torch's resize filter and geometry 36: none is preprocessing" in line(
        swaps=[*together, swap(36, "filter", "geometry", back=True)]
    )


def test_values_that_a_network_was_trained_for_are_told_and_not_counted() -> None:
    swaps = [swap(20, "filter"), swap(68, "values"), swap(60, "filter", "values")]
    assert line(swaps=swaps) == (
        f"{START}torch with keras's resize filter 20, scale, mean and deviation 68, both 60: "
        "16 of the 36 are preprocessing, 20 weights and definition; "
        "scale, mean and deviation not counted: a network is trained for its own"
    )


def test_what_may_be_chance_is_told_so() -> None:
    assert "1 of the 36 is preprocessing (p = 1.000: it may be chance), 35 weights" in line(
        swaps=[swap(35, "filter", new=10)]
    )


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"swaps": [swap(0, "channels")]}, "torch with keras's channel order 0: all 36 are preprocessing"),
        (
            {"swaps": [swap(40, "all")]},
            "torch with keras's preprocessing 40: none is preprocessing, all 36 are weights and ",
        ),
        ({}, "both are prepared alike: all 36 are weights and definition"),
        ({"shared": "weights"}, "both are prepared alike: all 36 are definition (both have the same weights)"),
        ({"shared": "network", "swaps": [swap(1, "geometry")]}, "35 of the 36 are preprocessing, 1 engine (both are"),
    ],
)
def test_how_it_ends(part: dict[str, Any], said: str) -> None:
    assert said in line(**part)


def test_a_part_of_the_inputs_and_a_variant() -> None:
    assert line(n=64, of=1000).startswith(
        "framework (definitions): 36 of 64 labels (of inputs spread evenly over 1000) differ between"
    )
    assert "1 of 200 labels differs between" in line(flips=1)
    assert line(environment="keras:int8/eager/cpu").startswith("variant: 36 of 200 labels differ")


def test_every_report_has_it_and_a_record_without_has_nothing() -> None:
    with_it = record(swaps=[swap(23, "filter")])
    said = "13 of the 36 are preprocessing, 23 weights and definition"
    assert sum(said in text for text in terminal_lines(with_it)) == 1
    assert sum(said in text for text in markdown_lines(with_it)) == 1
    assert html_report(with_it, Predictions(Path("none"))).count(said) == 1
    without = record_of(with_it and [{"status": "passed"}], [{"name": "net", "analysis": analysis_of()}])
    assert not any("preprocessing" in text for text in terminal_lines(without))
