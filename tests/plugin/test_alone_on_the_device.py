"""Timing is alone on the device: a run waits for another one's, says so, and goes on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_envrobust.workers.locks import machine_lock


def test_a_run_waits_with_all_done_that_is_no_timing(project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.declare_colors()
    project.write("test_it.py", "def test_it(envrobust):\n    envrobust.assert_latency()\n")
    folder = project.path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    own = ("-v", "--envrobust", f"--envrobust-cache-dir={project.cache}", "--envrobust-time-budget=0.2")
    command = [sys.executable, "-m", "pytest", *own, "--envrobust-env=onnx/ort-all/cpu"]
    said = []
    with machine_lock("timing-cpu"):
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert run.stdout is not None
        for line in run.stdout:
            said.append(line.strip())
            if "wait for another run's timing on cpu" in line:
                break
    rest, _ = run.communicate(timeout=300)
    assert run.returncode == pytest.ExitCode.OK, "\n".join([*said, rest])
    assert len([line for line in said if "prepare colors in onnx/ort-" in line]) == 2
    assert said[-1].endswith("wait for another run's timing on cpu")
    assert "PASSED" in rest
    assert "wait for" not in rest
