from __future__ import annotations

import compileall
from importlib.util import find_spec

import pytest
from hypothesis import settings

pytest_plugins = ["pytester"]

settings.register_profile("tests", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("tests")


def pytest_configure(config: pytest.Config) -> None:
    """Compile the package before the tests start many processes: each would do so where it may write no bytecode."""
    package = find_spec("pytest_envrobust")
    if package is not None and not hasattr(config, "workerinput"):
        for folder in package.submodule_search_locations or ():
            compileall.compile_dir(folder, quiet=2)
