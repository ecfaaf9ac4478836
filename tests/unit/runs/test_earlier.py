"""An earlier run whose predictions are the reference: what it has not is named, with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.record.predictions import Predictions
from pytest_envrobust.record.schema import Model, Record, Run
from pytest_envrobust.runs.earlier import EarlierRun


def test_a_run_of_another_file_says_how_both_are_compared(tmp_path: Path) -> None:
    record = Record(schema_version=3, run=Run(), models=[Model(name="fp32.onnx")], cells=[])
    earlier = EarlierRun(tmp_path / "first.json", record, Predictions.beside(tmp_path / "first.json"))
    said = r"has no model 'int8.onnx': its models are fp32.onnx \(.*--envrobust-model FIRST --envrobust-variant OTHER\)"
    with pytest.raises(DeclarationError, match=said):
        earlier.reference(("int8.onnx",), LoadedInputs(("a",)), None)
