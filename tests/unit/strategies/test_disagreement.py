"""The search for a disagreement, with classifiers whose boundary is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from pytest_envrobust import Disagreement, find_disagreement
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.models.inputs import Arrays, LoadedInputs
from pytest_envrobust.models.model import Model
from pytest_envrobust.strategies import batches, perturbed
from pytest_envrobust.strategies.disagreement import disagreement

GRAY = np.full((8, 8, 3), 100, dtype=np.uint8)
MODEL = Model("gray", sources={"onnx": "gray.onnx"}, inputs=Arrays(np.zeros((1, 1))))


@dataclass
class Brightness:
    """Calls an input bright where its mean exceeds a threshold; scores grow evenly with the mean."""

    threshold: float
    name: str = "onnx/ort-all/cpu"
    model: Model = MODEL
    calls: int = 0

    @property
    def environment(self) -> Environment:
        return Environment.parse(self.name)

    def predict(self, inputs: LoadedInputs | np.ndarray) -> np.ndarray:
        self.calls += 1
        given: Any = inputs.images if isinstance(inputs, LoadedInputs) else inputs
        level = np.array([np.mean(each, dtype=np.float64) for each in given])
        return np.stack([self.threshold - level, level - self.threshold], axis=1)


CELL, REFERENCE = Brightness(130.0), Brightness(120.0, "onnx/ort-off/cpu")


def test_a_perturbation_that_needs_each_of_its_changes_is_found_saved_and_replayed(tmp_path: Path) -> None:
    strategy = perturbed(GRAY, brightness=0.5, noise=0.1, rotate=20.0, jpeg=50)
    found = find_disagreement(CELL, REFERENCE, strategy, max_examples=1000, directory=tmp_path)
    assert found is not None
    assert found.perturbation is not None
    assert 15 / 255 < found.perturbation.brightness < 30 / 255
    for change in ("brightness", "noise", "rotate", "jpeg"):
        less = replace(found.perturbation, **{change: 0})
        inputs = LoadedInputs(("less",), images=(less.apply(GRAY),))
        assert less == found.perturbation or disagreement(CELL, REFERENCE, inputs) is None, change
    assert (found.expected, found.actual) == ((1,), (0,))
    assert found.path is not None
    assert found.path.name.startswith("gray-onnx-ort-all-cpu-")
    assert str(found) == (
        f"gray: onnx/ort-off/cpu gives the picture with {found.perturbation} label 1, onnx/ort-all/cpu 0, "
        f"saved as {found.path}"
    )

    loaded = Disagreement.load(found.path)
    assert (loaded.expected, loaded.actual, loaded.margins) == (found.expected, found.actual, found.margins)
    assert (loaded.perturbation, loaded.environment) == (found.perturbation, "onnx/ort-all/cpu")
    again = loaded.replay(CELL, REFERENCE)
    assert again is not None
    assert again.margins == found.margins
    assert loaded.replay(Brightness(120.0), REFERENCE) is None


def test_the_search_goes_to_a_boundary_that_is_hard_to_hit(tmp_path: Path) -> None:
    narrow = Brightness(140.2), Brightness(140.8, "onnx/ort-off/cpu")
    strategy = st.integers(0, 2**20).map(lambda number: np.full((1, 4), number / 2**12))
    found = find_disagreement(*narrow, strategy, max_examples=5000, directory=tmp_path)
    assert found is not None
    assert isinstance(found.inputs, np.ndarray)
    assert 140.2 <= found.inputs.mean() <= 140.8


def test_where_there_is_none_it_says_so_within_its_budget(tmp_path: Path) -> None:
    cell = Brightness(120.0)
    assert find_disagreement(cell, REFERENCE, perturbed(GRAY, noise=0.1), max_examples=30, directory=tmp_path) is None
    assert 1 <= cell.calls <= 40
    assert list(tmp_path.iterdir()) == []


def test_a_batch_disagrees_where_one_of_it_does(tmp_path: Path) -> None:
    array = np.repeat([[10.0], [125.0], [200.0]], 4, axis=1)
    found = find_disagreement(CELL, REFERENCE, batches(array), directory=tmp_path)
    assert found is not None
    assert found.actual == (0,)
    assert found.path is not None
    loaded = Disagreement.load(found.path)
    np.testing.assert_array_equal(loaded.inputs, [[125.0] * 4])
    assert "gives these inputs label 1, onnx/ort-all/cpu 0" in str(found)


def test_a_nan_is_a_disagreement(tmp_path: Path) -> None:
    class Broken(Brightness):
        def predict(self, inputs: LoadedInputs | np.ndarray) -> np.ndarray:
            return super().predict(inputs) * np.nan

    both = Broken(120.0), Broken(120.0, "onnx/ort-off/cpu")
    found = find_disagreement(*both, perturbed(GRAY, noise=0.1), directory=tmp_path)
    assert found is not None
    assert (found.expected, found.actual) == ((-1,), (-1,))
    assert "label no label (NaN)" in str(found)
    assert found.path is not None
    assert np.isnan(Disagreement.load(found.path).margins[0])


def test_other_class_counts_are_refused(tmp_path: Path) -> None:
    class Three(Brightness):
        def predict(self, inputs: LoadedInputs | np.ndarray) -> np.ndarray:
            return np.pad(super().predict(inputs), ((0, 0), (1, 0)))

    with pytest.raises(DeclarationError, match=r"shapes .* cannot be compared"):
        find_disagreement(Three(120.0), REFERENCE, perturbed(GRAY, noise=0.1), directory=tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", None])
def test_what_is_no_disagreement_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other.npz"
    if content is None:
        np.savez(path, x=np.zeros(3))
    else:
        path.write_bytes(content)
    with pytest.raises(DeclarationError, match="is no saved disagreement"):
        Disagreement.load(path)
