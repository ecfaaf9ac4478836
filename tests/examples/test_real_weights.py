"""The study's finding on real weights: labels depend on the framework, not on the compiler."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.examples import pass_pytest

DATA = Path(__file__).parents[3] / "shared" / "data"
SHARED = [f"{framework}/{compiler}/cpu" for framework in ("keras", "torch") for compiler in ("ort-all", "openvino-f32")]
"""The compilers that both frameworks have: there the framework alone differs."""
ENVIRONMENTS = ["keras/graph/cpu", "torch/eager/cpu", *SHARED]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.exists(), reason="the real weights and photographs are not here: ../shared/data"),
]


def run(folder: Path, store: Path, *more: str) -> dict[str, Any]:
    """The model's entry in the record of a run on all photographs."""
    weights = {"keras": "keras_mobilenet_v2.weights.h5", "torch": "torch_mobilenet_v2.safetensors"}
    chosen = [f"--envrobust-weights={name}={DATA / 'models' / file}" for name, file in weights.items()]
    model = ["--envrobust-model=zoo:mobilenet_v2", f"--envrobust-inputs={DATA / 'images'}"]
    limits = ["--envrobust-min-label-agreement=0", "--envrobust-time-budget=0.5", "--envrobust-truth=^([0-9]+)_"]
    own = ["--envrobust-reference=keras/graph/cpu", *model, *chosen, *limits]
    pass_pytest(folder, *own, *more, store=store, timeout=1200)
    (found,) = json.loads((folder / "run.json").read_text(encoding="utf-8"))["models"]
    entry: dict[str, Any] = found
    return entry


def sensitivity(model: dict[str, Any]) -> dict[str, Any]:
    """The entries of the whole factors."""
    return {each["factor"]: each for each in model["analysis"]["sensitivity"] if "part" not in each}


def test_labels_depend_on_the_framework_and_not_on_the_compiler(tmp_path: Path, store: Path) -> None:
    model = run(tmp_path, store, f"--envrobust-env={','.join(ENVIRONMENTS)}")
    found = sensitivity(model)
    assert 0.08 < found["framework"]["labels"]["mean"] < 0.25
    assert found["compiler"]["labels"]["largest"] < 0.02
    for factor in ("framework", "compiler"):
        low, high = found[factor]["time"]["interval"]
        assert low <= found[factor]["time"]["largest"] <= high
    why = model["decompositions"]["torch"]
    left = {tuple(each["parts"]): each["flips"] for each in why["swaps"] if "by_reference" not in each}
    assert left["values",] > why["flips"]  # torch's network was trained for its own
    for each in model["analysis"]["accuracy"]:
        assert each["top1"] > 0.75
        assert each["top5"] > each["top1"]


def test_networks_that_were_trained_apart_want_their_own_preprocessing(tmp_path: Path, store: Path) -> None:
    one = run(
        tmp_path, store, f"--envrobust-env={','.join(SHARED)}", "-k", "labels", "--envrobust-preprocess-from=reference"
    )
    assert one["sources"]["torch"]["preprocess"] == one["sources"]["keras"]["preprocess"]
    assert sensitivity(one)["framework"]["labels"]["mean"] > 0.25
    right = {each["environment"]: each["top1"] for each in one["analysis"]["accuracy"]}
    assert right["torch/ort-all/cpu"] < right["keras/ort-all/cpu"]
