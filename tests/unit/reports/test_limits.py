"""What passed means: the limit beside the figure, and where it was set."""

from __future__ import annotations

from typing import Any

import pytest
from support.records import record_of

from pytest_envrobust.history.view import HeldLimit, Row, model_views
from pytest_envrobust.reports.columns import entries_of, environment_columns
from pytest_envrobust.reports.limits import changed_limits, limit_beside, limit_lines
from pytest_envrobust.reports.markdown import markdown_lines
from pytest_envrobust.reports.tables import Report, tabulated
from pytest_envrobust.reports.terminal import terminal_lines

REFERENCE, ORT, TVM = "torch/eager/cpu", "onnx/ort-all/cpu", "onnx/tvm-o0/cpu"


def labels(limit: float, limit_from: str, **more: Any) -> dict[str, Any]:
    counted = {"n": 8, "agreement": 1.0, "bound": 0.688, "flips": {"real": 0, "tie": 0, "undefined": 0}}
    return {**counted, "limit": limit, "limit_from": limit_from, "verdict": "passed", **more}


def judged(**limits: float) -> dict[str, Any]:
    told = [
        {"limit": value, "limit_name": name, "limit_from": "ini", "verdict": "passed"} for name, value in limits.items()
    ]
    return {**told[0], "verdicts": told}


def cell(environment: str, **more: Any) -> dict[str, Any]:
    return {"model": "signs", "environment": environment, "reference": REFERENCE, "status": "passed", **more}


def rows(*cells: dict[str, Any]) -> tuple[Row, ...]:
    (view,) = model_views(record_of(cells))
    return view.rows


def held(name: str, value: float, **more: Any) -> HeldLimit:
    return HeldLimit(name, value, "ini", **more)


def row(*limits: HeldLimit) -> Row:
    (only,) = rows(cell(ORT))
    return Row(**{**vars(only), "limits": limits})


EVERY_KIND = cell(
    ORT,
    labels=labels(0.9, "marker", limit_on="bound", ties="ignore"),
    accuracy={"n": 8, "right": 8, "limit_on": "bound", **judged(min_accuracy=0.5)},
    scores={"abs_error": 0.1, **judged(max_abs_error=0.2)},
    latency={"from": "pairs", "wall_ms": {"median": 3.0}, **judged(max_latency_ms=40, max_latency_p99_ms=60)},
    checks={"mine": {"figures": {"depth": 3}, **judged(most_depth=5)}},
)


def test_limits_of_every_check_are_gathered_with_their_terms() -> None:
    (only,) = rows(EVERY_KIND)
    assert only.limits == (
        HeldLimit("min_label_agreement", 0.9, "marker", on_bound=True, ignores_ties=True),
        held("min_accuracy", 0.5, on_bound=True),
        held("max_abs_error", 0.2),
        held("max_latency_ms", 40),
        held("max_latency_p99_ms", 60),
        held("most_depth", 5),
    )
    assert limit_lines([only]) == [
        "limits: min_label_agreement 0.9 on what is shown without ties (marker), max_latency_ms 40 (ini), "
        "max_latency_p99_ms 60 (ini), min_accuracy 0.5 on what is shown (ini), max_abs_error 0.2 (ini), "
        "most_depth 5 (ini)"
    ]


def test_the_reference_is_not_held_against_itself_but_against_an_earlier_runs() -> None:
    told = labels(1.0, "default")
    (own,) = rows(cell(REFERENCE, labels=told))
    (earlier,) = rows(cell(REFERENCE, labels={**told, "reference": "run.json"}))
    assert (len(own.limits), len(earlier.limits)) == (0, 1)


def test_limits_of_several_tests_stand_each_once() -> None:
    loose, strict = labels(0.5, "test_it.py:2"), labels(0.9, "test_it.py:5")
    (only,) = rows(cell(ORT, labels=loose), cell(ORT, labels=strict), cell(ORT, labels=strict))
    assert [limit.value for limit in only.limits] == [0.5, 0.9]
    assert limit_beside(only, "min_label_agreement") == "≥ 0.9"
    assert limit_beside(row(held("max_latency_ms", 40), held("max_latency_ms", 30)), "max_latency_ms") == "≤ 30"


def test_a_limit_of_all_environments_stands_in_the_heading_and_in_one_line() -> None:
    record = record_of(
        [
            cell(REFERENCE, labels=labels(0.98, "conftest.py:7")),
            cell(ORT, labels=labels(0.98, "conftest.py:7")),
            cell(TVM, labels=labels(0.98, "conftest.py:7")),
        ]
    )
    terminal, markdown = terminal_lines(record), markdown_lines(record)
    assert "agreement ≥ 0.98" in terminal[1]
    assert "  limits: min_label_agreement 0.98 (conftest.py:7)" in terminal
    assert any("| agreement ≥ 0.98 |" in line for line in markdown)
    assert "limits: min\\_label\\_agreement 0.98 (conftest.py:7)".replace("\\", "") in [
        line.replace("\\", "") for line in markdown
    ]


def test_other_limits_stand_beside_each_figure_and_in_a_line_of_their_environments() -> None:
    record = record_of(
        [
            cell(REFERENCE, labels=labels(0.98, "conftest.py:7")),
            cell(ORT, labels=labels(0.98, "conftest.py:7")),
            cell(TVM, labels=labels(0.5, "conftest.py:8")),
        ]
    )
    terminal = terminal_lines(record)
    assert any(f"{ORT} " in line and "1.000 (8/8) ≥ 0.98" in line for line in terminal)
    assert any(f"{TVM} " in line and "1.000 (8/8) ≥ 0.5" in line for line in terminal)
    assert f"  limits in {ORT}: min_label_agreement 0.98 (conftest.py:7)" in terminal
    assert f"  limits in {TVM}: min_label_agreement 0.5 (conftest.py:8)" in terminal


def test_a_bound_that_has_to_keep_it_stands_beside_the_limit() -> None:
    told = terminal_lines(record_of([cell(ORT, labels=labels(0.6, "marker", limit_on="bound"))]))
    assert "agreement    at least ≥ 0.6" in told[1]


@pytest.mark.parametrize("report", [Report.TERMINAL, Report.MARKDOWN, Report.HTML])
def test_what_is_limited_has_a_column_in_every_report(report: Report) -> None:
    times = {
        "from": "pairs",
        "wall_ms": {"median": 3.0, "p90": 5.0},
        **judged(max_latency_ms=40, max_latency_p90_ms=60),
    }
    (view,) = model_views(record_of([cell(ORT, latency=times, scores={"abs_error": 0.1, **judged(max_abs_error=0.2)})]))
    entries = entries_of(view)
    columns, (texts,) = tabulated(environment_columns(entries), entries, report)
    headings = [column.html_heading if report is Report.HTML else column.heading for column in columns]
    beside = "\nlimit" if report is Report.HTML else ""
    assert any(f"wall ms{beside} ≤ 40" in heading for heading in headings)
    assert any(heading.endswith("≤ 0.2") for heading in headings)
    assert any(text.startswith("3.00") for text in texts)
    assert ("p90 ms ≤ 60" in headings) is (report is not Report.HTML)  # that tells the tails below the median


def test_limits_that_became_others_are_told() -> None:
    strict = row(held("min_label_agreement", 1), held("max_latency_ms", 40))
    moved = row(
        HeldLimit("min_label_agreement", 1, "test_it.py:9"), held("max_latency_ms", 50), held("max_abs_error", 1)
    )
    assert changed_limits(strict, strict) == []
    assert changed_limits(strict, moved) == [
        "max_latency_ms 40 (ini) -> max_latency_ms 50 (ini)",
        "max_abs_error (none) -> max_abs_error 1 (ini)",
    ]
    assert changed_limits(strict, row()) == [
        "min_label_agreement 1 (ini) -> (none)",
        "max_latency_ms 40 (ini) -> (none)",
    ]
