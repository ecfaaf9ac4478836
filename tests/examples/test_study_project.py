"""The study on one of its models, in a few of its environments, with all its reports."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
ENVIRONMENTS = ("keras/eager/cpu", "keras/ort-all/cpu", "torch/eager/cpu", "torch/ort-all/cpu")
CARRIERS = ("foolbox", "torchvision", "timm", "keras", "tensorflow", "torch", "onnxruntime")

pytestmark = pytest.mark.skipif(
    not all(find_spec(name) for name in CARRIERS),
    reason="the study's packages are not installed: pip install 'pytest-envrobust[all,demo]'",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the study that has run MobileNetV2 in some environments."""
    folder = tmp_path_factory.mktemp("examples")
    for name in ("demo", "study"):
        shutil.copytree(EXAMPLES / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "build"))
    reports = ["--envrobust-json=run.json", "--envrobust-html=run.html", "--envrobust-markdown=run.md"]
    own = ["--envrobust", *reports, "--envrobust-cache-dir=cache", "--envrobust-time-budget=0.1"]
    chosen = [f"--envrobust-env={','.join(ENVIRONMENTS)}", "-k", "mobilenet_v2"]
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *own, *chosen],
        cwd=folder / "study",
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return folder / "study"


@pytest.fixture(scope="module")
def analysis(project: Path) -> dict[str, Any]:
    """What the run found out of the model."""
    record = json.loads((project / "run.json").read_text(encoding="utf-8"))
    (model,) = record["models"]
    assert model["sources"]["keras"]["weights"].startswith("seeded")
    found: dict[str, Any] = model["analysis"]
    return found


def test_labels_depend_on_whose_definition_runs_and_not_on_the_compiler(analysis: dict[str, Any]) -> None:
    shares = {
        (each["factor"], each.get("part")): (each["pairs"], each["labels"]["mean"]) for each in analysis["sensitivity"]
    }
    assert shares["framework", "definitions"][0] == 2
    assert shares["compiler", None] == (2, 0.0)
    assert shares["framework", "definitions"][1] > 0.1


def test_times_are_compared_too(analysis: dict[str, Any]) -> None:
    for each in analysis["sensitivity"]:
        assert each["time"]["from"] == "pairs"
        assert each["time"]["largest"] >= 1


def test_the_page_shows_the_flipped_photographs_by_name(project: Path) -> None:
    page = (project / "run.html").read_text(encoding="utf-8")
    assert "mobilenet_v2" in page
    assert "data:image/jpeg;base64," in page
    assert "imagenet_" in page
    assert "http://" not in page.replace("http://www.w3.org/", "")
    assert "https://" not in page


def test_the_summary_is_short(project: Path) -> None:
    lines = (project / "run.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "### ✅ envrobust: 4 passed of 4 cells"
    assert len(lines) < 60
