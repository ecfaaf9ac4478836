"""Predictions that somebody recorded elsewhere, as a model's source: published tables, another tool's output."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.models.inputs import Inputs, LoadedInputs
from pytest_envrobust.models.truth import TruthSource, check_truth, resolved_truth


@dataclass(frozen=True, eq=False)
class RecordedPredictions:
    """Predictions in a file: labels only, the best few labels with or without their scores, or all scores.

    ``path`` is

    - a ``.npy`` file: integers of shape (N,) or (N, k) are labels, best first; floats of shape (N, classes) scores;
    - a ``.npz`` file with ``labels``, ``scores`` or both (then of the same shape (N, k)), and possibly ``inputs``, the
      inputs' names. ``prefix`` stands before these keys (``"MobileNetV2/keras/"``), and ``names`` is another key for
      the names;
    - a ``.csv`` file of lines ``input,label`` or ``input,label,score``, best first where an input has several.

    ``label_offset`` is how many leading classes these predictions have that the model has not (1 for the background
    class of 1001-class models): it is taken from every label. ``classes`` is the number of the model's classes; by
    default the largest label that occurs, and one.
    """

    path: str | Path
    prefix: str = ""
    names: str = "inputs"
    label_offset: int = 0
    classes: int | None = None

    def resolved(self, base: Path) -> RecordedPredictions:
        """The same with a relative path taken from ``base``."""
        return replace(self, path=base / self.path)

    def check(self) -> None:
        """Raise `DeclarationError` where the file is not there or of no kind that can be read."""
        if not Path(self.path).is_file():
            raise DeclarationError(f"recorded predictions {str(self.path)!r}", cause="there is no such file")
        if Path(self.path).suffix not in _READERS:
            raise DeclarationError(
                f"recorded predictions {str(self.path)!r}", cause=f"{', '.join(_READERS)} can be read"
            )

    def load(self) -> LoadedPredictions:
        """Read them. Raises `DeclarationError` where they cannot be understood."""
        self.check()
        table = _READERS[Path(self.path).suffix](self)
        return LoadedPredictions(table.names, _scores(table, self))


@dataclass(frozen=True)
class LoadedPredictions:
    """Scores of shape (N, classes), -inf where none was recorded, and the inputs' names where there are any."""

    names: tuple[str, ...]
    scores: NDArray[np.float32]

    def widened(self, classes: int) -> LoadedPredictions:
        """The same for so many classes: those that never occurred in these predictions have no score."""
        lacking = max(0, classes - self.scores.shape[1])
        padded = np.pad(self.scores, ((0, 0), (0, lacking)), constant_values=-np.inf)
        return replace(self, scores=padded)

    def for_inputs(self, names: Sequence[str], origin: str) -> NDArray[np.float32]:
        """The rows for inputs of these names, in their order; all rows where they were recorded without names.

        Raises `DeclarationError` where one is missing or, without names, the numbers differ.
        """
        if not self.names:
            if len(names) != len(self.scores):
                raise DeclarationError(
                    f"recorded predictions {origin!r} are for {len(self.scores)} inputs and the model has {len(names)}",
                    cause="they were recorded without the inputs' names",
                )
            return self.scores
        rows = {name: row for row, name in enumerate(self.names)}
        missing = [name for name in names if name not in rows]
        if missing:
            raise DeclarationError(
                f"recorded predictions {origin!r} lack {len(missing)} of {len(names)} inputs",
                cause=f"{missing[0]!r} is the first",
            )
        return self.scores[[rows[name] for name in names]]


@dataclass(frozen=True, eq=False)
class RecordedInputs(Inputs):
    """The inputs of recorded predictions, known by name only. ``truth`` is as for `ImageFolder`."""

    predictions: RecordedPredictions
    preprocess: None = None
    truth: TruthSource | None = None

    def resolved(self, base: Path) -> RecordedInputs:
        """The same with relative paths taken from ``base``."""
        return replace(self, predictions=self.predictions.resolved(base), truth=resolved_truth(self.truth, base))

    def check(self) -> None:
        """Raise `DeclarationError` where the file is not there."""
        self.predictions.check()
        check_truth(self.truth)

    def load(self) -> LoadedInputs:
        """The names or, where there are none, numbers from 0 on."""
        found = self.predictions.load()
        return LoadedInputs(found.names or tuple(str(row) for row in range(len(found.scores))))


@dataclass(frozen=True)
class _Table:
    names: tuple[str, ...]
    labels: NDArray[np.int64] | None = None
    scores: NDArray[np.float32] | None = None


def _scores(table: _Table, declared: RecordedPredictions) -> NDArray[np.float32]:
    """All that was recorded as scores of shape (N, classes), label offsets removed."""
    offset = declared.label_offset
    if table.labels is None:
        assert table.scores is not None
        if not 0 <= offset < table.scores.shape[1]:
            raise DeclarationError(f"label_offset={offset} leaves no class of {table.scores.shape[1]}")
        return table.scores[:, offset:]
    labels = table.labels - offset
    if labels.min() < -offset or labels.max() < 0:
        raise DeclarationError(
            f"recorded predictions {str(declared.path)!r} have the label {int(table.labels.min())}",
            cause="a label is the number of a class, from 0 on",
        )
    classes = declared.classes or int(labels.max()) + 1
    if labels.max() >= classes:
        raise DeclarationError(
            f"recorded predictions {str(declared.path)!r} have the label {int(labels.max())}",
            cause=f"the model has {classes} classes",
            remedy="declare the extra leading classes: label_offset=1",
        )
    # A label's rank is all that is known without a score: the best has 0, the next -1.
    ranks = np.broadcast_to(-np.arange(labels.shape[1], dtype=np.float32), labels.shape)
    values = ranks if table.scores is None else _strictly_falling(table.scores, declared)
    scores = np.full((len(labels), classes), -np.inf, dtype=np.float32)
    rows, columns = np.nonzero(labels >= 0)  # the background class is none of the model's
    scores[rows, labels[rows, columns]] = values[rows, columns]
    return scores


def _strictly_falling(scores: NDArray[np.float32], declared: RecordedPredictions) -> NDArray[np.float32]:
    """Scores of labels that are listed best first, equal ones set apart by a bit: the list says which is better."""
    falling = scores.copy()
    for rank in range(1, scores.shape[1]):
        if (scores[:, rank] > scores[:, rank - 1]).any():
            raise _unreadable(declared, "its labels are not listed with the best score first")
        below = np.nextafter(falling[:, rank - 1], np.float32(-np.inf))
        falling[:, rank] = np.minimum(falling[:, rank], below)
    return falling


def _read_npy(declared: RecordedPredictions) -> _Table:
    found = _numpy(declared)
    if not isinstance(found, np.ndarray):
        raise _unreadable(declared, "it is no array")
    if found.dtype.kind in "iu":
        return _Table((), labels=_as_labels(found, declared))
    return _Table((), scores=_as_scores(found, declared))


def _read_npz(declared: RecordedPredictions) -> _Table:
    found = _numpy(declared)
    keys = {name: f"{declared.prefix}{name}" for name in ("labels", "scores")}
    labels = _as_labels(found[keys["labels"]], declared) if keys["labels"] in found else None
    scores = _as_scores(found[keys["scores"]], declared) if keys["scores"] in found else None
    if labels is None and scores is None:
        raise _unreadable(declared, f"it has neither {keys['labels']} nor {keys['scores']}, but {', '.join(found)}")
    if labels is not None and scores is not None and labels.shape != scores.shape:
        raise _unreadable(declared, f"its labels have the shape {labels.shape} and its scores {scores.shape}")
    key = next((key for key in (f"{declared.prefix}{declared.names}", declared.names) if key in found), None)
    names = tuple(str(name) for name in found[key]) if key is not None else ()
    rows = len(labels if labels is not None else scores if scores is not None else ())
    if names and len(names) != rows:
        raise _unreadable(declared, f"it has {len(names)} names for {rows} inputs")
    return _Table(names, labels, scores)


def _read_csv(declared: RecordedPredictions) -> _Table:
    try:
        with Path(declared.path).open(encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.reader(stream) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(declared, str(error)) from None
    if (rows and not rows[0][1:2]) or (rows and not rows[0][1].strip().lstrip("-").isdecimal()):
        rows = rows[1:]  # a heading
    by_input: dict[str, list[list[str]]] = {}
    for row in rows:
        by_input.setdefault(row[0], []).append(row[1:])
    counts = {len(found) for found in by_input.values()}
    if len(counts) != 1:
        raise _unreadable(declared, "it has no lines, or not as many labels for each input")
    try:
        labels = np.array([[int(cells[0]) for cells in found] for found in by_input.values()])
        scored = all(len(cells) > 1 for found in by_input.values() for cells in found)
        values = [[float(cells[1]) for cells in found] for found in by_input.values()] if scored else None
    except (ValueError, IndexError) as error:
        raise _unreadable(declared, f"lines are input,label or input,label,score: {error}") from None
    return _Table(tuple(by_input), labels, None if values is None else np.array(values, dtype=np.float32))


_READERS = {".npy": _read_npy, ".npz": _read_npz, ".csv": _read_csv}


def _numpy(declared: RecordedPredictions) -> Any:
    """The file's array or, of an ``.npz``, its arrays by name."""
    try:
        with Path(declared.path).open("rb") as stream:
            found = np.load(stream, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return found
            return _without_pickles(found)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise _unreadable(declared, str(error)) from None


def _without_pickles(archive: Any) -> Mapping[str, NDArray[Any]]:
    """Arrays by name; those of objects are left out, unread."""
    found = {}
    for name in archive.files:
        try:
            found[name] = archive[name]
        except ValueError as error:
            if "allow_pickle" not in str(error):
                raise
    return found


def _as_labels(array: NDArray[Any], declared: RecordedPredictions) -> NDArray[np.int64]:
    labels = array[:, None] if array.ndim == 1 else array
    if labels.ndim != 2 or not labels.size or labels.dtype.kind not in "iu":
        raise _unreadable(declared, f"its labels have the shape {array.shape} and dtype {array.dtype}")
    return labels.astype(np.int64)


def _as_scores(array: NDArray[Any], declared: RecordedPredictions) -> NDArray[np.float32]:
    if array.ndim != 2 or not array.size or array.dtype.kind not in "fiu":
        raise _unreadable(declared, f"its scores have the shape {array.shape} and dtype {array.dtype}")
    return array.astype(np.float32)


def _unreadable(declared: RecordedPredictions, cause: str) -> DeclarationError:
    return DeclarationError(
        f"recorded predictions {str(declared.path)!r} cannot be read",
        cause=cause,
        remedy="labels (N,) or (N, k) and scores (N, k) or (N, classes) are needed",
    )
