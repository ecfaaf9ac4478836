"""Which cells are judged at once."""

from __future__ import annotations

import numpy as np

from pytest_envrobust.core.environment import Environment
from pytest_envrobust.models.model import Model
from pytest_envrobust.record.schema import Family
from pytest_envrobust.runs.cases import Case
from pytest_envrobust.runs.families import Families

REFERENCE = "onnx/ort-off/cpu"


def model(name: str = "signs") -> Model:
    return Model(name, sources={"onnx": "signs.onnx"}, inputs=np.zeros((2, 3)))


def case(of: Model, environment: str, reference: str = REFERENCE) -> Case:
    return Case(of, Environment.parse(environment), Environment.parse(reference))


def test_a_cell_that_nobody_counted_is_alone() -> None:
    signs = model()
    assert Families().of(case(signs, "onnx/ort-all/cpu"), "labels") == Family(cells=1)
    assert Families().of(case(signs, REFERENCE), "labels") == Family(cells=0, references=1)


def test_the_cells_of_a_model_that_are_asked_one_check() -> None:
    families, signs, others = Families(), model(), model()
    for name in (REFERENCE, "onnx/ort-all/cpu", "onnx/ort-basic/cpu", "onnx/openvino/cpu"):
        families.note(case(signs, name), "labels")
    families.note(case(signs, "onnx/ort-all/cpu"), "labels")  # asked twice
    families.note(case(signs, "onnx/ort-all/cpu"), "latency")
    families.note(case(others, "onnx/ort-basic/cpu"), "labels")
    cell = case(signs, "onnx/ort-all/cpu")
    assert families.of(cell, "labels") == Family(cells=3, references=1)
    assert families.of(cell, "latency") == Family(cells=1)
    assert families.of(cell) == Family(cells=3, references=1)
    assert families.of(case(others, "onnx/ort-basic/cpu"), "labels") == Family(cells=1)


def test_a_test_with_code_may_ask_any_check() -> None:
    families, signs = Families(), model()
    families.note(case(signs, "onnx/ort-all/cpu"))
    families.note(case(signs, "onnx/openvino/cpu"))
    families.note(case(signs, "onnx/ort-basic/cpu"), "labels")
    assert families.of(case(signs, "onnx/ort-all/cpu"), "labels") == Family(cells=3)
    assert families.of(case(signs, "onnx/ort-all/cpu"), "latency") == Family(cells=2)


def test_one_environment_against_two_references_is_two_cells() -> None:
    families, signs = Families(), model()
    families.note(case(signs, "onnx/openvino/cpu"))
    families.note(case(signs, "onnx/openvino/cpu", "onnx/ort-all/cpu"))
    assert families.of(case(signs, "onnx/openvino/cpu"), "labels") == Family(cells=2)
