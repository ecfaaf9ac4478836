"""The head of the HTML report: counts, sentences and notices."""

from __future__ import annotations

from typing import Any

import pytest
from support.records import analysis_of, record_of

from pytest_envrobust.core.status import Status
from pytest_envrobust.history.view import GROUPS, ModelView, Row, model_views
from pytest_envrobust.record import codec
from pytest_envrobust.record.schema import Latency, Model, Run
from pytest_envrobust.reports.html.overview import Counts, counts_of, factor_rows, headline, notices, sentences


def total(**by_group: int) -> Counts:
    return Counts("all", "", {**dict.fromkeys(GROUPS, 0), **by_group})


def cell(environment: str, status: str, **more: Any) -> dict[str, Any]:
    return {"model": "signs", "environment": environment, "reference": "", "status": status, **more}


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (total(), "No cells were recorded"),
        (total(skipped=3), "Every cell was skipped"),
        (total(passed=1), "The one cell that ran passed"),
        (total(passed=4, skipped=2), "All 4 cells that ran passed"),
        (total(passed=4, failed=1, inconclusive=2, skipped=2), "1 of 7 cells failed"),
        (total(failed=1), "1 of 1 cell failed"),
        (total(passed=4, inconclusive=1), "No cell failed, 1 of 5 is inconclusive"),
        (total(passed=4, limited=2), "No cell failed, 2 of 6 are limited as declared"),
    ],
)
def test_the_headline_says_the_gravest_first(counts: Counts, expected: str) -> None:
    assert headline(counts, Run()) == expected


def test_each_cell_is_counted_once_by_its_gravest_entry() -> None:
    cells = [
        cell("torch/eager/cpu", "passed"),
        cell("torch/eager/cpu", "inconclusive"),
        cell("torch/xla/cpu", "timed-out"),
        cell("torch/cuda/cpu", "unavailable"),
        cell("torch/tvm-o3/cpu", "unavailable", required=True),
        cell("torch/ort-all/cpu", "limited"),
    ]
    (view,) = model_views(record_of(cells))
    assert counts_of(view, "a").by_group == {
        "passed": 0,
        "failed": 2,
        "not run": 0,
        "inconclusive": 1,
        "limited": 1,
        "skipped": 1,
    }


def factor(name: str, labels: float, time: float, part: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {
        "factor": name,
        "pairs": 1,
        "environments": 2,
        "distinct_outputs": 2,
        "labels": {"mean": labels, "largest": labels, "pair": [f"{name}-a", f"{name}-b"]},
        "time": {"largest": time, "pair": [f"{name}-slow", f"{name}-fast"], "clock": "cpu", "from": "predictions"},
    }
    return {**found, "part": part} if part else found


def model(name: str, *factors: dict[str, Any]) -> Model:
    return codec.typed({"name": name, "analysis": analysis_of(sensitivity=list(factors))}, Model)


def test_sentences_name_the_factor_that_changed_most_over_all_models() -> None:
    said = sentences(
        [
            model("signs", factor("framework", 0.1, 2.0), factor("compiler", 0.0, 30.0)),
            model("lite", factor("framework", 0.25, 3.0), factor("framework", 0.9, 90.0, part="definitions")),
        ]
    )
    assert said == [
        "Labels changed most with the framework: 25.0 % of the labels of lite differ between framework-a and "
        "framework-b.",
        "Time changed most with the compiler: a call of signs takes 30.00 times as long in compiler-slow as in "
        "compiler-fast.",
    ]


def test_one_model_needs_no_name_in_sentences_and_no_change_is_said_so() -> None:
    said = sentences([model("signs", factor("framework", 0.0, 2.0))])
    assert said[0] == "No label changed with framework alone."
    assert "signs" not in said[1]


def test_without_analysis_nothing_is_said() -> None:
    assert sentences([Model(name="signs")]) == []
    assert factor_rows([Model(name="signs")]) == []


def test_a_pair_without_an_interval_has_none_in_the_table() -> None:
    (rows,) = factor_rows([model("signs", factor("framework", 0.5, 2.0), factor("framework", 0.5, 2.0, "conversions"))])
    assert [row.part for row in rows] == ["", "one definition, converted"]
    assert (rows[0].mean, rows[0].time, rows[0].time_interval) == ("50.0 %", "2.00", "")


def test_a_notice_of_several_models_is_told_once() -> None:
    views = [ModelView(name, "", (), ("shifted by one",)) for name in ("a", "b")]
    assert notices(Run(), views) == ["a and b: shifted by one"]


def test_doubtful_times_and_controls_are_told_in_short() -> None:
    def row(environment: str, control: float, *said: str) -> Row:
        latency = Latency(measured_from="pairs", clock="cpu", control={"cpu": (0.9, control, 1.2)}, notices=list(said))
        return Row(environment, Status.PASSED, "", is_reference=False, latency=latency)

    busy = "other processes used {} of 2 cores meanwhile"
    views = [
        ModelView("a", "", (row("x/y/cpu", 1.0, busy.format(0.5), "the machine runs on battery"), row("x/z/cpu", 1.1))),
        ModelView("b", "", (row("x/y/cpu", 1.01, busy.format(1.2)), row("x/z/cpu", 1.02))),
    ]
    assert notices(Run(), views) == [
        "Times are doubtful in 2 of 4 timed cells: other processes used 0.5-1.2 of 2 cores meanwhile (2); "
        "the machine runs on battery (1)",
        "A/A controls, the reference against itself: 1 of 4 outside 3 % or not run, by model: a (1)",
    ]
    assert notices(Run(), [ModelView("a", "", (row("x/y/cpu", 1.0), row("x/z/cpu", 1.02)))]) == []
