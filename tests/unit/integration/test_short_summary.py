"""One line that begins with the cause of a failure."""

from __future__ import annotations

import pytest

from pytest_envrobust.checks.assertions import EnvironmentMismatch
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError, StageFailure
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.integration.short_summary import cause_first
from pytest_envrobust.models.model import Model
from pytest_envrobust.runs.cases import Case, Fault

REFERENCE, OTHER = Environment.parse("onnx/ort-off/cpu"), Environment.parse("onnx/ort-all/cpu")
CASE = Case(Model("nets/net.onnx", {"onnx": "net.onnx"}, "inputs.npy"), OTHER, REFERENCE)
CELL = "nets/net.onnx in onnx/ort-all/cpu"


def failure(thing: str, cause: str = "") -> StageFailure:
    return StageFailure(thing, stage=Stage.LOAD, status=Status.CRASHED, cause=cause)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (EnvironmentMismatch(f"{CELL}: 1 of 9 differs\n  route: a"), "1 of 9 differs"),
        (EnvironmentMismatch(f"{CELL} at batch 8: too slow, 2 ms"), "too slow, 2 ms, at batch 8"),
        (EnvironmentMismatch("scores in actual: 1 of 9 differs"), "scores in actual: 1 of 9 differs"),
        (DeclarationError("there is no model 'n'", cause="declared are a"), "there is no model 'n': declared are a"),
        (DeclarationError("model 'nets/net.onnx'", cause="no such file", remedy="make it"), "no such file"),
        (failure("the engine has no such kernel"), "the engine has no such kernel (crashed at stage load; CELL)"),
        (failure("load it", "its worker died"), "its worker died (crashed at stage load: load it; CELL)"),
        (
            failure("load /a/b c/net.onnx", "/a/b/net.onnx is cut short: see https://x.org/a/b"),
            "cut short: see https://x.org/a/b (crashed at stage load: load b c/net.onnx; CELL)",
        ),
        (
            DeclarationError("reference run '/a folder/of/run.json'", cause="it has no predictions"),
            "it has no predictions (reference run 'run.json'; CELL)",
        ),
        (
            DeclarationError(r"reference run 'C:\a folder\run.json'", cause="it has no predictions"),
            "it has no predictions (reference run 'run.json'; CELL)",
        ),
    ],
)
def test_the_cause_stands_first_and_the_cell_last(error: Exception, line: str) -> None:
    told = line.replace("CELL", CELL) if "CELL" in line else f"{line} ({CELL})"
    assert cause_first(error, CASE) == told


def test_a_fault_names_the_model_that_it_is_of() -> None:
    error = DeclarationError("no model is declared")
    assert cause_first(error, Fault("net", error)) == "no model is declared (net)"
    assert cause_first(error, Fault("", error)) == "no model is declared"
    assert [repr(Fault("net", error)), repr(Fault("", error)), repr(CASE)] == [
        "<Fault in the declaration of net>",
        "<Fault in a declaration>",
        f"<Case {CELL}>",
    ]
