"""The search for an input that two environments give different labels, and the file that replays what was found."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.labels import UNDEFINED, margins, top1
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.files import written_whole
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.models.model import Model
from pytest_envrobust.strategies.installed import check_hypothesis
from pytest_envrobust.strategies.perturbation import Perturbation, PerturbedImage

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

FOLDER = "envrobust-disagreements"
_META = "disagreement"
_BROKEN = (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile)

Inputs = PerturbedImage | LoadedInputs | NDArray[Any]
"""What can be searched: pictures, or arrays that are fed as they are, shape (N, ...)."""


class Predictor(Protocol):
    """A cell, or its reference."""

    @property
    def model(self) -> Model:
        """What predicts."""

    @property
    def environment(self) -> Environment:
        """Where it predicts."""

    def predict(self, inputs: LoadedInputs | NDArray[Any]) -> NDArray[Any]:
        """Scores, (N, classes)."""


@dataclass(frozen=True, eq=False, repr=False)
class Disagreement:
    """Inputs on which two environments of a model give different labels; -1 is no label (NaN).

    ``expected`` and ``actual`` are the reference's and the cell's labels of each input, ``margins`` the reference's.
    ``inputs`` are pictures or an array that is fed as it is. ``path`` is the file that `load` reads again.
    """

    model: str
    environment: str
    reference: str
    expected: tuple[int, ...]
    actual: tuple[int, ...]
    margins: tuple[float, ...]
    inputs: LoadedInputs | NDArray[Any]
    perturbation: Perturbation | None = None
    path: Path | None = None

    @classmethod
    def load(cls, path: str | Path) -> Disagreement:
        """Read what `find_disagreement` saved. Raises `DeclarationError` where the file is none of its."""
        path = Path(path)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                meta = json.loads(arrays[_META].tobytes())
                names, changed = meta["names"], meta["perturbation"]
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
                    path=path,
                )
        except _BROKEN as error:
            raise DeclarationError(f"{str(path)!r} is no saved disagreement", cause=str(error)) from None

    def replay(self, cell: Predictor, reference: Predictor) -> Disagreement | None:
        """Predict the same inputs again; ``None`` where both agree by now."""
        return disagreement(cell, reference, self.inputs, self.perturbation)

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
        content: dict[str, Any] = {f"input_{number}": array for number, array in enumerate(arrays)}
        content[_META] = np.frombuffer(text, dtype=np.uint8)
        stream = io.BytesIO()
        np.savez_compressed(stream, **content)
        digest = hashlib.sha256(text + b"".join(array.tobytes() for array in arrays)).hexdigest()[:12]
        path = Path(folder) / f"{_plain(self.model)}-{_plain(self.environment)}-{digest}.npz"
        try:
            with written_whole(path) as file:
                file.write(stream.getvalue())
        except OSError as error:
            raise DeclarationError(f"disagreement {str(path)!r} cannot be written", cause=str(error)) from None
        return replace(self, path=path)

    def __repr__(self) -> str:
        """What was found, in words: ``assert found is None, found`` shows this."""
        what = "these inputs" if self.perturbation is None else f"the picture with {self.perturbation}"
        place = next(place for place, pair in enumerate(zip(self.expected, self.actual)) if _differs(*pair))
        said = f"{self.model}: {self.reference} gives {what} label {_label(self.expected[place])}"
        where = f", saved as {self.path}" if self.path else ""
        return f"{said}, {self.environment} {_label(self.actual[place])}{where}"


def disagreement(
    cell: Predictor, reference: Predictor, inputs: LoadedInputs | NDArray[Any], perturbation: Perturbation | None = None
) -> Disagreement | None:
    """What both predict of these inputs, where their labels differ; a NaN agrees with nothing."""
    return _compared(cell, reference, inputs, perturbation, cell.predict(inputs), reference.predict(inputs))


def find_disagreement(
    cell: Predictor,
    reference: Predictor,
    strategy: SearchStrategy[Any],
    *,
    max_examples: int = 200,
    directory: str | Path | None = None,
) -> Disagreement | None:
    """Search for inputs that a cell and its reference label differently; the smallest such perturbation that is found.

    Smallest: without any one of its changes both would agree.

    ``strategy`` gives pictures (`perturbed`), `LoadedInputs`, or arrays that are fed as they are, shape (N, ...). The
    search goes where the margins of both are small, as in targeted property-based testing (A. Löscher and K. Sagonas,
    2017), and shrinks what it finds. It stops after
    ``max_examples`` inputs without a find: ``None``, which does not show that there is none. What is found is saved in
    ``directory`` (``envrobust-disagreements``) for `Disagreement.load`, and by Hypothesis's example database, which
    tries it first the next time. Raises what `predict` raises, and `Unavailable` where Hypothesis is absent.
    """
    check_hypothesis()
    from hypothesis import HealthCheck, find, settings, target
    from hypothesis.errors import NoSuchExample

    def differs(example: Inputs) -> bool:
        inputs = example.inputs if isinstance(example, PerturbedImage) else example
        actual, expected = cell.predict(inputs), reference.predict(inputs)
        if _compared(cell, reference, inputs, None, actual, expected) is not None:
            return True
        for name, closeness in _leads(actual, expected).items():
            target(-closeness, label=name)
        return False

    budget = settings(max_examples=max_examples, deadline=None, suppress_health_check=list(HealthCheck))
    key = f"{cell.model.name} {cell.environment.id} {reference.environment.id} {strategy!r}"
    try:
        smallest = find(strategy, differs, settings=budget, database_key=key.encode())
    except NoSuchExample:
        return None
    inputs, perturbation = (
        (smallest.inputs, smallest.perturbation) if isinstance(smallest, PerturbedImage) else (smallest, None)
    )
    found = disagreement(cell, reference, inputs, perturbation)
    return None if found is None else found.save(FOLDER if directory is None else directory)


def _compared(
    cell: Predictor,
    reference: Predictor,
    inputs: LoadedInputs | NDArray[Any],
    perturbation: Perturbation | None,
    actual: NDArray[Any],
    expected: NDArray[Any],
) -> Disagreement | None:
    if actual.shape != expected.shape:
        raise DeclarationError(
            f"scores of shapes {actual.shape} in {cell.environment.id} and {expected.shape} in "
            f"{reference.environment.id} cannot be compared",
            remedy="declare the extra leading classes: Source(..., label_offset=1)",
        )
    labels = top1(expected).tolist(), top1(actual).tolist()
    if not any(map(_differs, *labels)):
        return None
    return Disagreement(
        cell.model.name,
        cell.environment.id,
        reference.environment.id,
        expected=tuple(labels[0]),
        actual=tuple(labels[1]),
        margins=tuple(margins(expected).tolist()),
        inputs=inputs,
        perturbation=perturbation,
    )


def _leads(actual: NDArray[Any], expected: NDArray[Any]) -> dict[str, float]:
    """How far the label that both give is ahead: in the reference, and in the cell, at the closest input."""
    found = {"reference's margin": margins(expected).min(), "cell's margin": margins(actual).min()}
    return {name: float(lead) for name, lead in found.items() if math.isfinite(lead)}


def _differs(expected: int, actual: int) -> bool:
    return expected != actual or expected == UNDEFINED


def _label(label: int) -> str:
    return "no label (NaN)" if label == UNDEFINED else str(label)


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._+" else "-" for letter in name)
