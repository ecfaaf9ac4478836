"""The benchmark hook: a cell's time through pytest-benchmark's own fixture."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("pytest_benchmark")

ORT = "--envrobust-env=onnx/ort-all/cpu"


@pytest.fixture
def recorded(project):
    """A project with one benchmark."""
    project.declare_colors()
    project.write("test_it.py", "def test_time(envrobust, envrobust_benchmark):\n    envrobust_benchmark(envrobust)\n")
    return project


def test_it_is_saved_with_group_and_extra_information(recorded) -> None:
    result = recorded.run(
        ORT,
        "--benchmark-json=times.json",
        "--benchmark-min-rounds=3",
        "--benchmark-max-time=0.1",
        plugins=("benchmark",),
    )
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK
    (benchmark,) = json.loads((recorded.path / "times.json").read_text())["benchmarks"]
    assert benchmark["group"] == "colors"
    assert benchmark["name"] == "test_time[colors-onnx/ort-all/cpu]"
    assert benchmark["extra_info"] == {
        "model": "colors",
        "environment": "onnx/ort-all/cpu",
        "route": ["onnx", "ort-all"],
        "clock": "wall time of the call inside the worker",
    }
    assert benchmark["stats"]["rounds"] >= 3
    assert benchmark["stats"]["min"] > 0


def test_switched_off_it_runs_once(recorded) -> None:
    recorded.run(ORT, "--benchmark-disable", plugins=("benchmark",)).assert_outcomes(passed=1)


def test_without_pytest_benchmark_it_skips_with_the_remedy(recorded) -> None:
    result = recorded.run(ORT)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*pip install 'pytest-envrobust[[]benchmark]'"])
