"""The example project, run as a user would, in a few environments of both its frameworks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.examples import EXAMPLES, copied, run_pytest

SIGNS = EXAMPLES / "signs"
ENVIRONMENTS = ("torch/eager/cpu", "torch/ort-all/cpu", "keras/eager/cpu", "keras/litert/cpu")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project."""
    return copied("signs", tmp_path_factory.mktemp("example"))


@pytest.fixture(scope="module")
def finished(project: Path) -> subprocess.CompletedProcess[str]:
    """The project's tests in some environments, with pytest-benchmark making one call each."""
    chosen = [f"--envrobust-env={each}" for each in (*ENVIRONMENTS, "keras-to-torch/eager/cpu")]
    own = ["--envrobust", "--envrobust-json=run.json", "--envrobust-cache-dir=cache", "--envrobust-time-budget=0.2"]
    return run_pytest(project, "--benchmark-disable", *own, *chosen, timeout=600)


@pytest.fixture(scope="module")
def cells(project: Path, finished: subprocess.CompletedProcess[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """The record's cells by test and environment."""
    path = project / "run.json"
    assert path.is_file(), finished.stdout + finished.stderr
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return {(cell["nodeid"].split("::")[1].split("[")[0], cell["environment"]): cell for cell in found}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("test", ["test_same_labels", "test_my_own_claim", "test_recorded_by_pytest_benchmark"])
def test_passes(cells: dict[tuple[str, str], dict[str, Any]], test: str, environment: str) -> None:
    assert cells[test, environment]["status"] == "passed"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_labels_agree_and_differ_among_themselves(
    cells: dict[tuple[str, str], dict[str, Any]], environment: str
) -> None:
    labels = cells["test_same_labels", environment]["labels"]
    assert labels["n"] == 24
    assert labels["agreement"] == 1.0
    assert labels["distinct_labels"] == 6
    assert labels["limit_from"].startswith("tests/conftest.py:")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_time_is_measured(cells: dict[tuple[str, str], dict[str, Any]], environment: str) -> None:
    """Whether it was fast enough is this machine's affair."""
    latency = cells["test_fast_enough", environment]["latency"]
    assert latency["wall_ms"]["n"] >= 6
    assert latency["from"] == ("alone" if environment == "torch/eager/cpu" else "pairs")


def test_keras_is_compared_after_conversion(cells: dict[tuple[str, str], dict[str, Any]]) -> None:
    cell = cells["test_converted_from_keras", "keras-to-torch/eager/cpu"]
    assert cell["status"] == "passed"
    assert cell["route"] == ["keras", "onnx_from_keras", "torch_from_onnx", "eager"]
    assert cell["reference"] == "torch/eager/cpu"


def test_predictions_lie_beside_the_record(project: Path, cells: dict[tuple[str, str], dict[str, Any]]) -> None:
    digest = cells["test_same_labels", "keras/eager/cpu"]["output_digest"]
    with np.load(project / "run.npz", allow_pickle=False) as predictions:
        assert predictions[digest].shape == (24, 6)


def test_report_shows_every_environment(finished: subprocess.CompletedProcess[str]) -> None:
    report = finished.stdout.partition(" envrobust ===")[2]
    for environment in ENVIRONMENTS:
        assert f"\n  {environment} " in report


def test_without_the_option_all_is_skipped(project: Path) -> None:
    found = run_pytest(project, "-rs", timeout=120)
    assert found.returncode == 0, found.stdout
    assert "5 skipped" in found.stdout
    assert "needs --envrobust" in found.stdout


def test_images_and_weights_are_what_the_scripts_make(project: Path, tmp_path: Path) -> None:
    """The committed pictures are the ones that the script draws."""
    from PIL import Image

    code = "from pathlib import Path; import draw_images; draw_images.draw_test_images(Path('drawn'))"
    subprocess.run([sys.executable, "-c", code], cwd=project, check=True, timeout=60)
    drawn = sorted((project / "drawn").glob("*.png"))
    assert [file.name for file in drawn] == sorted(file.name for file in (SIGNS / "tests" / "images").glob("*.png"))
    for file in drawn:
        committed = np.asarray(Image.open(SIGNS / "tests" / "images" / file.name))
        assert np.array_equal(np.asarray(Image.open(file)), committed), file.name
