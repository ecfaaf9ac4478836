"""`er.compare`: a model's environments compared without pytest, and the page's example of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pytest_envrobust as er
from pytest_envrobust.core.status import Status
from pytest_envrobust.record import codec

PAGE = Path(__file__).parents[2] / "docs" / "runs.md"


@pytest.fixture
def colors(warehouse: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> er.Model:
    """The classifier of colors as an ONNX file, and a store of the tests' own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))
    inputs = er.Arrays(np.load(warehouse / "inputs.npy"))
    return er.Model("colors", sources={"onnx": str(warehouse / "colors.onnx")}, inputs=inputs)


def test_it_returns_the_record_of_all_cells(colors: er.Model) -> None:
    record = er.compare(colors, ["onnx/ort-off/cpu", "onnx/ort-all/cpu"], checks=["labels", "finite"])
    assert [(cell.nodeid, cell.status) for cell in record.cells] == [
        ("colors::labels[onnx/ort-off/cpu]", Status.PASSED),
        ("colors::finite[onnx/ort-off/cpu]", Status.PASSED),
        ("colors::labels[onnx/ort-all/cpu]", Status.PASSED),
        ("colors::finite[onnx/ort-all/cpu]", Status.PASSED),
    ]
    assert record.compared_anything
    assert [cell.labels.agreement for cell in record.cells if cell.labels] == [1.0, 1.0]
    (model,) = record.models
    assert model.analysis is not None
    assert model.analysis.environments == ["onnx/ort-off/cpu", "onnx/ort-all/cpu"]
    assert codec.decode(codec.encode(record), "record") == record


def test_what_fails_or_cannot_run_is_an_entry(colors: er.Model, warehouse: Path) -> None:
    broken = er.Model("nan", sources={"onnx": str(warehouse / "nan.onnx")}, inputs=colors.inputs)
    record = er.compare(broken, ["onnx/ort-off/cpu", "onnx/ort-all/cuda:0"], checks=["finite"])
    failed, absent = record.cells
    assert failed.status is Status.FAILED
    assert "NaN" in (failed.reason or "")
    assert absent.status is Status.UNAVAILABLE


def test_names_that_there_cannot_be_are_refused(colors: er.Model) -> None:
    with pytest.raises(er.DeclarationError, match="did you mean 'onnx/ort-all/cpu'"):
        er.compare(colors, ["onnx/ort-al/cpu"])
    with pytest.raises(er.DeclarationError, match="there is no check 'label'"):
        er.compare(colors, ["onnx/ort-all/cpu"], checks=["label"])


def test_the_page_shows_what_runs(warehouse: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))
    monkeypatch.syspath_prepend(warehouse)
    text = PAGE.read_text(encoding="utf-8").partition("## Without pytest")[2]
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    scope: dict[str, Any] = {}
    exec(compile(block, "runs.md", "exec"), scope)
    model = er.Model("colors", sources={"torch": "nets:colors"}, inputs=er.Arrays(np.load(warehouse / "inputs.npy")))
    assert scope["flips_of"](model) == {"torch/eager/cpu": 0, "torch/script/cpu": 0}
