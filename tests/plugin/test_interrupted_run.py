"""A run that ends before its time must not look like a whole one, in any report."""

from __future__ import annotations

import re
import sys

import pytest

from pytest_envrobust.cli import main

ENVIRONMENTS = "--envrobust-env=onnx/ort-off/cpu,onnx/ort-all/cpu,onnx/ort-basic/cpu"
REPORTS = ("--envrobust-markdown=run.md", "--envrobust-html=run.html", "--envrobust-shard=1/1")
LAST = "onnx/ort-all/cpu"
ITS_NODEID = f"test_it.py::test_labels[colors-{LAST}]"


def write_test(project, statement: str) -> None:
    """A test that does something else than comparing in its last environment."""
    project.declare_colors()
    project.write(
        "test_it.py",
        f"""
        import os, signal, subprocess, sys, time
        import pytest

        def test_labels(envrobust):
            if envrobust.environment.id == {LAST!r}:
                {statement}
            envrobust.assert_labels_agree()

        def test_plain():
            pass
        """,
    )


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("pytest.exit('that is enough', returncode=0)", "that is enough"),
    ],
)
def test_what_was_to_come_is_told_as_not_run(
    project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], statement: str, why: str
) -> None:
    write_test(project, statement)
    result = project.run(ENVIRONMENTS, *REPORTS)
    record = project.record()
    assert record["run"]["interrupted"] == why
    cell = project.cells()[ITS_NODEID]
    assert (cell["status"], cell["environment"]) == ("not-run", LAST)
    assert cell["reason"] == f"the run was interrupted before: {why}"
    assert sorted(project.statuses().values()) == ["not-run", "passed", "passed"]
    result.stdout.fnmatch_lines([f"Interrupted: {why}*", f"*{LAST} *not-run*"])
    markdown = (project.path / "run.md").read_text(encoding="utf-8")
    assert markdown.startswith("### ⛔ envrobust: 1 not run, 2 passed of 3 cells, interrupted\n")
    page = (project.path / "run.html").read_text(encoding="utf-8")
    assert re.findall("<h1>(.*?)</h1>", page) == ["The run was interrupted: 1 of 3 cells did not run"]
    monkeypatch.chdir(project.path)
    assert main(["merge", "run.json", "--json", "merged.json", "--markdown", "merged.md"]) == 1
    assert f"interrupted: run.json: {why}" in capsys.readouterr().out
    assert "⛔" in (project.path / "merged.md").read_text(encoding="utf-8").split("\n", 1)[0]


def test_a_run_that_stops_at_a_failure_lists_the_rest(project) -> None:
    write_test(project, "pass")
    project.write("test_it.py", "def test_labels(envrobust):\n    envrobust.assert_labels_agree()\n    assert False\n")
    project.run(ENVIRONMENTS, "-x", *REPORTS)
    assert project.record()["run"]["interrupted"] == "stopping after 1 failures"
    assert list(project.statuses().values()) == ["failed", "not-run", "not-run"]


def test_ctrl_c_while_a_worker_works(project) -> None:
    """The signal comes while this process waits for an answer."""
    project.bring("nets.py", "inputs.npy", "colors.onnx")
    project.declare("er.Model('slow', sources={'onnx': 'colors.onnx', 'torch': 'nets:sleeps'}, inputs='inputs.npy')")
    project.write(
        "test_it.py",
        """
        import os, signal, threading

        signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is started without

        def test_labels(envrobust):
            if envrobust.environment.framework == "torch":
                threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
            envrobust.assert_labels_agree()
        """,
    )
    result = project.run("--envrobust-env=onnx/ort-off/cpu,torch/eager/cpu")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert list(project.statuses().values()) == ["passed", "not-run"]
    assert project.record()["run"]["interrupted"] == "KeyboardInterrupt"


def test_an_error_in_collecting_leaves_all_cells_to_come(project, labels_test) -> None:
    project.declare_colors()
    project.write("test_other.py", "raise ValueError('no module')\n")
    project.run(ENVIRONMENTS)
    assert project.record()["run"]["interrupted"] == "1 error during collection"
    assert list(project.statuses().values()) == ["not-run"] * 3


@pytest.mark.parametrize("rehearsal", ["--collect-only", "--setup-plan", "--setup-only"])
def test_a_rehearsal_is_no_interrupted_run(project, labels_test, rehearsal: str) -> None:
    project.declare_colors()
    result = project.run(ENVIRONMENTS, rehearsal)
    assert result.ret == pytest.ExitCode.OK
    assert "interrupted" not in project.record()["run"]
    assert project.record()["cells"] == []


def test_a_teardown_that_fails_fails_the_cell(project) -> None:
    project.declare_colors("@pytest.fixture\ndef tidy():\n    yield\n    raise OSError('the disk is full')\n")
    project.write("test_it.py", "def test_labels(tidy, envrobust):\n    envrobust.assert_labels_agree()\n")
    project.run("--envrobust-env=onnx/ort-off/cpu")
    (cell,) = project.record()["cells"]
    assert (cell["status"], cell["reason"]) == ("failed", "teardown: the disk is full")


def test_a_fixture_that_fails_before_the_cell_fails_it(project) -> None:
    project.declare_colors("@pytest.fixture\ndef bench():\n    raise OSError('no bench')\n")
    project.write("test_it.py", "def test_labels(bench, envrobust):\n    envrobust.assert_labels_agree()\n")
    result = project.run("--envrobust-env=onnx/ort-off/cpu")
    result.assert_outcomes(errors=1)
    (cell,) = project.record()["cells"]
    assert (cell["status"], cell["environment"], cell["reason"]) == ("failed", "onnx/ort-off/cpu", "no bench")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no SIGKILL")
def test_a_process_of_xdist_that_crashes_fails_its_cell_alone(project) -> None:
    """The others go on, and the crash is told once."""
    pytest.importorskip("xdist")
    write_test(project, "os.kill(os.getpid(), signal.SIGKILL)")
    result = project.run(ENVIRONMENTS, "-n1", plugins=("xdist",))
    result.assert_outcomes(passed=3, failed=1)
    assert project.statuses().pop(ITS_NODEID) == "crashed"
    assert sorted(project.statuses().values()) == ["crashed", "passed", "passed"]
    assert "crashed while running" in project.cells()[ITS_NODEID]["reason"]
