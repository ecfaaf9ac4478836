"""Inputs that two environments give different labels, and the file that replays them."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.labels import UNDEFINED
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.files import written_whole
from pytest_envrobust.core.wording import counted
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.strategies.perturbation import Perturbation
from pytest_envrobust.strategies.probe import Pair, Predictor, Probe

FOLDER = "envrobust-disagreements"
_META = "disagreement"
_OF_CHANGE = ("size", "minimized", "original", "predictions")
_BROKEN = (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile)

_IN_WORDS = {"rms": "rms {:.3g} of 255", "strengths": "strengths {:.3g} of those allowed"}
"""How a size is told, by what it measures."""


@dataclass(frozen=True, eq=False, repr=False)
class Disagreement:
    """Inputs on which two environments of a model give different labels; -1 is no label.

    ``expected`` and ``actual`` are the reference's and the cell's labels of each input, ``margins`` the reference's.
    ``inputs`` are pictures or an array that is fed as it is. ``path`` is the file that `load` reads again.

    Of a changed picture: ``perturbation`` has the strengths, ``size`` says how large the change is, by the measure
    that was ``minimized``, and ``original`` is the digest of the picture without it. ``predictions`` is how many inputs
    the search predicted in both environments.
    """

    model: str
    environment: str
    reference: str
    expected: tuple[int, ...]
    actual: tuple[int, ...]
    margins: tuple[float, ...]
    inputs: LoadedInputs | NDArray[Any]
    perturbation: Perturbation | None = None
    size: float | None = None
    minimized: str | None = None
    original: str | None = None
    predictions: int | None = None
    path: Path | None = None

    @classmethod
    def load(cls, path: str | Path) -> Disagreement:
        """Read what `find_disagreement` saved. Raises `DeclarationError` where the file is none of its."""
        path = Path(path)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                meta = json.loads(arrays[_META].tobytes())
                names, changed = meta["names"], meta["perturbation"]
                of_change = {name: meta.get(name) for name in _OF_CHANGE}
                found = [arrays[f"input_{number}"] for number in range(len(names or [0]))]
                return cls(
                    model=meta["model"],
                    environment=meta["environment"],
                    reference=meta["reference"],
                    expected=tuple(meta["expected"]),
                    actual=tuple(meta["actual"]),
                    margins=tuple(math.nan if margin is None else margin for margin in meta["margins"]),
                    inputs=found[0] if names is None else LoadedInputs(tuple(names), images=tuple(found)),
                    perturbation=None if changed is None else Perturbation(**changed),
                    **of_change,
                    path=path,
                )
        except _BROKEN as error:
            raise DeclarationError(f"{str(path)!r} is no saved disagreement", cause=str(error)) from None

    def replay(self, cell: Predictor, reference: Predictor) -> Disagreement | None:
        """Predict the same inputs again; ``None`` where both agree by now."""
        pair = Probe(cell, reference, len(self.inputs)).predict(self.inputs)
        found = disagreement(cell, reference, self.inputs, pair)
        of_change = {name: getattr(self, name) for name in ("perturbation", *_OF_CHANGE)}
        return None if found is None else replace(found, **of_change)

    def save(self, folder: str | Path) -> Disagreement:
        """Write it into the folder, under a name made of model, environment and content; the same with its path."""
        images = self.inputs.images if isinstance(self.inputs, LoadedInputs) else None
        arrays: list[NDArray[Any]] = [self.inputs] if images is None else list(images)  # type: ignore[list-item]
        names = list(self.inputs.names) if isinstance(self.inputs, LoadedInputs) else None
        meta = {
            "model": self.model,
            "environment": self.environment,
            "reference": self.reference,
            "expected": self.expected,
            "actual": self.actual,
            "margins": [margin if math.isfinite(margin) else None for margin in self.margins],
            "names": names,
            "perturbation": None if self.perturbation is None else asdict(self.perturbation),
        }
        text = json.dumps(meta, sort_keys=True).encode()
        digest = hashlib.sha256(text + b"".join(array.tobytes() for array in arrays)).hexdigest()[:12]
        text = json.dumps({**meta, **{name: getattr(self, name) for name in _OF_CHANGE}}, sort_keys=True).encode()
        content: dict[str, Any] = {f"input_{number}": array for number, array in enumerate(arrays)}
        content[_META] = np.frombuffer(text, dtype=np.uint8)
        stream = io.BytesIO()
        np.savez_compressed(stream, **content)
        path = Path(folder) / f"{_plain(self.model)}-{_plain(self.environment)}-{digest}.npz"
        try:
            with written_whole(path) as file:
                file.write(stream.getvalue())
        except OSError as error:
            raise DeclarationError(f"disagreement {str(path)!r} cannot be written", cause=str(error)) from None
        return replace(self, path=path)

    def __repr__(self) -> str:
        """What was found, in words: ``assert found is None, found`` shows this."""
        place = next(place for place, pair in enumerate(zip(self.expected, self.actual)) if _differs(*pair))
        said = f"{self.model}: {self.reference} gives {self._what} label {_label(self.expected[place])}"
        spent = f"; {counted(self.predictions, 'input')} predicted" if self.predictions else ""
        where = f", saved as {self.path}" if self.path else ""
        return f"{said}, {self.environment} {_label(self.actual[place])}{spent}{where}"

    @property
    def _what(self) -> str:
        if self.perturbation is None:
            return "these inputs"
        if self.perturbation == Perturbation():
            return "the picture as it is"
        size = (
            "" if self.size is None or self.minimized is None else f" ({_IN_WORDS[self.minimized].format(self.size)})"
        )
        return f"the picture with {self.perturbation}{size}"


def disagreement(
    cell: Predictor, reference: Predictor, inputs: LoadedInputs | NDArray[Any], pair: Pair
) -> Disagreement | None:
    """What both say of these inputs, where their labels differ; a NaN agrees with nothing."""
    if not any(pair.differs()):
        return None
    expected, actual = pair.labels
    return Disagreement(
        cell.model_name,
        cell.environment.id,
        reference.environment.id,
        expected=tuple(expected),
        actual=tuple(actual),
        margins=tuple(pair.margins),
        inputs=inputs,
    )


def saved_perturbations(folder: Path, cell: Predictor, reference: Predictor, original: str) -> list[Perturbation]:
    """Which changes of the picture with that digest were found earlier between these two, and saved in the folder."""
    found = []
    for path in sorted(folder.glob(f"{_plain(cell.model_name)}-{_plain(cell.environment.id)}-*.npz")):
        try:
            each = Disagreement.load(path)
        except DeclarationError:
            continue  # cut short, or another's
        if (each.original, each.reference) == (original, reference.environment.id) and each.perturbation is not None:
            found.append(each.perturbation)
    return found


def _differs(expected: int, actual: int) -> bool:
    return expected != actual or expected == UNDEFINED


def _label(label: int) -> str:
    return "no label" if label == UNDEFINED else str(label)


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._+" else "-" for letter in name)
