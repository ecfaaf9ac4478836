"""With no framework installed the package imports, and says what is missing."""

from __future__ import annotations

import importlib.metadata
import inspect
import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

import pytest_envrobust

ROOT = Path(__file__).parents[2]
HIDE = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

NAMES = frozenset(
    "torch torchvision tensorflow keras onnx onnxruntime onnxscript openvino tvm ai_edge_litert onnx2torch tf2onnx "
    "scipy PIL psutil filelock execnet cloudpickle platformdirs pytest_benchmark xdist hypothesis".split()
)
sys.meta_path.insert(0, Hidden())
"""


def run(text: str) -> str:
    """Standard output of Python code in a process of its own."""
    found = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_every_module_imports_without_frameworks_and_without_what_is_needed_late() -> None:
    text = """
import importlib, pkgutil, pytest_envrobust
count = 0
for info in pkgutil.walk_packages(pytest_envrobust.__path__, "pytest_envrobust."):
    importlib.import_module(info.name)
    count += 1
print(count)
"""
    assert int(run(HIDE + text)) > 60


def test_importing_the_package_imports_neither_numpy_nor_pytest() -> None:
    names = ("numpy", "pytest", "_pytest", "torch", "PIL", "scipy", "execnet")
    text = f"import sys, pytest_envrobust; print([name for name in {names!r} if name in sys.modules])"
    assert run(text).strip() == "[]"


def test_importing_the_plugin_imports_no_numpy() -> None:
    text = "import sys, pytest_envrobust.plugin; print('numpy' in sys.modules)"
    assert run(text).strip() == "False"


@pytest.mark.parametrize("name", pytest_envrobust.__all__)
def test_a_public_name_resolves_and_is_documented(name: str) -> None:
    value = getattr(pytest_envrobust, name)
    assert inspect.getdoc(value)
    assert name in dir(pytest_envrobust)
    if inspect.isclass(value):
        undocumented = [
            attribute
            for attribute, member in vars(value).items()
            if inspect.isfunction(member) and not attribute.startswith("_") and not inspect.getdoc(member)
        ]
        assert undocumented == []


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Modell'"):
        _ = pytest_envrobust.Modell  # type: ignore[attr-defined]


@pytest.mark.slow
def test_the_wheel_in_a_bare_environment_says_what_is_missing(tmp_path: Path) -> None:
    """A new environment with the wheel and its core dependencies, linked from here: nothing is downloaded."""
    pytest.importorskip("build")
    wheel = _wheel(tmp_path)
    python = _bare_environment(tmp_path / "bare", wheel)
    project = tmp_path / "project"
    project.mkdir()
    (project / "pytest.ini").write_text("[pytest]\n")
    (project / "m.onnx").write_bytes(b"")
    (project / "conftest.py").write_text(
        "import numpy, pytest_envrobust as er\n"
        "def pytest_envrobust_models(config):\n"
        "    inputs = er.Arrays(numpy.zeros((2, 3, 8, 8)))\n"
        "    return [er.Model('m', {'onnx': 'm.onnx'}, inputs=inputs)]\n"
    )
    (project / "test_it.py").write_text("def test_it(envrobust):\n    envrobust.assert_labels_agree()\n")
    command = [str(python), "-m", "pytest", "-rs", "-p", "no:cacheprovider", "--envrobust", "--envrobust-env=*/cpu"]
    found = _run(command, project)
    assert found.returncode == pytest.ExitCode.TESTS_FAILED, found.stdout + found.stderr
    assert "envrobust: nothing was compared" in found.stdout
    assert re.search(r"onnxruntime.* not installed \(pip install 'pytest-envrobust\[", found.stdout)
    assert "0 environments ran" in found.stdout
    off = _run([str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider"], project)
    assert off.returncode == pytest.ExitCode.OK
    assert "1 skipped" in off.stdout
    doctor = _run([str(python.parent / "envrobust"), "doctor"], project)
    assert doctor.returncode == 0
    assert re.search(r"torch/eager/cpu +torch is not installed", doctor.stdout)
    told = dict(line.split(maxsplit=1) for line in doctor.stdout.splitlines())
    assert len(told) > 100
    assert [environment for environment, what in told.items() if what == "here"] == []


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300)


def _wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    found = _run(command, folder)
    assert found.returncode == 0, found.stdout + found.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def _bare_environment(folder: Path, wheel: Path) -> Path:
    """An environment with the wheel and what it requires without extras; its interpreter."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    for entry in sorted(_core_files()):
        if not (site / entry.name).exists():
            (site / entry.name).symlink_to(entry)
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    found = _run(install, folder)
    if "No module named pip" in found.stderr:
        pytest.skip("this interpreter has no pip to install the wheel with")
    assert found.returncode == 0, found.stdout + found.stderr
    return python


def _core_files() -> set[Path]:
    """Top-level files and folders of the core dependencies, and of theirs."""
    from packaging.requirements import Requirement

    found: set[Path] = set()
    waiting, seen = ["pytest-envrobust"], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        distribution = importlib.metadata.distribution(name)
        for text in distribution.requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
        if name != "pytest-envrobust":
            parts = {file.parts[0] for file in distribution.files or [] if file.parts[0] not in ("..", "__pycache__")}
            found |= {Path(str(distribution.locate_file(part))) for part in parts}
    return found
