"""The study on one of its models, in a few of its environments, with all its reports."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support.examples import copied, pass_pytest

ENVIRONMENTS = ("keras/eager/cpu", "keras/ort-all/cpu", "torch/eager/cpu", "torch/ort-all/cpu")
PATTERN = 'pattern="imagenet_*.jpg"'
CARRIERS = ("foolbox", "torchvision", "timm", "keras", "tensorflow", "torch", "onnxruntime")

pytestmark = pytest.mark.skipif(
    not all(find_spec(name) for name in CARRIERS),
    reason="the study's packages are not installed: pip install 'pytest-envrobust[all,demo]'",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the study that has run MobileNetV2 on eight photographs, in some environments."""
    folder = tmp_path_factory.mktemp("examples")
    copied("demo", folder)  # the study takes its photographs from there
    target = copied("study", folder)
    conftest = (target / "conftest.py").read_text(encoding="utf-8")
    assert PATTERN in conftest
    (target / "conftest.py").write_text(conftest.replace(PATTERN, f"{PATTERN}, limit=8"), encoding="utf-8")
    reports = [
        "--envrobust-html=run.html",
        "--envrobust-markdown=run.md",
        "--envrobust-precision=1",
        "--envrobust-time-budget=6",
    ]
    chosen = [f"--envrobust-env={','.join(ENVIRONMENTS)}", "-k", "mobilenet_v2"]
    pass_pytest(target, *reports, *chosen)
    return target


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
