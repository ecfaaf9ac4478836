"""A check in one file: it is in the options, a run, its record and reports, and judged again with another limit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_envrobust.checks.base import Check
from pytest_envrobust.checks.registry import checks, register_check
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.verdicts.limits import LimitKind

CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"
REGISTERED = """
    import pathlib, sys

    import pytest_envrobust as er

    sys.path.insert(0, str(pathlib.Path(__file__).parent / "checks"))
    from confidence import CHECK


    def pytest_addoption(parser):
        er.register_check(CHECK, parser)


    er.register_check(CHECK)  # for `envrobust report`, which has no parser
"""
IN_THE_PACKAGE = """
    import pathlib

    import pytest_envrobust.checks

    pytest_envrobust.checks.__path__.append(str(pathlib.Path(__file__).parent / "checks"))
"""
"""As if the file lay in the package's folder."""
CELL = "onnx:faint/ort-off/cpu"
TEST = """
    def test_margins(envrobust):
        envrobust.check("confidence")
"""


@dataclass(frozen=True)
class Added:
    """A project that a check was added to."""

    project: Any

    def run(self, *arguments: str) -> pytest.RunResult:
        return self.project.run("-p", "adds_check", *arguments)

    def report(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`envrobust report` of the last run."""
        command = [sys.executable, "-m", "pytest_envrobust.cli", "report", "-p", "adds_check", "run.json", *arguments]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, ["", os.environ.get("PYTHONPATH", "")]))}
        return subprocess.run(
            command, cwd=self.project.path, env=environ, capture_output=True, text=True, timeout=120, check=False
        )


@pytest.fixture(params=[REGISTERED, IN_THE_PACKAGE], ids=["registered", "in-the-package"])
def added(request: pytest.FixtureRequest, project: Any, monkeypatch: pytest.MonkeyPatch) -> Added:
    """The check that CONTRIBUTING shows, added."""
    text = CONTRIBUTING.read_text(encoding="utf-8")
    (shown,) = re.findall(r"```python\n(# pytest_envrobust/checks/confidence\.py\n.*?)```", text, re.DOTALL)
    project.write("checks/confidence.py", shown)
    project.write("adds_check.py", request.param)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(project.path), os.environ.get("PYTHONPATH", "")]))
    declare(project)
    project.write("test_it.py", TEST)
    return Added(project)


def declare(project: Any, more: str = "") -> None:
    """A model of two ONNX sources, the other one less sure than the reference's."""
    if not (project.path / "faint.onnx").exists():
        project.bring("colors.onnx", "inputs.npy", "faint.onnx")
    sources = "{'onnx': 'colors.onnx', 'onnx:faint': 'faint.onnx'}"
    project.declare(f"er.Model('faint', sources={sources}, inputs='inputs.npy')", more=more)


def test_its_limit_is_an_option_that_it_is_judged_by(added: Added) -> None:
    found = added.run(f"--envrobust-env={CELL}", "--envrobust-max-margin-loss=1e-9")
    found.assert_outcomes(failed=1)
    found.stdout.re_match_lines(
        [rf".*faint in {CELL}: an input's margin is up to .* smaller than in onnx/ort-off/cpu "
         r"\(limit 1e-09 from command line\)"]
    )  # fmt: skip
    (cell,) = added.project.record()["cells"]
    part = cell["checks"]["confidence"]
    assert part["figures"]["margin_loss"] > 1e-9
    assert (part["limit_name"], part["limit"], part["verdict"]) == ("max_margin_loss", 1e-9, "failed")
    assert re.search(r"^  environment +status +confidence ", found.stdout.str(), re.MULTILINE)


def test_it_is_judged_again_from_its_record(added: Added) -> None:
    added.run(f"--envrobust-env={CELL}", "--envrobust-max-margin-loss=1e-9")
    kept = added.report("--max-margin-loss=1000")
    assert kept.returncode == 0, kept.stdout + kept.stderr
    assert "passed" in kept.stdout
    missed = added.report("--max-margin-loss=1e-12")
    assert missed.returncode == 1, missed.stdout + missed.stderr
    assert "(limit 1e-12 from envrobust report)" in missed.stdout


def test_its_limit_is_in_help_ini_marker_and_thresholds(added: Added) -> None:
    assert "--envrobust-max-margin-loss" in added.project.pytest("-p", "adds_check", "--help").stdout.str()
    only = f"--envrobust-env={CELL}"
    added.project.ini("envrobust_max_margin_loss = 1e-9")
    assert "limit 1e-09 from ini" in added.run(only).stdout.str()
    declare(
        added.project,
        more="@pytest.fixture(scope='session')\ndef envrobust_thresholds():\n"
        "    return er.Thresholds(max_margin_loss=2e-9)\n",
    )
    assert "limit 2e-09 from conftest.py" in added.run(only).stdout.str()
    marked = f"import pytest\n\n\n@pytest.mark.envrobust(max_margin_loss=3e-9){TEST}".replace("\n    ", "\n")
    added.project.write("test_it.py", marked.replace("\nenvrobust.check", "\n    envrobust.check"))
    assert "limit 3e-09 from marker" in added.run(only).stdout.str()


def test_it_is_made_of_a_model_without_test_code(added: Added) -> None:
    (added.project.path / "test_it.py").unlink()
    found = added.run(
        "--envrobust-model=colors.onnx", "--envrobust-inputs=inputs.npy", "--envrobust-env=onnx/ort-all/cpu",
        "--envrobust-check=confidence",
    )  # fmt: skip
    assert "colors.onnx::confidence[onnx/ort-all/cpu]" in found.stdout.str()
    assert list(added.project.statuses().values()) == ["passed"]


class Named(Check[float]):
    """A check of that name, with that limit."""

    measure = judge = None  # type: ignore[assignment]

    def __init__(self, name: str, limit: str) -> None:
        self.name, self.limits = name, (LimitKind.positive(limit, "a limit"),)  # type: ignore[misc]


Named.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "limit", "said"),
    [("labels", "max_own", "there is a check 'labels' already"), ("own", "max_latency_ms", "the check 'latency' has")],
)
def test_names_that_are_taken_are_refused(name: str, limit: str, said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        register_check(Named(name, limit))
    assert name not in checks() or checks()[name].__module__.startswith("pytest_envrobust.checks.")
