from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_envrobust import DeclarationError, Model, RecordedPredictions


def saved(tmp_path: Path, **arrays: Any) -> Path:
    np.savez(tmp_path / "p.npz", **arrays)
    return tmp_path / "p.npz"


def test_labels_alone_have_a_score_for_nothing_but_the_label(tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", np.array([2, 0]))
    loaded = RecordedPredictions(tmp_path / "labels.npy", classes=4).load()
    assert loaded.names == ()
    assert loaded.scores.tolist() == [[-np.inf, -np.inf, 0, -np.inf], [0, -np.inf, -np.inf, -np.inf]]


def test_the_best_few_labels_keep_their_order(tmp_path: Path) -> None:
    scores = RecordedPredictions(saved(tmp_path, labels=np.array([[3, 1], [0, 2]]))).load().scores
    assert scores.shape == (2, 4)
    assert np.argsort(-scores, axis=1)[:, :2].tolist() == [[3, 1], [0, 2]]


def test_equal_scores_do_not_change_which_label_is_best(tmp_path: Path) -> None:
    file = saved(tmp_path, labels=np.array([[3, 1]]), scores=np.array([[0.5, 0.5]], dtype=np.float32))
    scores = RecordedPredictions(file).load().scores
    assert scores.argmax(axis=1).tolist() == [3]
    assert scores[0, 1] == pytest.approx(0.5)


def test_an_offset_is_taken_from_labels_and_columns(tmp_path: Path) -> None:
    file = saved(tmp_path, labels=np.array([[1, 0], [3, 2]]))
    scores = RecordedPredictions(file, label_offset=1).load().scores
    assert scores.argmax(axis=1).tolist() == [0, 2]
    assert np.isfinite(scores).sum(axis=1).tolist() == [1, 2]  # the background class is none of the model's
    np.save(tmp_path / "all.npy", np.arange(8, dtype=np.float32).reshape(2, 4))
    assert RecordedPredictions(tmp_path / "all.npy", label_offset=1).load().scores.tolist() == [[1, 2, 3], [5, 6, 7]]


def test_keys_prefix_and_names(tmp_path: Path) -> None:
    file = saved(tmp_path, **{"net/tf/labels": np.array([1, 2]), "files": np.array(["b", "a"])})
    loaded = RecordedPredictions(file, prefix="net/tf/", names="files").load()
    assert loaded.names == ("b", "a")
    assert loaded.for_inputs(("a", "b"), "it").argmax(axis=1).tolist() == [2, 1]
    with pytest.raises(DeclarationError, match="lack 1 of 2 inputs: 'c' is the first"):
        loaded.for_inputs(("a", "c"), "it")


def test_without_names_the_number_must_be_the_same(tmp_path: Path) -> None:
    loaded = RecordedPredictions(saved(tmp_path, labels=np.array([1, 2]))).load()
    assert len(loaded.for_inputs(("x", "y"), "it")) == 2
    with pytest.raises(DeclarationError, match="for 2 inputs and the model has 3"):
        loaded.for_inputs(("x", "y", "z"), "it")


@pytest.mark.parametrize("heading", ["", "input,label,score\n"])
def test_a_table(tmp_path: Path, heading: str) -> None:
    (tmp_path / "p.csv").write_text(f"{heading}a,3,0.9\na,1,0.1\nb,0,0.6\nb,1,0.4\n", encoding="utf-8")
    loaded = RecordedPredictions(tmp_path / "p.csv").load()
    assert loaded.names == ("a", "b")
    assert loaded.scores.argmax(axis=1).tolist() == [3, 0]
    assert loaded.scores[0, 3] == np.float32(0.9)


def bad_files() -> list[Any]:
    return [
        pytest.param("p.npz", {"x": np.zeros(2)}, {}, "neither labels nor scores", id="no keys"),
        pytest.param("p.npz", {"labels": np.zeros((2, 2), int), "scores": np.zeros((2, 3))}, {}, "shape", id="shapes"),
        pytest.param("p.npz", {"labels": np.array([0.5])}, {}, "dtype float64", id="float labels"),
        pytest.param("p.npz", {"labels": np.array([0]), "inputs": np.array(["a", "b"])}, {}, "2 names", id="names"),
        pytest.param("p.npz", {"labels": np.array([7])}, {"classes": 5}, "label_offset=1", id="too large"),
        pytest.param("p.npz", {"labels": np.array([-3, 1])}, {}, "the label -3", id="negative"),
        pytest.param(
            "p.npz",
            {"labels": np.array([[0, 1]]), "scores": np.array([[0.1, 0.9]])},
            {},
            "not listed with the best score first",
            id="order",
        ),
        pytest.param("p.csv", "a,1\na,2\nb,1\n", {}, "not as many labels", id="ragged"),
        pytest.param("p.csv", "a,1\nb,x\n", {}, "input,label", id="no number"),
        pytest.param("p.npy", "nothing of numpy's", {}, "cannot be read", id="no array"),
        pytest.param("p.txt", "1\n2\n", {}, r"\.npy, \.npz, \.csv can be read", id="suffix"),
    ]


@pytest.mark.parametrize(("name", "content", "options", "said"), bad_files())
def test_a_file_that_cannot_be_understood(
    tmp_path: Path, name: str, content: Any, options: dict[str, int], said: str
) -> None:
    if isinstance(content, dict):
        np.savez(tmp_path / name, **content)
    else:
        (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DeclarationError, match=said):
        RecordedPredictions(tmp_path / name, **options).load()


def test_pickles_are_left_alone(tmp_path: Path) -> None:
    file = saved(tmp_path, labels=np.array([1]), inputs=np.array([{"a": 1}], dtype=object))
    assert RecordedPredictions(file).load().names == ()


def test_a_model_of_recorded_predictions_needs_no_inputs(tmp_path: Path) -> None:
    saved(tmp_path, labels=np.array([1, 2]), inputs=np.array(["a", "b"]))
    model = Model("published", sources={"keras": RecordedPredictions("p.npz")}).resolved(tmp_path)
    model.check()
    assert model.input_set.load().names == ("a", "b")
    assert (model.native, model.recorded) == ((), ("keras",))
    with pytest.raises(DeclarationError, match="no such file"):
        Model("published", sources={"keras": RecordedPredictions("gone.npz")}).check()
    with pytest.raises(DeclarationError, match="has no inputs"):
        Model("half", sources={"keras": RecordedPredictions("p.npz"), "torch": "nets:load"})
