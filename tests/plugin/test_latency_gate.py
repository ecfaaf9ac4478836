"""Limits on time are enforced inside the test, and a failure says all that the verdict rests on.

``folding`` makes 101 convolutions a call in ``onnx/ort-off/cpu`` and 1 in its reference: no machine makes them as fast.
A limit of 1e-6 ms is one that no call keeps.
"""

from __future__ import annotations

import json
import sys

import pytest

HEAVY, REFERENCE = "onnx/ort-off/cpu", "onnx/ort-all/cpu"
BOTH = f"--envrobust-env={HEAVY},{REFERENCE}"
TOO_SLOW = "--envrobust-max-latency-ms=0.000001"


def ids(test: str) -> tuple[str, str]:
    """Node ids of a test in both environments."""
    return f"test_it.py::{test}[folding-{HEAVY}]", f"test_it.py::{test}[folding-{REFERENCE}]"


@pytest.fixture
def plain(project) -> None:
    """A project with two tests without limits of their own."""
    project.declare_folding()
    project.write(
        "test_it.py",
        """
        def test_first(envrobust):
            envrobust.assert_latency()

        def test_second(envrobust):
            envrobust.assert_latency()
        """,
    )


def test_every_limit_is_told_with_its_origin_and_what_it_rests_on(project) -> None:
    # a limit on p99 everywhere: where all items need the same calls, a cell is timed once for them
    project.ini("envrobust_max_latency_ms = 0.000001", "envrobust_max_latency_p99_ms = 60000")
    project.declare_folding(
        """
        @pytest.fixture(scope="session")
        def envrobust_thresholds():
            return er.Thresholds(max_latency_ratio=1.5)
        """
    )
    project.write(
        "test_it.py",
        """
        import psutil
        import pytest

        LOOSE = {"max_latency_ms": 60000, "max_latency_p90_ms": 60000, "max_latency_ratio": 10000}

        def workers():
            return {process.pid for process in psutil.Process().children()}

        def test_all(envrobust):
            envrobust.predict()
            envrobust.reference.predict()
            before = workers()
            try:
                envrobust.assert_latency()
            finally:
                # both environments have one engine, and so one process: the control has another
                assert len(workers() - before) == (0 if envrobust.is_reference else 1)
                assert before <= workers()

        @pytest.mark.envrobust(**{**LOOSE, "max_latency_ratio": 0.0001})
        def test_ratio(envrobust):
            envrobust.assert_latency()

        @pytest.mark.envrobust(**LOOSE, max_latency_p99_ms=0.000001)
        def test_marker(envrobust):
            envrobust.assert_latency()

        @pytest.mark.envrobust(max_latency_ms=0.000001, max_latency_p90_ms=0.000001, max_latency_ratio=0.0001)
        def test_call(envrobust):
            evidence = envrobust.assert_latency(max_ms=60000, max_p90_ms=60000, max_p99_ms=60000, max_ratio=10000)
            assert evidence.point.batch == 1
        """,
    )
    result = project.run(BOTH, "--envrobust-max-latency-p90-ms=0.000001", *project.conclusive)
    found, cells = project.statuses(), project.cells()
    assert {name: [found[nodeid] for nodeid in ids(name)] for name in ("test_all", "test_ratio", "test_marker")} == {
        "test_all": ["failed", "failed"],
        "test_ratio": ["failed", "passed"],  # the reference is no multiple of itself
        "test_marker": ["failed", "failed"],
    }
    assert [found[nodeid] for nodeid in ids("test_call")] == ["passed", "passed"]
    result.stdout.fnmatch_lines(
        [
            f"E*folding in {HEAVY}: too slow, a call takes * ms of wall time (median of *, 95 % interval * to * ms, "
            "limit 1e-06 ms from ini)",
            "E * an absolute limit holds for this machine and its load alone",
            f"E*folding in {HEAVY}: too slow, 90 % of * calls take * ms of wall time or less "
            "(p90, 95 % interval * to * ms, limit 1e-06 ms from command line)",
            f"E*folding in {HEAVY}: too slow, * times the CPU time of {REFERENCE} (95 % interval * to *, "
            "limit 1.5 from conftest.py:*)",
            "E * the smallest slowdown that this run could have told from none: *",
            "E * the A/A control (the reference against itself) took * times its own CPU time "
            "(95 % interval * to *), within its margin of * %",
            "E * judged on CPU time, which *; by wall time * times (* to *)",
            "E * route: onnx -> ort-off",
            f"E * to run this cell alone: pytest --envrobust *'test_it.py::test_all[[]folding-{HEAVY}]'",
        ]
    )
    result.stdout.fnmatch_lines([f"E*folding in {HEAVY}: too slow, 99 % of * limit 1e-06 ms from marker)"])
    for line in result.outlines:
        assert not (f"folding in {REFERENCE}" in line and "times the" in line)

    heavy, reference = (cells[nodeid]["latency"] for nodeid in ids("test_ratio"))
    assert heavy["ratio"]["cpu"][0] > 1.5
    assert (heavy["clock"], heavy["limit_name"], heavy["limit_from"]) == ("cpu", "max_latency_ratio", "marker")
    assert heavy["smallest_visible"] > 1
    assert not {"control", "control_fault"} & reference.keys()
    assert (reference["from"], "limit_name" in reference) == ("alone", True)


def test_it_holds_without_a_terminal_and_ends_a_run_at_the_first_failure(project, plain) -> None:
    own = ("--envrobust", f"--envrobust-cache-dir={project.cache}", "--envrobust-json=run.json")
    result = project.pytest(*own, BOTH, TOO_SLOW, "--envrobust-time-budget=0.2", "-p", "no:terminal", "-x")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert not result.stdout.str()
    first, *others = [*ids("test_first"), *ids("test_second")]
    assert project.statuses() == {first: "failed", **dict.fromkeys(others, "not-run")}


def test_it_holds_under_xdist(project, plain) -> None:
    pytest.importorskip("xdist")
    result = project.run(BOTH, TOO_SLOW, "-n", "1", plugins=("xdist",))
    result.assert_outcomes(failed=4)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert set(project.statuses().values()) == {"failed"}


WAITS = """
import time

import torch

from nets import Colors


class Waiting(Colors):
    def forward(self, x):
        scores = super().forward(x)
        time.sleep(0.08 if scores.argmax() == 4 else 0.02)
        return scores


def waiting():
    return Waiting().eval()
"""


def test_a_cell_that_waits_does_not_pass_though_its_cpu_time_does(project) -> None:
    """Whether it is too slow or inconclusive depends on what else is at work. It waits longest for the gray input."""
    project.bring("nets.py", "inputs.npy")
    project.write("odd.py", WAITS)
    project.declare(
        "er.Model('odd', sources={'torch': 'nets:colors', 'torch:waits': 'odd:waiting'}, inputs='inputs.npy')"
    )
    project.write("test_it.py", "def test_it(envrobust):\n    envrobust.assert_latency(max_ratio=20)\n")
    cell = "torch:waits/eager/cpu"
    result = project.run(f"--envrobust-env={cell}", *project.conclusive)
    found = project.cells()[f"test_it.py::test_it[odd-{cell}]"]
    assert found["status"] in ("failed", "inconclusive")
    assert found["latency"]["wall_ms"]["median"] > 20
    [slowest] = found["latency"]["by_input"]
    assert slowest["place"] == 4
    name = project.record()["models"][0]["inputs"][slowest["place"]]
    result.stdout.fnmatch_lines([f"*inputs differ in time: {name} takes * times as long as most others*"])
    if found["latency"]["ratio"]["cpu"][2] < 20 and found["latency"]["ratio"]["wall"][0] > 20:
        assert "wall time" in found["reason"]
        if "own" in found["latency"]["ratio"]:
            assert any(said.startswith("a call waits: it has a processor for") for said in found["latency"]["notices"])
    project.pytester.run(
        sys.executable,
        "-m",
        "pytest_envrobust.cli",
        "report",
        "run.json",
        "--max-latency-ratio=21",
        "--json=again.json",
    )
    again = json.loads((project.path / "again.json").read_text())
    assert {each["status"] for each in again["cells"]} <= {"failed", "inconclusive"}


def test_too_few_calls_for_a_tail_say_how_many_it_needs(project, plain) -> None:
    arguments = ("--envrobust-max-latency-p99-ms=60000", "--envrobust-time-budget=0.0001", "-k", "first")
    result = project.run(f"--envrobust-env={REFERENCE}", *arguments)
    assert result.parseoutcomes()["inconclusive"] == 1
    assert result.ret == pytest.ExitCode.OK
    cell = project.cells()[ids("test_first")[1]]
    assert (cell["status"], cell["latency"]["verdict"]) == ("inconclusive", "inconclusive")
    assert cell["reason"] == (
        f"folding in {REFERENCE}: inconclusive, 6 timed calls, and an upper bound of p99 needs 368 "
        "(limit 60000 ms from command line)"
    )


def test_without_processes_of_their_own_there_is_no_control_and_the_message_says_so(project, plain) -> None:
    arguments = ("--envrobust-isolation=none", "--envrobust-max-latency-ratio=1.5", *project.conclusive)
    result = project.run(f"--envrobust-env={HEAVY}", *arguments, "-k", "first")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*too slow, * limit 1.5 from command line)",
            "E *",
            "E * no A/A control was run: *",
            "E * judged on CPU time*",
        ]
    )
    latency = project.cells()[ids("test_first")[0]]["latency"]
    assert "ratio" in latency
    assert not {"control", "control_fault"} & latency.keys()


def test_what_is_inconclusive_fails_a_strict_run_and_says_why(project) -> None:
    """For a tail there are too few calls, for a ratio there is no control: the model's file goes before it opens."""
    project.declare_folding()
    project.write(
        "test_it.py",
        f"""
        from pathlib import Path

        import pytest

        @pytest.mark.envrobust(environments=["{REFERENCE}"])
        def test_tail(envrobust):
            envrobust.assert_latency(max_p99_ms=60000)

        @pytest.mark.envrobust(environments=["{HEAVY}"])
        def test_control(envrobust):
            envrobust.predict()
            envrobust.reference.predict()
            Path("folding.onnx").unlink()
            envrobust.assert_latency(max_ratio=0.0001, max_ms=60000)
        """,
    )
    result = project.run("--envrobust-strict", "--envrobust-time-budget=0.0001")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            f"E*folding in {REFERENCE}: inconclusive, 6 timed calls, and an upper bound of p99 needs 368 *",
            "E * give it more time with --envrobust-time-budget",
        ]
    )
    result.stdout.fnmatch_lines(
        [
            f"E*folding in {HEAVY}: inconclusive, * times the * time of {REFERENCE} (*, limit 0.0001 from call *)",
            f"E * the A/A control could not run: *{REFERENCE}*folding.onnx*",
        ]
    )
    latency = project.cells()[ids("test_control")[0]]["latency"]
    assert (latency["verdict"], latency["limit_name"]) == ("inconclusive", "max_latency_ratio")
    assert "folding.onnx" in latency["control_fault"]
    assert "control" not in latency
