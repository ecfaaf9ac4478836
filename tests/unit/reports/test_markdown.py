"""The report for a CI job's summary."""

from __future__ import annotations

import re
from typing import Any

import pytest
from msgspec.structs import replace
from support.records import analysis_of, record_of, synthetic

from pytest_envrobust.reports.markdown import escaped, markdown_lines

REFERENCE = "torch/eager/cpu"


def cell(environment: str, status: str = "passed", **more: Any) -> dict[str, Any]:
    return {"model": "signs", "environment": environment, "status": status, "reference": REFERENCE, **more}


def labels(agreement: float = 1.0, **flips: int) -> dict[str, Any]:
    return {"n": 8, "agreement": agreement, "bound": 0.4, "flips": {"real": 0, "tie": 0, "undefined": 0, **flips}}


def ratio(*interval: float) -> dict[str, Any]:
    return {"from": "pairs", "ratio": {"cpu": list(interval), "wall": [7.0, 7.0, 7.0]}}


def lines_of(*cells: dict[str, Any], model: dict[str, Any] | None = None, **run: Any) -> list[str]:
    models = [] if model is None else [{"name": "signs", **model}]
    return markdown_lines(record_of(cells, models, **run))


def factor(name: str, **more: Any) -> dict[str, Any]:
    return {"factor": name, "pairs": 1, "environments": 2, "distinct_outputs": 2, **more}


def rows_of(lines: list[str]) -> list[str]:
    """The rows of the first table."""
    start = next(index for index, line in enumerate(lines) if line.startswith("| ---"))
    return lines[start + 1 : lines.index("", start)]


def columns(line: str) -> int:
    return len(re.findall(r"(?<!\\)\|", line)) - 1


def test_the_whole_report() -> None:
    found = lines_of(
        cell(REFERENCE, labels=labels(), output_digest="x"),
        cell("torch/script/cpu", labels=labels(), latency=ratio(0.79, 0.8, 0.82), output_digest="x"),
        cell(
            "onnx/ort-all/cpu", "failed", reason="signs in onnx/ort-all/cpu: 2 of 8 differ", labels=labels(0.75, real=2)
        ),
        cell("torch/tvm-o3/cpu", "crashed", reason="boom"),
        cell("torch/openvino/cpu", "unavailable", reason="openvino is not installed"),
    )
    assert found == [
        "### ❌ envrobust: 2 failed, 2 passed, 1 skipped of 5 cells",
        "",
        "#### signs: reference torch/eager/cpu, 8 inputs, 2 environments ran, 1 distinct output",
        "",
        "| status | environment | agreement | at least | flips | time ratio | why |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| ❌ crashed | torch/tvm-o3/cpu |  |  |  |  | boom |",
        "| ❌ failed | onnx/ort-all/cpu | 0.750 (6/8) | 0.400 | 2 real |  | 2 of 8 differ |",
        "| ✅ passed | torch/eager/cpu (reference)<br>torch/script/cpu | 1.000 (8/8) | 0.400 |  "
        "| <br>0.80 [0.79, 0.82] CPU |  |",
        "",
        "<details><summary>⏭️ 1 skipped</summary>",
        "",
        "- torch/openvino/cpu: openvino is not installed",
        "",
        "</details>",
        "",
    ]


def test_thirty_environments_stay_under_sixty_lines() -> None:
    whole = synthetic(environments=30, extras=False)
    distinct = [f"{cell.environment}{cell.output_digest}" for cell in whole.record.cells]
    assert len(set(distinct)) == 30
    assert len(markdown_lines(whole.record)) < 60


def test_notices_of_thirty_timings_are_no_more_lines() -> None:
    whole = synthetic(environments=30, extras=False)
    cells = [
        replace(cell, latency=replace(cell.latency, notices=[f"other processes used {number}.5 of 2 cores meanwhile"]))
        for number, cell in enumerate(whole.record.cells)
        if cell.latency is not None
    ]
    assert len(cells) == len(whole.record.cells)
    assert len(markdown_lines(replace(whole.record, cells=cells))) == len(markdown_lines(whole.record))


@pytest.mark.parametrize("status", ["passed", "failed", "inconclusive", "unavailable"])
def test_thirty_environments_that_share_nothing_stay_under_sixty_lines_too(status: str) -> None:
    model = {
        "guesses": {"torch": "guessed 224", "keras": "guessed 299"},
        "analysis": analysis_of(
            notices=["one", "two", "three"], sensitivity=[factor(f"factor {number}") for number in range(5)]
        ),
    }
    cells = [
        cell(
            f"torch/{number}/cpu",
            status,
            reason=f"reason {number}",
            **({} if status == "unavailable" else {"output_digest": f"{number}"}),
        )
        for number in range(30)
    ]
    found = lines_of(*cells, model=model, preprocess_from="reference")
    assert len(found) < 60
    assert sum("reason " in line for line in found) == 30


def test_every_row_of_a_table_has_as_many_columns_as_its_head() -> None:
    lines = markdown_lines(synthetic(models=2, environments=12).record)
    tables = "\n".join(lines).split("\n\n")
    counts = [{columns(line) for line in table.splitlines()} for table in tables if table.startswith("| ")]
    assert len(counts) == 3
    assert all(len(found) == 1 for found in counts)


def test_failures_come_first_then_what_is_inconclusive() -> None:
    statuses = ["passed", "limited", "inconclusive", "failed", "crashed"]
    rows = rows_of(lines_of(*(cell(f"e/{status}/cpu", status, reason="so") for status in statuses)))
    assert [row.split("|")[2].strip() for row in rows] == [f"e/{status}/cpu" for status in reversed(statuses)]


def test_a_required_environment_that_is_absent_is_a_failure() -> None:
    found = lines_of(cell("torch/tvm-o3/cpu", "unavailable", reason="tvm is not installed", required=True))
    assert found[0] == "### ❌ envrobust: 1 failed of 1 cell"
    assert rows_of(found) == ["| ❌ unavailable | torch/tvm-o3/cpu | tvm is not installed |"]


def test_equal_outputs_that_ended_otherwise_have_lines_of_their_own() -> None:
    rows = rows_of(
        lines_of(cell("a/b/cpu", output_digest="x"), cell("c/d/cpu", "failed", output_digest="x", reason="slow"))
    )
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("environment", "clock", "said"),
    [
        ("a/b/cuda:0", None, "7.00 [7.00, 7.00] wall"),
        ("a/b/cpu", None, "2.00 [1.00, 3.00] CPU"),
        ("a/b/cpu", "wall", "7.00 [7.00, 7.00] wall"),
    ],
)
def test_a_ratio_is_on_the_clock_that_decides(environment: str, clock: str | None, said: str) -> None:
    latency = ratio(1, 2, 3) | ({"clock": clock} if clock else {})
    assert said in rows_of(lines_of(cell(environment, output_digest="x", latency=latency)))[0]


def test_controls_and_notices_of_times_share_a_line_below_the_table() -> None:
    def disturbed(number: int) -> dict[str, Any]:
        control = {"cpu": [0.9, 1.0 + number / 100, 1.2]}
        return ratio(1, 2, 3) | {"control": control, "notices": [f"the load average was {number}.5 on 2 cores"]}

    cells = [cell(f"a/{number}/cpu", latency=disturbed(number)) for number in (1, 4)]
    assert lines_of(*cells)[-2] == (
        "A/A controls, the reference against itself: 1 of 2 within 3 %, the worst 1.040 times its own CPU time beside "
        "a/4/cpu<br>timing: the load average was 1.5-4.5 on 2 cores (2 of 2 environments)"
    )


def test_the_throughput_is_folded_away_with_one_line_an_environment() -> None:
    at = {"from": "pairs", "threads": 1, "clock": "cpu", "ratio": {"cpu": [1.0, 1.25, 1.5]}}
    points = [
        {**at, "batch": 8, "wall_ms": {"median": 16.0}, "images_per_second": 500.0},
        {"batch": 32, "threads": 1, "reason": "a/b/cpu cannot be timed at batch 32: too much"},
    ]
    latency = {**at, "batch": 1, "wall_ms": {"median": 4.0}, "images_per_second": 250.0, "points": points}
    found = lines_of(cell("a/b/cpu", latency=latency))
    start = found.index("<details><summary>Throughput</summary>")
    assert found[start + 2 :] == [
        "| throughput | batch | threads | ms a call | ms an image | images/s | time ratio |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| a/b/cpu | 1<br>8 | 1<br>1 | 4.00<br>16.00 | 4.00<br>2.00 | 250<br>500 "
        "| 1.25 [1.00, 1.50] CPU<br>1.25 [1.00, 1.50] CPU |",
        "",
        "- cannot be timed at batch 32: too much (a/b/cpu)",
        "",
        "</details>",
        "",
    ]
    assert not [line for line in lines_of(cell("a/b/cpu", latency=latency | {"points": []})) if "Throughput" in line]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("`rm`", r"\`rm\`"),
        ("<script>&", "&lt;script&gt;&amp;"),
        ("two\nlines\t", "two lines"),
        ("mobilenet_v2 __init__ *", r"mobilenet_v2 \_\_init\_\_ \*"),
        ("[text](link) [text][link]", r"[text\](link) [text\][link]"),
        ("1.00 [0.90, 1.10]", "1.00 [0.90, 1.10]"),
        ("back\\slash", r"back\\slash"),
    ],
)
def test_text_is_shown_as_it_is(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_names_and_reasons_are_escaped_everywhere() -> None:
    nasty = "<b>|`x`"
    cells = [
        {**cell("a/b/cpu", "failed", reason=nasty, output_digest="x"), "model": nasty},
        {**cell("a/c/cpu", "unavailable", reason=nasty), "model": nasty},
    ]
    entry = factor(
        nasty,
        labels={"mean": 0.5, "largest": 0.5, "pair": [nasty, nasty]},
        time={"largest": 2.0, "pair": [nasty, nasty], "clock": "cpu", "from": "predictions"},
    )
    model = {"name": nasty, "guesses": {"torch": nasty}, "analysis": analysis_of(notices=[nasty], sensitivity=[entry])}
    run: dict[str, Any] = {"reference_run": {"path": nasty, "machine": {"processor": nasty}, "started": nasty}}
    text = "\n".join(markdown_lines(record_of(cells, [model], **run)))
    assert text.count("&lt;b&gt;\\|\\`x\\`") >= 11
    assert "<b>" not in text
    assert "`x`" not in text.replace("\\`", "")


def test_a_long_reason_is_cut() -> None:
    (row,) = rows_of(lines_of(cell("a/b/cpu", "failed", reason="x" * 1000)))
    assert len(row) < 400
    assert "xxx ..." in row


def test_the_sensitivity_of_all_models_is_one_table() -> None:
    entry = factor("framework") | {
        "part": "conversions", "pairs": 6,
        "labels": {"mean": 0.12, "largest": 0.15, "pair": ["torch/eager/cpu", "keras/eager/cpu"]},
        "time": {"largest": 2.3, "interval": [2.1, 2.5], "pair": ["a/b/cpu", "c/b/cpu"], "clock": "cpu",
                 "from": "pairs"},
    }  # fmt: skip
    models = [{"name": name, "analysis": analysis_of(sensitivity=[entry])} for name in ("signs", "faces")]
    found = markdown_lines(record_of([cell("a/b/cpu"), {**cell("a/b/cpu"), "model": "faces"}], models))
    head = found.index("#### What makes labels and time differ")
    assert found[head + 4 :] == [
        f"| {name} | framework (conversions) | 6 | 12.0 % | 15.0 % | torch/eager/cpu and keras/eager/cpu "
        "| 2.30 [2.10, 2.50] CPU | a/b/cpu / c/b/cpu |"
        for name in ("signs", "faces")
    ] + [""]


def test_what_the_run_was_compared_with_is_said() -> None:
    earlier = {"path": "x86.json", "started": "2026-03-14", "machine": {"processor": "Example 9000"}}
    found = lines_of(cell("a/b/cpu"), reference_run=earlier, preprocess_from="reference")
    assert found[2] == (
        "Every source was given the reference's preprocessing, not its own: labels differ by that too. "
        "The reference's labels were recorded by an earlier run on Example 9000: x86.json, started 2026-03-14."
    )


def test_guesses_notices_and_weights_are_noted_once() -> None:
    model = {
        "guesses": {"torch": "guessed 224", "onnx": "guessed 224"},
        "analysis": analysis_of(notices=["a softmax of a softmax"]),
        "sources": {"torch": {"weights": "seeded"}, "keras": {"weights": "seeded"}, "onnx": {}},
    }
    assert "guessed 224<br>weights in torch and keras: seeded<br>a softmax of a softmax" in lines_of(
        cell("a/b/cpu"), model=model
    )


def test_a_faulty_declaration_has_a_row() -> None:
    found = lines_of({"model": "signs", "status": "failed", "reason": "no such file"})
    assert rows_of(found) == ["| ❌ failed | (declaration) | no such file |"]


def test_a_run_of_nothing_says_so() -> None:
    assert lines_of() == ["### ⚠️ envrobust: no cell was recorded", ""]
