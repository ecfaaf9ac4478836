"""The columns of the reports' tables: what stands in them, from what the product writes, and which report has which."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from msgspec.structs import replace
from support.records import Synthetic, record_of, synthetic

from pytest_envrobust.comparison.accuracy import holm
from pytest_envrobust.comparison.fidelity import Fidelity, ScoreErrors
from pytest_envrobust.core.status import Status
from pytest_envrobust.core.wording import percent
from pytest_envrobust.history.view import ModelView, Row, model_views
from pytest_envrobust.record.schema import (
    Accuracy,
    AgainstReference,
    Family,
    FlipCounts,
    Flipped,
    Invariant,
    Labels,
    Latency,
    OtherPart,
    Simultaneous,
    VerdictOnLimit,
)
from pytest_envrobust.record.score_part import scores_part
from pytest_envrobust.reports.columns import (
    SENSITIVITY,
    THROUGHPUT,
    Entry,
    agreement_text,
    bound_text,
    entries_of,
    environment_columns,
    figures_text,
    flips_text,
    reach_text,
)
from pytest_envrobust.reports.tables import Column, Report, tabulated
from pytest_envrobust.reports.timings import RecordedTiming, ratio_text, throughput_of
from pytest_envrobust.verdicts.scores import ScoreEvidence


@pytest.fixture(scope="module")
def run() -> Synthetic:
    return synthetic(environments=6, inputs=20, disagreement=3.0, points=True)


@pytest.fixture(scope="module")
def view(run: Synthetic) -> ModelView:
    (found,) = model_views(run.record)
    return found


def table(entries: list[Entry], report: Report) -> dict[str, dict[str, str]]:
    """The texts by environment and heading."""
    columns, rows = tabulated(environment_columns(entries), entries, report)
    headings = [column.heading for column in columns]
    return {entry.row.environment: dict(zip(headings, texts)) for entry, texts in zip(entries, rows)}


def replace_off(entry: Entry, off: float | None) -> Entry:
    return dataclasses.replace(entry, off=off)


def entry(**more: Any) -> Entry:
    values: dict[str, Any] = {"status": Status.PASSED, "reason": "", "is_reference": False, **more}
    return Entry(Row("a/b/cpu", **values), "signs")


def labels(**more: Any) -> Labels:
    return replace(Labels(n=8, agreement=0.75, bound=0.4, flips=FlipCounts(real=1, tie=1, undefined=0)), **more)


@pytest.mark.parametrize("report", [Report.TERMINAL, Report.MARKDOWN, Report.HTML])
def test_no_report_has_two_columns_of_one_name(report: Report) -> None:
    every: list[list[Column[Any]]] = [environment_columns([]), list(THROUGHPUT), list(SENSITIVITY)]
    for columns in every:
        names = [column.name for column in columns if report in column.reports]
        assert len(names) == len(set(names))


def test_the_figures_that_the_product_writes_stand_in_the_terminal(view: ModelView) -> None:
    found = table([each for each in entries_of(view) if each.row.ran], Report.TERMINAL)
    assert len(found) == 6
    for row in view.rows:
        if row.labels is None or row.latency is None:
            continue
        texts, told, wall, cpu = found[row.environment], row.labels, row.latency.wall_ms, row.latency.cpu_ms
        assert wall is not None
        assert cpu is not None
        assert texts["agreement ≥ 0.9"] == f"{told.agreement:.3f} ({round(told.agreement * 20)}/20)"
        assert texts["flips"] == flips_text(told)
        assert (texts["wall ms"], texts["CPU ms"]) == (f"{wall.median:.2f}", f"{cpu.median:.2f}")
        if row.is_reference:
            assert (texts["at least"], texts["ratio"], texts["status"]) == ("", "", "reference")
            continue
        assert texts["at least"] == f"{told.bound:.3f}"
        low, middle, high = (row.latency.ratio or {})["cpu"]
        assert texts["ratio"] == f"{middle:.2f} [{low:.2f}, {high:.2f}] CPU"
    flips = [row.labels.flips for row in view.rows if row.labels is not None]
    assert any(counts.real for counts in flips)


def test_first_call_and_accuracy_stand_in_html(view: ModelView) -> None:
    found = table(entries_of(view), Report.HTML)
    accuracies = {accuracy.environment: accuracy for accuracy in view.accuracy}
    tested = {name: told.against_reference.p for name, told in accuracies.items() if told.against_reference}
    adjusted = {name: f"{p:.3f}" for name, p in zip(tested, holm(list(tested.values())))}
    assert len(adjusted) == 5
    for row in view.rows:
        if row.latency is None:
            continue
        assert row.latency.first_call_ms is not None
        assert found[row.environment]["first call ms"] == f"{row.latency.first_call_ms:.2f}"
        accuracy = accuracies[row.environment]
        assert accuracy.top5 is not None
        assert found[row.environment]["top-1"] == percent(accuracy.top1)
        assert found[row.environment]["top-5"] == percent(accuracy.top5)
        assert found[row.environment].get("p (Holm)", "") == adjusted.get(row.environment, "")


def test_errors_of_scores_stand_as_the_product_writes_them() -> None:
    evidence = ScoreEvidence(ScoreErrors(0.0123456, 0.25), Fidelity(3e-5, 2e-5), "torch/float64/cpu")
    texts = table([entry(scores=scores_part(evidence))], Report.TERMINAL)["a/b/cpu"]
    assert (texts["abs error"], texts["relative"], texts["fidelity"]) == ("0.0123", "0.25", "1.5")


def test_the_throughput_has_the_figures_of_each_point(view: ModelView) -> None:
    timings = [timing for each in throughput_of(view) for timing in each if not timing.reason]
    columns, rows = tabulated(THROUGHPUT, timings, Report.TERMINAL)
    assert {timing.point.batch for timing in timings} == {1, 8}
    for timing, texts in zip(timings, rows):
        found = dict(zip((column.heading for column in columns), texts))
        latency: Latency = timing.latency
        assert latency.wall_ms is not None
        assert latency.images_per_second is not None
        assert (found["batch"], found["threads"]) == (str(latency.batch), str(latency.threads))
        assert found["ms a call"] == f"{latency.wall_ms.median:.2f}"
        assert found["ms an image"] == f"{latency.wall_ms.median / (latency.batch or 0):.2f}"
        clock = "wall" if timing.point.threads > 1 else "CPU"
        assert found["ratio"].endswith(clock if timing.environment != view.reference else "")
        assert float(found["images/s"]) == pytest.approx(latency.images_per_second, rel=0.01)


def test_the_sensitivity_has_the_figures_of_each_factor(view: ModelView) -> None:
    columns, rows = tabulated(SENSITIVITY, view.sensitivity, Report.TERMINAL)
    for factor, texts in zip(view.sensitivity, rows):
        found = dict(zip((column.heading for column in columns), texts))
        assert found["only this differs"].startswith(factor.factor)
        assert found["pairs"] == str(factor.pairs)
        assert factor.labels is not None
        assert factor.time is not None
        assert found["labels differ: mean"] == percent(factor.labels.mean)
        assert found["largest"] == percent(factor.labels.largest)
        assert found["between"] == (" and ".join(factor.labels.pair) if factor.labels.largest else "")
        assert found["slower/faster"].startswith(f"{factor.time.largest:.2f} ")
        assert found["of"] == " / ".join(factor.time.pair)


def test_labels_of_a_comparison_that_stopped_tell_of_how_many() -> None:
    assert agreement_text(labels()) == "0.750 (6/8)"
    assert agreement_text(labels(of=20)) == "0.750 (6/8 of 20)"
    assert agreement_text(None) == ""


def test_known_flips_are_counted_apart() -> None:
    known = Flipped(input="x", expected=1, actual=2, kind="real", known="waits")
    assert flips_text(labels()) == "1 real, 1 tie"
    assert flips_text(labels(flipped=[known])) == "1 real, 1 tie; 1 known"
    assert flips_text(None) == ""


def test_where_no_flip_was_possible_is_told_of_environments_that_are_compared() -> None:
    row = entry(labels=labels(out_of_reach=5)).row
    assert reach_text(row) == "no flip was possible on 5: margins over twice the largest difference"
    assert reach_text(entry(labels=labels(out_of_reach=5), is_reference=True).row) == ""
    assert reach_text(entry(labels=labels(out_of_reach=0)).row) == reach_text(entry().row) == ""


@pytest.mark.parametrize(("held", "said"), [((), ""), ((True, True), "2 hold"), ((True, False), "1 of 2 hold")])
def test_invariants_are_counted(held: tuple[bool, ...], said: str) -> None:
    invariants = tuple(Invariant(name="finite", holds=holds, said="") for holds in held)
    assert table([entry(invariants=invariants)], Report.TERMINAL)["a/b/cpu"].get("invariants", "") == said


def test_the_reference_is_not_tested_against_itself() -> None:
    against = AgainstReference(only_here=1, only_reference=2, p=0.25)
    accuracy = Accuracy(environment="a/b/cpu", n=8, top1=0.5, against_reference=against)
    for is_reference, said in ((False, "0.250"), (True, None)):
        view = ModelView("signs", "a/b/cpu", (entry(is_reference=is_reference).row,), accuracy=(accuracy,))
        assert table(entries_of(view), Report.HTML)["a/b/cpu"].get("p (Holm)") == said


def test_p_is_adjusted_for_the_outputs_that_were_tested() -> None:
    """Three outputs: those of one and the same bits are one test."""
    rows, accuracies = [], []
    for name, output, p in (("a", "1", 0.01), ("b", "2", 0.04), ("c", "1", 0.01), ("d", "3", 0.03)):
        rows.append(dataclasses.replace(entry().row, environment=f"{name}/b/cpu", output=output))
        against = AgainstReference(only_here=1, only_reference=2, p=p)
        accuracies.append(Accuracy(environment=f"{name}/b/cpu", n=8, top1=0.5, against_reference=against))
    found = table(entries_of(ModelView("signs", "x/b/cpu", tuple(rows), accuracy=tuple(accuracies))), Report.TERMINAL)
    assert [each["p (Holm)"] for each in found.values()] == ["0.030", "0.060", "0.030", "0.060"]


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"share": 0.12}, "0.12"),
        ({"share": 0.123456}, "0.123"),
        ({"n": 1234567}, "1234567"),
        ({"a": 0.1, "b": 3}, "a 0.1, b 3"),
        ({"found": "two\n of them", "ok": True}, "found two of them, ok yes"),
        ({"share": 0.5, "each": [0.1, 0.2], "more": {"a": 1}, "none": None}, "0.5"),
        ({"each": [0.1]}, ""),
        ({}, ""),
    ],
)
def test_figures_of_another_check_are_a_short_text(figures: dict[str, Any], said: str) -> None:
    assert figures_text(figures) == said


@pytest.mark.parametrize("report", [Report.TERMINAL, Report.MARKDOWN, Report.HTML])
def test_another_check_has_a_column_in_every_report(report: Report) -> None:
    one = entry(checks={"drift": OtherPart(figures={"angle": 0.125}), "size": OtherPart(figures={"MiB": 3})})
    columns, rows = tabulated(environment_columns([entry(), one]), [entry(), one], report)
    headings = [column.heading for column in columns]
    assert [dict(zip(headings, texts))["drift"] for texts in rows] == ["", "0.125"]
    assert headings.index("size") == headings.index("drift") + 1


def test_a_column_of_a_check_that_left_no_figures_is_left_out() -> None:
    only = entry(checks={"drift": OtherPart(figures={})})
    columns, _ = tabulated(environment_columns([only]), [only], Report.TERMINAL)
    assert [column.heading for column in columns] == ["environment", "status"]


def test_what_several_items_say_of_a_check_stands_once_as_the_first_says_it() -> None:
    def cell(**checks: float) -> dict[str, Any]:
        parts = {name: {"figures": {"angle": angle}} for name, angle in checks.items()}
        return {"model": "signs", "environment": "a/b/cpu", "reference": "a/b/cpu", "status": "passed", "checks": parts}

    (view,) = model_views(record_of([cell(drift=0.25), cell(drift=0.5, size=3.0)]))
    texts = table(entries_of(view), Report.MARKDOWN)["a/b/cpu"]
    assert (texts["drift"], texts["size"]) == ("0.25", "3")


@pytest.mark.parametrize("report", list(Report))
def test_how_far_scores_are_off_has_a_column_where_that_is_more_than_rounding(view: ModelView, report: Report) -> None:
    reference, *others = (replace_off(each, off) for each, off in zip(entries_of(view), (None, 2e-6, 6.4, 0.0123, 0.0)))
    found = table([reference, *others], report)
    assert [texts["off"] for texts in found.values()] == ["", "< 0.01 %", "640 %", "1.2 %", "0 %"]
    assert "off" not in next(iter(table([reference, others[0]], report).values()))


def test_scores_are_off_by_the_largest_difference_over_the_spread_of_the_reference_s(run: Synthetic) -> None:
    (model,) = run.record.models
    (view,) = model_views(run.record)
    assert model.analysis is not None
    differences, outputs = model.analysis.matrices.largest_difference, model.analysis.outputs
    assert view.reference not in view.off
    assert outputs[0].spread
    assert list(view.off.values()) == [each / outputs[0].spread for each in differences[0][1:] if each is not None]
    older = replace(model.analysis, outputs=[replace(each, spread=None) for each in outputs])
    (view,) = model_views(replace(run.record, models=[replace(model, analysis=older)]))
    assert not view.off


def test_a_bound_that_is_judged_among_many_cells_is_shown_as_it_was_judged() -> None:
    every = Family(cells=30, references=1)
    shown = [
        bound_text(entry(labels=labels(agreement=1.0, bound=0.688, limit_on=limit_on), family=family).row)
        for limit_on, family in (("share", every), ("bound", every), ("bound", None), (None, every))
    ]
    assert shown == ["0.688", "0.450", "0.688", "0.688"]


def test_a_ratio_that_is_judged_among_many_cells_is_shown_with_the_interval_of_its_verdict() -> None:
    told = Latency(
        measured_from="pairs",
        clock="cpu",
        ratio={"cpu": (1.0, 1.1, 1.2)},
        simultaneous=Simultaneous(confidence=0.998, ratio={"cpu": (0.9, 1.1, 1.3)}),
    )
    verdict = VerdictOnLimit(limit=1.5, limit_name="max_latency_ratio", limit_from="ini", verdict=Status.PASSED)
    judged = replace(told, verdicts=[verdict])
    assert [ratio_text(RecordedTiming("a/b/cpu", each)) for each in (told, judged)] == [
        "1.10 [1.00, 1.20] CPU",
        "1.10 [0.90, 1.30] CPU",
    ]
