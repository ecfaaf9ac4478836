"""The projects of ``examples``, copied and run as a user runs them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from support.environ import users_environ

EXAMPLES = Path(__file__).parents[2] / "examples"
_MADE = ("__pycache__", ".pytest_cache", ".benchmarks", "build")


def copied(name: str, folder: Path) -> Path:
    """A copy of that example in the folder, without what earlier runs left in it."""
    target = folder / name
    shutil.copytree(EXAMPLES / name, target, ignore=shutil.ignore_patterns(*_MADE))
    return target


def run_pytest(folder: Path, *arguments: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
    """Run pytest there, in a process of its own with one thread; ``timeout`` in seconds."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=users_environ(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def pass_pytest(folder: Path, *arguments: str, store: Path | str = "cache", timeout: float = 900) -> None:
    """As `run_pytest`, with ``--envrobust``, a record in ``run.json`` and a store, by default there; all must pass."""
    own = ("--envrobust", "--envrobust-json=run.json", f"--envrobust-cache-dir={store}")
    finished = run_pytest(folder, *own, *arguments, timeout=timeout)
    assert finished.returncode == 0, finished.stdout + finished.stderr
