"""Batch sizes and thread counts that a cell is timed with: declared where, recorded how, limited at each point."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from pytest_envrobust.environments.machine import this_machine

HEAVY, REFERENCE = "onnx/ort-off/cpu", "onnx/ort-all/cpu"
CELL = f"--envrobust-env={HEAVY}"
LITTLE = "--envrobust-time-budget=0.0001"


def points(cell: dict[str, Any]) -> list[tuple[int, int]]:
    """Batch and threads of a record's further points."""
    return [(point["batch"], point["threads"]) for point in cell["latency"].get("points", ())]


def test_the_nearer_declaration_wins(project) -> None:
    """Call argument, marker, model, command line, ini: each names an axis that a farther one names too."""
    project.bring("colors.onnx", "inputs.npy")
    sources = "sources={'onnx': 'colors.onnx'}, inputs='inputs.npy'"
    project.declare(f"er.Model('plain', {sources})", f"er.Model('declared', {sources}, batch_sizes=(1, 4))")
    project.ini("envrobust_batch_sizes = 2", "envrobust_threads = 1, 2")
    project.write(
        "test_it.py",
        """
        import pytest

        def test_outer(envrobust):
            envrobust.assert_latency()

        @pytest.mark.envrobust(models=["declared"], batch_sizes=5, threads=[1])
        def test_marker(envrobust):
            envrobust.assert_latency()

        @pytest.mark.envrobust(models=["declared"], batch_sizes=5, threads=[1])
        def test_call(envrobust):
            evidence = envrobust.assert_latency(batch_sizes=[1, 6])
            assert (evidence.point.batch, evidence.point.threads) == (1, 1)
        """,
    )
    result = project.run(f"--envrobust-env={REFERENCE}", "--envrobust-batch-sizes=3", LITTLE)
    result.assert_outcomes(passed=4)
    assert {nodeid.partition("::")[2].partition("-")[0]: points(cell) for nodeid, cell in project.cells().items()} == {
        "test_outer[plain": [(3, 1), (3, 2)],
        "test_outer[declared": [(4, 1), (1, 2), (4, 2)],
        "test_marker[declared": [(5, 1)],
        "test_call[declared": [(6, 1)],
    }


def test_a_ratio_is_limited_at_each_point_and_the_message_names_it(project) -> None:
    project.declare_folding()
    project.write(
        "test_it.py",
        """
        def test_it(envrobust):
            envrobust.assert_latency(batch_sizes=2, threads=2, max_ratio=1.5, max_ms=60000)
        """,
    )
    result = project.run(CELL, *project.conclusive, "--envrobust-strict")
    result.assert_outcomes(failed=1)
    (cell,) = project.cells().values()
    latency = cell["latency"]
    assert points(cell) == [(2, 2)]
    (further,) = latency["points"]
    assert (latency["batch"], latency["threads"], latency["clock"]) == (1, 1, "cpu")
    assert further["clock"] == "wall"  # CPU time does not see how well two threads share the work
    for timed in (latency, further):
        assert timed["images_per_second"] == pytest.approx(timed["batch"] * 1e3 / timed["wall_ms"]["median"])
        assert timed["clock"] in timed["ratio"]
    told = [line.removeprefix("E").strip() for line in result.outlines if line.startswith("E ")]
    # wall time on two threads may say too little where other processes work on the same cores
    verdicts = [line for line in told if "limit 1.5 from call argument, test_it.py:" in line]
    assert len(verdicts) == 2
    assert f"folding in {HEAVY}: too slow, " in verdicts[0]
    at = f"folding in {HEAVY} at batch 2, 2 threads"
    assert verdicts[1].startswith((f"{at}: too slow, ", f"{at}: inconclusive, "))
    # so few rounds do not always give a control an interval, and without one it is not in the record
    controls = [line for line in told if "the A/A control (the reference against itself) took" in line]
    assert [timed["clock"] in timed.get("control", {}) for timed in (latency, further)] == [
        "to inf)" not in line for line in controls
    ]


def test_a_batch_that_the_source_does_not_take_is_absent_with_the_reason(project) -> None:
    shutil.copy(project.warehouse / "inputs.npy", project.path)
    shutil.copy(project.warehouse / "single.onnx", project.path)
    project.declare("er.Model('single', sources={'onnx': 'single.onnx'}, inputs='inputs.npy', batch_sizes=4)")
    project.write("test_it.py", "def test_it(envrobust):\n    envrobust.assert_latency(max_ms=60000)\n")
    project.run(f"--envrobust-env={REFERENCE}", LITTLE).assert_outcomes(passed=1)
    (cell,) = project.cells().values()
    assert cell["latency"]["points"] == [
        {
            "batch": 4,
            "threads": 1,
            "reason": f"{REFERENCE} cannot be timed at batch 4: its source takes batches of 1",
        }
    ]


def test_malformed_axes_of_marker_call_and_model_are_one_error_each(project) -> None:
    project.declare_colors()
    project.write(
        "test_it.py",
        """
        import pytest

        @pytest.mark.envrobust(batch_sizes=[1, 0])
        def test_marker(envrobust):
            pass

        def test_call(envrobust):
            envrobust.assert_latency(threads="2")
        """,
    )
    project.write(
        "sub/conftest.py",
        """
        import pytest_envrobust as er

        def pytest_envrobust_models(config):
            return [er.Model("sub", {"onnx": "colors.onnx"}, "inputs.npy", batch_sizes=1.5)]
        """,
    )
    project.write("sub/test_sub.py", "def test_model(envrobust):\n    pass\n")
    result = project.run(CELL)
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines_random(
        [
            "*batch_sizes=[[]1, 0] (from marker): whole numbers above 0 are needed*",
            "*threads='2' (from call argument): whole numbers above 0 are needed*",
            "*batch_sizes=1.5 (from model 'sub'): whole numbers above 0 are needed*",
        ]
    )


@pytest.mark.parametrize(
    ("ini", "argument", "message"),
    [
        ((), "--envrobust-batch-sizes=1,0", "batch sizes '1,0' (--envrobust-batch-sizes): they are whole numbers *"),
        ((), "--envrobust-batch-sizes=auto", "batch sizes 'auto' (--envrobust-batch-sizes): they are whole numbers *"),
        ((), "--envrobust-threads=2;3", "threads '2;3' (--envrobust-threads): they are whole numbers *, or auto"),
        (("envrobust_threads = few",), "-v", "threads 'few' (envrobust_threads in the ini file): they are *"),
    ],
)
def test_malformed_axes_outside_are_usage_errors(project, labels_test, ini, argument, message) -> None:
    project.ini(*ini)
    project.declare_colors()
    result = project.collect(argument)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}"])


SETTINGS_TEST = """
def test_settings(pytestconfig):
    timing = pytestconfig.pluginmanager.get_plugin("envrobust-session").context.settings.timing
    assert (timing.threads, timing.axes.threads) == ({}, ())
"""


def test_automatic_threads_are_a_process_share_of_the_cores(project) -> None:
    cores = this_machine().cores
    project.write("test_it.py", SETTINGS_TEST.format(cores))
    result = project.pytester.runpytest_inprocess("--envrobust", "--envrobust-threads=auto", "-p", "no:xdist")
    result.assert_outcomes(passed=1)
    pytest.importorskip("xdist")
    project.write("test_it.py", SETTINGS_TEST.format(max(1, cores // 2)))
    project.run("--envrobust-threads=auto", "-n", "2", plugins=("xdist",)).assert_outcomes(passed=1)


def test_more_threads_than_cores_are_told_in_the_header(project, labels_test) -> None:
    project.declare_colors()
    cores = this_machine().cores
    own = ("--envrobust", "--collect-only")
    alone = (*own, "-p", "no:xdist")
    result = project.pytester.runpytest_inprocess(*alone, f"--envrobust-threads=1,{cores + 1}")
    result.stdout.fnmatch_lines([f"envrobust: {cores + 1} threads on {cores} core*: times will suffer; *"])
    result = project.pytester.runpytest_inprocess(*alone, "--envrobust-threads=auto")
    result.stdout.no_fnmatch_line("*times will suffer*")
    pytest.importorskip("xdist")
    result = project.pytester.runpytest_inprocess(*own, "-n", str(cores + 1))
    result.stdout.fnmatch_lines([f"envrobust: 1 thread in each of {cores + 1} processes on {cores} core*: times *"])
