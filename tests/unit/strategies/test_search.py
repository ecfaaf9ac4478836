"""The search for a disagreement, with classifiers whose boundary is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from pytest_envrobust import Disagreement, find_disagreement
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.strategies import Perturbation, batches, perturbed

GRAY = np.full((8, 8, 3), 100, dtype=np.uint8)
PICTURE = np.random.default_rng(3).integers(40, 200, (12, 16, 3)).astype(np.uint8)
WEIGHTS = np.random.default_rng(4).normal(0.4, 1.0, PICTURE.shape) / PICTURE.size


@dataclass
class Linear:
    """Two classes: which one says whether the weighted sum of an input's values exceeds a threshold."""

    threshold: float
    name: str = "onnx/ort-all/cpu"
    weights: np.ndarray | float = 1 / GRAY.size
    answer: Callable[[np.ndarray], np.ndarray] = lambda scores: scores
    model_name: str = "gray"
    asked: list[int] = field(default_factory=list)

    @property
    def environment(self) -> Environment:
        return Environment.parse(self.name)

    def predict(self, inputs: LoadedInputs | np.ndarray) -> np.ndarray:
        given: Any = inputs.images if isinstance(inputs, LoadedInputs) else inputs
        self.asked.append(len(given))
        level = np.array([np.sum(self.weights * np.asarray(each, dtype=np.float64)) for each in given])
        return self.answer(np.stack([self.threshold - level, level - self.threshold], axis=1))


def pair(reference: float, cell: float, **more: Any) -> tuple[Linear, Linear]:
    """A cell and its reference, which differ in their thresholds."""
    return Linear(cell, **more), Linear(reference, "onnx/ort-off/cpu", **more)


def probabilities(scores: np.ndarray) -> np.ndarray:
    """The scores as float32 probabilities, most of which are 1 and 0."""
    grown = np.exp(8 * (scores - scores.max(axis=1, keepdims=True)))
    return (grown / grown.sum(axis=1, keepdims=True)).astype(np.float32)


def test_the_change_is_as_small_as_it_can_be_and_what_does_nothing_is_left_out(tmp_path: Path) -> None:
    cell, reference = pair(120.0, 130.0)
    changes = perturbed(GRAY, brightness=0.5, noise=0.1, rotate=20.0, shift=3)
    found = find_disagreement(cell, reference, changes, directory=tmp_path)
    assert found is not None
    assert found.size is not None
    assert 20.0 < found.size <= 21.0  # the mean must rise by more than 20, which brightness alone does in whole numbers
    assert found.perturbation is not None
    assert found.perturbation.rotate == found.perturbation.shift == found.perturbation.shift_down == 0
    assert (found.expected, found.actual, found.model) == ((1,), (0,), "gray")
    assert found.predictions == sum(cell.asked) == sum(reference.asked) <= 200
    assert max(cell.asked) == 8  # several in a call


@pytest.mark.parametrize("answer", [lambda scores: scores, probabilities], ids=["scores", "probabilities"])
@pytest.mark.parametrize("gap", [2.0, 0.05])
def test_the_smallest_change_of_a_linear_classifier_is_found(gap: float, answer, tmp_path: Path) -> None:
    level = float(np.sum(WEIGHTS * PICTURE))
    ahead = 8.0
    cell, reference = pair(level + ahead, level + ahead + gap, weights=WEIGHTS, answer=answer)
    found = find_disagreement(cell, reference, perturbed(PICTURE, brightness=0.4, contrast=0.4), directory=tmp_path)
    # Within what brightness and contrast can do, linear algebra gives the least.
    directions = np.stack([np.ones(PICTURE.size), PICTURE.ravel() - 127.5])
    slopes, gram = directions @ WEIGHTS.ravel(), directions @ directions.T / PICTURE.size
    least = ahead / np.sqrt(slopes @ np.linalg.solve(gram, slopes))
    assert found is not None
    assert found.size is not None
    assert 0.95 * least <= found.size <= 1.1 * least  # values are rounded, which can help a little


def test_strengths_themselves_can_be_made_small(tmp_path: Path) -> None:
    changes = perturbed(GRAY, brightness=0.5, contrast=0.5)
    found = find_disagreement(*pair(120.0, 130.0), changes, minimize="strengths", directory=tmp_path)
    assert found is not None
    assert found.size == pytest.approx(20 / np.hypot(127.5, 13.75), rel=0.06)  # the values of a full share of each
    assert f"(strengths {found.size:.3g} of those allowed)" in str(found)


def test_a_picture_that_differs_as_it_is_is_told_at_once(tmp_path: Path) -> None:
    cell, reference = pair(90.0, 110.0)
    found = find_disagreement(cell, reference, perturbed(GRAY, noise=0.1, shift=3), directory=tmp_path)
    assert found is not None
    assert (found.size, found.perturbation, found.predictions) == (0.0, Perturbation(), 1)
    assert cell.asked == reference.asked == [1]
    assert str(found) == (
        "gray: onnx/ort-off/cpu gives the picture as it is label 1, onnx/ort-all/cpu 0; 1 input predicted, "
        f"saved as {found.path}"
    )


def test_a_range_that_leaves_no_change_out_begins_at_its_least(tmp_path: Path) -> None:
    changes = perturbed(GRAY, brightness=(0.05, 0.2))
    found = find_disagreement(*pair(90.0, 100.0), changes, directory=tmp_path)
    assert found is None
    found = find_disagreement(*pair(112.0, 130.0), changes, directory=tmp_path)
    assert found is not None
    assert found.perturbation == Perturbation(brightness=0.05)
    assert found.size == 13.0


def test_what_was_found_is_tried_first_the_next_time_and_only_for_its_picture(tmp_path: Path) -> None:
    both, changes = pair(120.0, 120.4), perturbed(GRAY, noise=0.2, brightness=0.2)
    first = find_disagreement(*both, changes, directory=tmp_path)
    assert first is not None
    again = find_disagreement(*both, changes, max_examples=2, directory=tmp_path)
    assert again is not None
    assert (again.perturbation, again.size, again.path) == (first.perturbation, first.size, first.path)
    assert again.predictions == 2
    other = perturbed(GRAY + 1, noise=0.2, brightness=0.2)
    assert find_disagreement(*both, other, max_examples=2, directory=tmp_path) is None


@pytest.mark.parametrize(("budget", "most"), [({"max_examples": 30}, 30), ({"max_seconds": 0.0}, 0)])
@pytest.mark.parametrize("kind", ["changes", "any"])
def test_where_nothing_is_found_it_says_so_within_its_budget(kind: str, budget, most: int, tmp_path: Path) -> None:
    cell, reference = pair(120.0, 120.0)
    strategy = perturbed(GRAY, brightness=0.2) if kind == "changes" else st.just(GRAY[None] * 1.0)
    assert find_disagreement(cell, reference, strategy, **budget, directory=tmp_path) is None
    assert sum(cell.asked) <= most
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_minimized_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="minimize='noise': it is 'rms' or 'strengths'"):
        find_disagreement(*pair(1.0, 2.0), perturbed(GRAY, noise=0.1), minimize="noise", directory=tmp_path)  # type: ignore[arg-type]


def test_any_strategy_s_search_goes_to_a_boundary_that_is_hard_to_hit(tmp_path: Path) -> None:
    strategy = st.integers(0, 2**20).map(lambda number: np.full((1, 4), number / 2**12))
    both = pair(140.8, 140.2, weights=0.25)
    found = find_disagreement(*both, strategy, max_examples=5000, directory=tmp_path)
    assert found is not None
    assert isinstance(found.inputs, np.ndarray)
    assert 140.2 <= found.inputs.mean() <= 140.8
    assert found.predictions == sum(both[0].asked)


def test_a_batch_disagrees_where_one_of_it_does(tmp_path: Path) -> None:
    array = np.repeat([[10.0], [125.0], [200.0]], 4, axis=1)
    found = find_disagreement(*pair(120.0, 130.0, weights=0.25), batches(array), directory=tmp_path)
    assert found is not None
    assert found.actual == (0,)
    assert found.path is not None
    loaded = Disagreement.load(found.path)
    np.testing.assert_array_equal(loaded.inputs, [[125.0] * 4])
    assert "gives these inputs label 1, onnx/ort-all/cpu 0" in str(found)


def test_a_nan_is_a_disagreement(tmp_path: Path) -> None:
    broken = pair(120.0, 120.0, answer=lambda scores: scores * np.nan)
    found = find_disagreement(*broken, perturbed(GRAY, noise=0.1), directory=tmp_path)
    assert found is not None
    assert (found.expected, found.actual) == ((-1,), (-1,))
    assert "label no label" in str(found)
    assert found.path is not None
    assert np.isnan(Disagreement.load(found.path).margins[0])


def test_other_class_counts_are_refused(tmp_path: Path) -> None:
    cell, reference = pair(120.0, 120.0)
    cell.answer = lambda scores: np.pad(scores, ((0, 0), (1, 0)))
    with pytest.raises(DeclarationError, match=r"shapes .* cannot be compared"):
        find_disagreement(cell, reference, perturbed(GRAY, noise=0.1), directory=tmp_path)
