"""The table in the terminal, from records made by hand."""

from __future__ import annotations

from typing import Any

from support.records import record_of

from pytest_envrobust.reports.terminal import terminal_lines

REFERENCE = "torch/eager/cpu"


def cell(environment: str, status: str = "passed", **more: Any) -> dict[str, Any]:
    return {"model": "signs", "environment": environment, "status": status, "reference": REFERENCE, **more}


def labels(agreement: float = 1.0, **flips: int) -> dict[str, Any]:
    return {"n": 8, "agreement": agreement, "bound": 0.4, "flips": {"real": 0, "tie": 0, "undefined": 0, **flips}}


def times(wall: float, cpu: float, ratio: list[float] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"wall_ms": {"median": wall, "n": 9}, "cpu_ms": {"median": cpu, "n": 9}}
    return found if ratio is None else {**found, "ratio": {"cpu": ratio}}


def lines_of(*cells: dict[str, Any], models: list[dict[str, Any]] | None = None) -> list[str]:
    return terminal_lines(record_of(cells, models or []))


def test_the_whole_table() -> None:
    found = lines_of(
        cell(REFERENCE, labels=labels(), latency=times(10.0, 9.5), output_digest="x"),
        cell("torch/script/cpu", labels=labels(), latency=times(8.123, 8.0, [0.79, 0.8, 0.82]), output_digest="x"),
        cell("onnx/ort-all/cpu", "failed", labels=labels(0.75, real=1, tie=1), latency=times(4, 4), output_digest="y"),
        cell("torch/tvm-o3/cpu", "crashed", reason="boom"),
        cell("torch/openvino/cpu", "unavailable", reason="openvino is not installed"),
        models=[{"name": "signs", "guesses": {"torch": "preprocessing imagenet, guessed"}}],
    )
    assert found[:3] == [
        "signs: reference torch/eager/cpu, 8 inputs, 3 environments ran, 2 distinct outputs",
        "  preprocessing imagenet, guessed",
        "  environment       status     agreement    at least  flips  "
        "        wall ms  CPU ms  ratio                  output",
    ]
    assert found[3:7] == [
        "  torch/eager/cpu   reference  1.000 (8/8)                   "
        "          10.00    9.50                         a",
        "  torch/script/cpu  passed     1.000 (8/8)  0.400            "
        "           8.12    8.00  0.80 [0.79, 0.82] CPU  a",
        "  onnx/ort-all/cpu  failed     0.750 (6/8)  0.400     1 real,"
        " 1 tie     4.00    4.00                         b",
        "  torch/tvm-o3/cpu  crashed",
    ]
    assert "  output a is bit-identical in 2: torch/eager/cpu, torch/script/cpu" in found
    assert "  skipped 1: openvino is not installed" in found
    assert not [line for line in found if line != line.rstrip()]


def timed(clock: str = "cpu", ratio: float = 1.5, control: float = 1.0, **more: Any) -> dict[str, Any]:
    """A latency in which both clocks disagree."""
    ratios = {each: [0.9 * (mid := ratio if each == clock else 7.0), mid, 1.1 * mid] for each in ("cpu", "wall")}
    controls = {each: [0.99, control if each == clock else 1.5, 1.6] for each in ("cpu", "wall")}
    return {**times(3.0, 2.0), "from": "pairs", "clock": clock, "batch": 1, "threads": 1, "ratio": ratios,
            "control": controls, "images_per_second": 333.3, **more}  # fmt: skip


def test_a_ratio_is_on_the_clock_that_decides_for_its_row() -> None:
    found = lines_of(
        cell("a/b/cpu", latency=timed("cpu", 0.5)),
        cell("a/c/cpu", latency=timed("wall", 2.0)),
        cell("a/d/cuda:0", latency=timed("wall", 3.0) | {"device_ms": {"median": 1.25}}),
    )
    assert [line.split()[-4:] for line in found[2:5]] == [
        ["0.50", "[0.45,", "0.55]", "CPU"],
        ["2.00", "[1.80,", "2.20]", "wall"],
        ["3.00", "[2.70,", "3.30]", "wall"],
    ]
    assert "device ms  ratio" in found[1]


def test_a_line_says_what_the_controls_showed() -> None:
    found = lines_of(
        cell(REFERENCE, latency=times(1.0, 1.0) | {"from": "alone"}),
        cell("a/b/cpu", latency=timed(control=0.95)),
        cell("a/c/cpu", latency=timed("wall", control=1.02)),
    )
    said = "  A/A controls, the reference against itself: 1 of 2 within 3 %, the worst 0.950 times its own CPU time"
    assert f"{said} beside a/b/cpu" in found


def test_notices_of_thirty_cells_are_as_many_lines_as_there_are_kinds() -> None:
    cells = [
        cell(f"e/{number}/cpu", latency=timed(notices=[f"other processes used {number / 10:g} of 2 cores meanwhile"]))
        for number in range(1, 31)
    ]
    cells[4]["latency"]["notices"].append("the machine runs on battery")
    found = [line for line in lines_of(*cells) if "timing" in line]
    assert found == [
        "  timing: other processes used 0.1-3 of 2 cores meanwhile (30 of 30 environments)",
        "  timing: the machine runs on battery (e/5/cpu)",
    ]


def test_the_throughput_has_a_table_where_there_are_points() -> None:
    unable = {"batch": 8, "threads": 1, "reason": "a/c/cpu cannot be timed at batch 8: its source takes batches of 1"}
    point = {**timed("wall", 1.25), "batch": 8, "threads": 2, "wall_ms": {"median": 12.0}, "images_per_second": 666.7}
    found = lines_of(
        cell("a/b/cpu", latency=timed(points=[point])), cell("a/c/cpu", latency=timed("wall", points=[unable]))
    )
    assert found[found.index("") + 1 :] == [
        "  throughput  batch  threads  ms a call  ms an image  images/s  ratio",
        "  a/b/cpu         1        1       3.00         3.00       333  1.50 [1.35, 1.65] CPU",
        "  a/b/cpu         8        2      12.00         1.50       667  1.25 [1.12, 1.38] wall",
        "  a/c/cpu         1        1       3.00         3.00       333  1.50 [1.35, 1.65] wall",
        "  cannot be timed at batch 8: its source takes batches of 1 (a/c/cpu)",
    ]
    assert not [line for line in lines_of(cell("a/b/cpu", latency=timed())) if "throughput" in line]


def test_columns_without_any_value_are_left_out() -> None:
    assert lines_of(cell("a/b/cpu", "crashed")) == [
        "signs: reference torch/eager/cpu, 0 environments ran, 0 distinct outputs",
        "  environment  status",
        "  a/b/cpu      crashed",
    ]


def test_a_run_of_absent_environments_has_no_table() -> None:
    found = lines_of(cell("a/b/cpu", "unavailable", reason="b is not installed"))
    assert found[1:] == ["  skipped 1: b is not installed"]


def test_a_failed_reference_is_not_called_the_reference_in_its_status() -> None:
    row = lines_of(cell(REFERENCE, "failed", output_digest="x"))[2]
    assert row.split()[:2] == [REFERENCE, "failed"]


def test_a_faulty_declaration_has_a_row() -> None:
    found = lines_of({"model": "signs", "status": "failed", "reason": "no such file"})
    assert found[0] == "signs: 0 environments ran, 0 distinct outputs"
    assert found[-1].split() == ["(declaration)", "failed"]


def test_models_are_apart_by_an_empty_line() -> None:
    found = lines_of(cell("a/b/cpu", output_digest="x"), {**cell("a/b/cpu", output_digest="x"), "model": "faces"})
    assert found.count("") == 1
    assert [line.partition(":")[0] for line in found if "reference" in line] == ["signs", "faces"]


def test_what_the_run_was_compared_with_is_said_first() -> None:
    run: dict[str, Any] = {"preprocess_from": "reference", "reference_run": {"path": "x86.json"}}
    found = terminal_lines(record_of([cell("a/b/cpu", output_digest="x")], **run))
    assert found[0].startswith("Every source was given the reference's preprocessing")
    assert found[1] == "The reference's labels were recorded by an earlier run: x86.json."
    assert found[2] == ""
    assert found[3].startswith("signs: ")


def test_nothing_recorded_draws_nothing() -> None:
    assert lines_of() == []


def test_what_is_undecided_known_and_measured_of_scores_is_told() -> None:
    flipped = [{"input": "dog.jpg", "expected": 1, "actual": 2, "kind": "real", "known": "waits for a fix"}]
    asked = {"abs_error": 0.0123456, "relative_error": 0.5, "fidelity": {"exact": "torch/float64/cpu", "ratio": 1.5}}
    held = [{"name": "finite", "holds": True, "said": ""}, {"name": "repeatable", "holds": False, "said": "no"}]
    found = lines_of(
        cell("a/b/cpu", labels={**labels(0.875, real=1), "flipped": flipped}, scores=asked, output_digest="x"),
        cell("a/c/cpu", "inconclusive", reason="signs in a/c/cpu: 3 of 8 shows 0.1", labels={**labels(), "of": 20}),
        cell("a/d/cpu", "failed", invariants=held),
    )
    head, first, second, third = found[1:5]
    heads = "environment status agreement at least flips abs error relative fidelity invariants output"
    assert head.split() == heads.split()
    assert first.split()[2:] == ["0.875", "(7/8)", "0.400", "1", "real;", "1", "known", "0.0123", "0.5", "1.5", "a"]
    assert second.split()[2:] == ["1.000", "(8/8", "of", "20)", "0.400"]
    assert third.split()[1:] == ["failed", "1", "of", "2", "hold"]
    assert "  known flip: dog.jpg in a/b/cpu: waits for a fix" in found
    assert "  inconclusive: a/c/cpu: 3 of 8 shows 0.1" in found
