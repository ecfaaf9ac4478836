"""What was found: saved, read again, replayed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_envrobust import Disagreement, find_disagreement
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.strategies import perturbed


@dataclass
class Brightness:
    """Calls a picture bright where its mean exceeds a threshold."""

    threshold: float
    name: str = "onnx/ort-all/cpu"
    model_name: str = "gray (left/conftest.py)"

    @property
    def environment(self) -> Environment:
        return Environment.parse(self.name)

    def predict(self, inputs: LoadedInputs | np.ndarray) -> np.ndarray:
        given: Any = inputs.images if isinstance(inputs, LoadedInputs) else inputs
        level = np.array([np.mean(each, dtype=np.float64) for each in given])
        return np.stack([self.threshold - level, level - self.threshold], axis=1)


CELL, REFERENCE = Brightness(130.0), Brightness(120.0, "onnx/ort-off/cpu")


def test_it_is_named_saved_read_and_replayed(tmp_path: Path) -> None:
    picture = np.full((8, 8, 3), 100, dtype=np.uint8)
    found = find_disagreement(CELL, REFERENCE, perturbed(picture, brightness=0.5), directory=tmp_path)
    assert found is not None
    assert found.path is not None
    assert found.path.name.startswith("gray--left-conftest.py--onnx-ort-all-cpu-")
    assert str(found) == (
        f"gray (left/conftest.py): onnx/ort-off/cpu gives the picture with {found.perturbation} (rms 21 of 255) label "
        f"1, onnx/ort-all/cpu 0; {found.predictions} inputs predicted, saved as {found.path}"
    )

    loaded = Disagreement.load(found.path)
    assert str(loaded) == str(found)
    assert (loaded.expected, loaded.actual, loaded.margins) == (found.expected, found.actual, found.margins)
    again = loaded.replay(CELL, REFERENCE)
    assert again is not None
    assert (again.margins, again.perturbation, again.size) == (found.margins, found.perturbation, 21.0)
    assert loaded.replay(Brightness(120.0), REFERENCE) is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", None])
def test_what_is_no_disagreement_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other.npz"
    if content is None:
        np.savez(path, x=np.zeros(3))
    else:
        path.write_bytes(content)
    with pytest.raises(DeclarationError, match="is no saved disagreement"):
        Disagreement.load(path)
