"""The benchmark hook: a cell's worker-measured times in pytest-benchmark's table, storage, comparisons, histogram."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from typing import Any

import pytest

pytest.importorskip("pytest_benchmark")

CELL, REFERENCE = "onnx/ort-basic/cpu", "onnx/ort-all/cpu"
ENVIRONMENTS = f"--envrobust-env={CELL},{REFERENCE}"
BENCHMARK_TEST = "def test_time(envrobust, envrobust_benchmark):\n    {}envrobust_benchmark(envrobust)\n"


def declare(project, *names: str) -> None:
    """Declare models that have a file each, by the name of the file in the warehouse that it is a copy of."""
    project.bring("inputs.npy")
    for name in names:
        shutil.copy(project.warehouse / "colors.onnx", project.path / f"{name}.onnx")
    project.declare(
        *(
            f"er.Model('{name}', sources={{'onnx': '{name}.onnx'}}, inputs='inputs.npy', reference='{REFERENCE}')"
            for name in names
        )
    )


@pytest.fixture
def timed(project) -> str:
    """Write a project with one benchmark and return its node id up to the case."""
    declare(project, "colors")
    project.write("test_it.py", BENCHMARK_TEST.format("assert "))
    return "test_it.py::test_time"


def test_what_is_saved_is_what_the_worker_measured(project, timed) -> None:
    own = ("--benchmark-json=times.json", "--benchmark-min-rounds=700")
    result = project.run(ENVIRONMENTS, *own, *project.conclusive, plugins=("benchmark",))
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.OK
    benchmarks = {
        benchmark["name"]: benchmark
        for benchmark in json.loads((project.path / "times.json").read_text())["benchmarks"]
    }
    cells = project.cells()
    assert len(benchmarks) == len(cells) == 2
    for environment in (CELL, REFERENCE):
        benchmark = benchmarks[f"test_time[colors-{environment}]"]
        latency = cells[f"{timed}[colors-{environment}]"]["latency"]
        assert benchmark["group"] == "colors"
        assert benchmark["stats"]["rounds"] == latency["wall_ms"]["n"] >= 700
        assert benchmark["stats"]["median"] * 1e9 == pytest.approx(latency["wall_ms"]["median"] * 1e6, abs=2)
        assert min(benchmark["stats"]["data"]) * 1e3 <= min(latency["samples_ms"]["wall"]) + 2e-6
        expected: dict[str, Any] = {
            "model": "colors",
            "environment": environment,
            "reference": REFERENCE,
            "route": ["onnx", environment.split("/")[1]],
            "clock": "wall time of the call inside the worker",
            "cpu_median_ms": latency["cpu_ms"]["median"],
            "images_per_second": latency["images_per_second"],
        }
        for name in ("ratio", "control"):
            if ends := latency.get(name, {}).get(latency["clock"]):
                expected[name] = {"clock": latency["clock"], "median": ends[1], "interval": [ends[0], ends[2]]}
        assert benchmark["extra_info"] == expected
        assert ("ratio" in expected) == (environment == CELL)


def test_runs_are_saved_and_compared(project) -> None:
    """``grown`` makes 1 convolution in the saved run and 200 in the next: more than 5 times as long."""
    declare(project, "same", "grown")
    project.write("test_it.py", BENCHMARK_TEST.format(""))
    result = project.run(f"--envrobust-env={CELL}", "--benchmark-save=first", plugins=("benchmark",))
    result.assert_outcomes(passed=2)
    shutil.copy(project.warehouse / "grown.onnx", project.path / "grown.onnx")
    compare = ("--benchmark-compare=0001", "--benchmark-compare-fail=median:500%")
    result = project.run(f"--envrobust-env={CELL}", *compare, plugins=("benchmark",))
    assert list(project.statuses().values()) == ["passed"] * 2
    assert result.ret != pytest.ExitCode.OK  # pytest-benchmark ends the run by an exception of its own
    told = result.stderr.str() + result.stdout.str()
    assert "Performance has regressed" in told
    regressed = [line for line in told.splitlines() if "Field 'median' has failed" in line]
    assert [f"grown-{CELL}" in line for line in regressed] == [True]
    result.stdout.fnmatch_lines(["*benchmark 'same': 2 tests*"])
    for state in ("NOW", "0001_first"):
        assert any(f"same-{CELL}] ({state})" in line for line in result.outlines)


def test_a_histogram_is_drawn(project, timed) -> None:
    if find_spec("pygal") is None:  # imported here, it would hide all plugins from later runs in this process
        pytest.skip("pygal is not installed")
    result = project.run(ENVIRONMENTS, "--benchmark-histogram=drawn", plugins=("benchmark",))
    result.assert_outcomes(passed=2)
    assert list(project.path.glob("drawn*.svg"))


OTHERS = """
def test_labels(envrobust):
    envrobust.assert_labels_agree()

def test_plain():
    pass
"""


def test_its_options_choose_what_runs(project) -> None:
    declare(project, "colors")
    project.write("test_it.py", BENCHMARK_TEST.format("") + OTHERS)
    zero_code = ("--envrobust-model=colors.onnx", "--envrobust-inputs=inputs.npy")
    arguments = (f"--envrobust-env={CELL}", f"--envrobust-reference={REFERENCE}", *zero_code, "test_it.py")

    project.run(*arguments, "--benchmark-only", plugins=("benchmark",)).assert_outcomes(passed=1, skipped=4)
    assert project.statuses() == {f"test_it.py::test_time[colors-{CELL}]": "passed"}

    project.run(*arguments, "--benchmark-skip", plugins=("benchmark",)).assert_outcomes(passed=4, skipped=1)
    assert f"test_it.py::test_time[colors-{CELL}]" not in project.statuses()


def test_switched_off_it_runs_once(project, timed) -> None:
    project.write("test_it.py", BENCHMARK_TEST.format("assert None is "))
    project.run(f"--envrobust-env={CELL}", "--benchmark-disable", plugins=("benchmark",)).assert_outcomes(passed=1)
    (cell,) = project.record()["cells"]
    assert "latency" not in cell


def test_under_xdist_pytest_benchmark_switches_itself_off(project, timed) -> None:
    pytest.importorskip("xdist")
    project.write("test_it.py", BENCHMARK_TEST.format("assert None is "))
    result = project.run(f"--envrobust-env={CELL}", "-n", "1", plugins=("benchmark", "xdist"))
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK


def test_without_pytest_benchmark_it_skips_with_the_remedy(project, timed) -> None:
    result = project.run(f"--envrobust-env={CELL}")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*pip install 'pytest-envrobust[[]benchmark]'"])
