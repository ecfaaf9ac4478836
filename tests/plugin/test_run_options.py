"""Options of a run: isolation, time limits, the store, compilers' options, threads."""

from __future__ import annotations

import pytest

ORT, TORCH = "onnx/ort-all/cpu", "torch/eager/cpu"


def test_without_isolation_everything_is_in_this_process(project) -> None:
    project.declare_colors()
    project.write(
        "test_it.py",
        """
        import sys

        def test_labels(envrobust):
            envrobust.assert_labels_agree()
            assert "onnxruntime" in sys.modules
        """,
    )
    project.run(f"--envrobust-env={ORT}", "--envrobust-isolation=none").assert_outcomes(passed=1)
    result = project.run(f"--envrobust-env={ORT}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*assert 'onnxruntime' in *"])


def test_an_instruction_set_ceiling_needs_a_process_of_its_own(project, labels_test) -> None:
    project.declare_colors()
    result = project.run("--envrobust-env=onnx/openvino/cpu+sse4*", "--envrobust-isolation=none")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*cpu+sse41 needs a process of its own*"])


def test_a_time_limit_kills_the_worker_and_spares_the_others(project, labels_test) -> None:
    project.declare_pair("sleeps")
    result = project.run(f"--envrobust-env={ORT},{TORCH}", "--envrobust-timeout=load=5")
    result.assert_outcomes(passed=1, failed=1)
    cell = project.cells()[f"{labels_test}[pair-{TORCH}]"]
    assert (cell["status"], cell["stage"]) == ("timed-out", "load")
    assert (
        "no answer within 5 s, so its worker was killed (allow more with --envrobust-timeout load=SECONDS)"
        in (cell["reason"])
    )


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--envrobust-timeout=lod=3", "'lod=3' (--envrobust-timeout): stages are import, convert, compile, load, run"),
        ("--envrobust-timeout=soon", "time limit 'soon' (--envrobust-timeout): it is a number above 0"),
        ("--envrobust-timeout=load=-1", "time limit '-1' (--envrobust-timeout): it is a number above 0"),
        ("--envrobust-threads=1.5", "threads '1.5' (--envrobust-threads): they are whole numbers above 0, *, or auto"),
        ("--envrobust-time-budget=0", "time budget '0' (--envrobust-time-budget): it is a number above 0"),
        ("--envrobust-time-budget=long", "time budget 'long' (--envrobust-time-budget): it is a number above 0"),
        ("--envrobust-precision=2%", "precision '2%' (--envrobust-precision): it is a number above 0"),
        ("--envrobust-precision=0", "precision '0' (--envrobust-precision): it is a number above 0"),
        ("--envrobust-set=tvm-tuned.trial=2", "--envrobust-set tvm-tuned.trial=2: options are *tvm-tuned.trials*"),
        ("--envrobust-set=tvm-tuned.trials", "--envrobust-set tvm-tuned.trials: options are *, set by NAME=VALUE"),
        ("--envrobust-set=tvm-tuned.trials=many", "--envrobust-set tvm-tuned.trials=many: *is a number"),
        ("--envrobust-set=inductor.fullgraph=2", "--envrobust-set inductor.fullgraph=2: it is 1 or 0"),
        ("--envrobust-set=cuda:0.tf3=1", "--envrobust-set cuda:0.tf3=1: options are *cuda:0.tf32, cuda:0.autotune*"),
    ],
)
def test_malformed_options_are_usage_errors(project, labels_test, argument, message) -> None:
    project.declare_colors()
    result = project.collect(argument)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}"])


def test_compiler_options_and_threads_are_taken(project) -> None:
    project.ini("envrobust_threads = 2", "envrobust_timeout =", "    run=50", "envrobust_set = tvm-tuned.trials=3")
    project.write(
        "test_it.py",
        """
        from pytest_envrobust.core.status import Stage

        def test_settings(pytestconfig):
            settings = pytestconfig.pluginmanager.get_plugin("envrobust-session").context.settings
            assert settings.timing.threads == 2
            assert settings.limits == {Stage.RUN: 60, Stage.LOAD: 40}
            assert settings.options == {"tvm-tuned": {"trials": 5}}
        """,
    )
    result = project.run(
        "--envrobust-set=tvm-tuned.trials=5", "--envrobust-timeout=run=60", "--envrobust-timeout=load=40"
    )
    result.assert_outcomes(passed=1)


def test_timing_ends_with_the_precision_that_was_asked_for(project) -> None:
    """The reference, timed alone: some rounds always give an interval of the median, and any will do."""
    project.declare("er.Model('colors', {'onnx': 'colors.onnx'}, 'inputs.npy', reference='onnx/ort-all/cpu')")
    project.bring("colors.onnx", "inputs.npy")
    project.write("test_it.py", "def test_it(envrobust):\n    envrobust.assert_latency()\n")
    rounds = {}
    for precision in ("1000", "0.0000001"):
        project.ini(f"envrobust_precision = {precision}")
        project.run(f"--envrobust-env={ORT}", "--envrobust-time-budget=1").assert_outcomes(passed=1)
        rounds[precision] = project.record()["cells"][0]["latency"]["rounds"]
    assert rounds["1000"] < rounds["0.0000001"]


def test_a_store_that_cannot_be_written_is_one_clear_error(project, labels_test) -> None:
    project.declare_colors()
    project.write("a_file", "no directory")
    arguments = ("--envrobust", f"--envrobust-env={ORT}", "--envrobust-cache-dir=a_file/store")
    result = project.pytest(*arguments)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*cache directory *a_file/store' cannot be written: * (choose another with *"])
    result = project.pytest(*arguments, "--envrobust-cache-clear")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*cache directory *a_file/store' cannot be written: *"])


def test_the_store_is_used_again_until_it_is_cleared(project, labels_test) -> None:
    project.declare_colors()

    def artifacts() -> dict[str, int]:
        return {path.parent.name: path.stat().st_mtime_ns for path in project.path.rglob("manifest.json")}

    arguments = ("--envrobust", "--envrobust-env=onnx/openvino/cpu", "--envrobust-cache-dir=store")
    project.pytest(*arguments).assert_outcomes(passed=1)
    first = artifacts()
    assert first
    project.pytest(*arguments).assert_outcomes(passed=1)
    assert artifacts() == first
    project.pytest(*arguments, "--envrobust-cache-clear").assert_outcomes(passed=1)
    again = artifacts()
    assert again.keys() == first.keys()
    assert all(again[key] > first[key] for key in first)
