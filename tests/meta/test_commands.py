"""The README's two commands are there, and continuous integration calls the one that runs the tests."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = re.findall(r"^\$ (make \w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_readme_has_two() -> None:
    assert COMMANDS == ["make demo", "make test"]


@pytest.mark.parametrize("command", COMMANDS)
def test_it_installs_torch_first_and_then_runs_pytest(command: str) -> None:
    dry = subprocess.run(
        [*command.split(), "--dry-run", "--always-make"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    torch, rest, run = (dry.index(part) for part in ("install --quiet torch==2.13.0", "--editable", "-m pytest"))
    assert torch < rest < run


def test_continuous_integration_calls_the_test_command() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
