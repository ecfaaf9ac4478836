"""The README's two commands are there, continuous integration runs the tests by one, and mutants are counted."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from support import mutants

ROOT = Path(__file__).parents[2]
COMMANDS = re.findall(r"^\$ (make \w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_readme_has_two() -> None:
    assert COMMANDS == ["make demo", "make test"]


@pytest.mark.parametrize("command", COMMANDS)
def test_it_installs_torch_first_and_then_runs_pytest(command: str) -> None:
    dry = subprocess.run(
        [*command.split(), "--dry-run", "--always-make"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    torch, rest, run = (dry.index(part) for part in (" torch==2.13.0", "--editable", "-m pytest"))
    assert torch < rest < run


def test_continuous_integration_calls_the_test_command() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_the_share_of_changes_that_are_noticed_is_told_by_folder() -> None:
    results = """
    pytest_envrobust.checks.base.x_one__mutmut_1: killed
    pytest_envrobust.checks.base.x_one__mutmut_2: survived
    pytest_envrobust.checks.base.x_one__mutmut_3: not checked
    pytest_envrobust.verdicts.limits.x_two__mutmut_1: timeout
    pytest_envrobust.verdicts.limits.x_two__mutmut_2: no tests
    pytest_envrobust.verdicts.limits.x_two__mutmut_3: killed
    """
    assert list(mutants.lines(results.splitlines())) == [
        "pytest_envrobust.checks.base.x_one__mutmut_2: survived",
        "pytest_envrobust.verdicts.limits.x_two__mutmut_2: no tests",
        "checks: 1 of 2 changes are noticed (50.0%)",
        "verdicts: 2 of 3 changes are noticed (66.7%)",
        "all: 3 of 5 changes are noticed (60.0%)",
    ]
    assert list(mutants.lines([])) == ["all: 0 of 0 changes are noticed"]


def test_mutants_are_made_and_then_counted() -> None:
    dry = subprocess.run(["make", "mutants", "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert dry.index("mutmut run") < dry.index("mutmut results --all true") < dry.index("tests/support/mutants.py")
