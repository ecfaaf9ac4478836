"""Other interpreters that the tests make: virtual environments that see some of this one's packages."""

from __future__ import annotations

import os
import venv
from importlib.util import find_spec
from pathlib import Path


def bare_python(folder: Path) -> Path:
    """The python of a new virtual environment in that folder, with numpy and nothing else."""
    python = empty_python(folder)
    home = _home("numpy")
    for entry in (home, *home.parent.glob("numpy.libs"), *home.parent.glob("numpy-*.dist-info")):
        (_site(folder) / entry.name).symlink_to(entry)
    return python


def furnished_python(folder: Path) -> Path:
    """The python of a new virtual environment in that folder, which finds all packages that this one has."""
    python = empty_python(folder)
    (_site(folder) / "all.pth").write_text(f"{_home('numpy').parent}\n", encoding="utf-8")
    return python


def empty_python(folder: Path) -> Path:
    """The python of a new virtual environment in that folder, without any package."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    return next(path for path in (folder / "bin" / "python", folder / "Scripts" / "python.exe") if path.exists())


def _home(module: str) -> Path:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _site(folder: Path) -> Path:
    return next(folder.glob("lib/python3*/site-packages"), folder / "Lib" / "site-packages")
