"""The process environment that a user's own pytest would see."""

from __future__ import annotations

import os


def of_this_run(name: str) -> bool:
    """Whether a variable is there because these tests are themselves run by pytest, perhaps in several processes."""
    return name == "PYTEST_ADDOPTS" or name.startswith("PYTEST_XDIST")


def users_environ() -> dict[str, str]:
    """This process's variables without those of this run, and one thread."""
    return {name: value for name, value in os.environ.items() if not of_this_run(name)} | {"OMP_NUM_THREADS": "1"}
