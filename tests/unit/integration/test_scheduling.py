from __future__ import annotations

import pytest

from pytest_envrobust.integration.scheduling import Cells, next_unit
from pytest_envrobust.planning.catalogue import Catalogue

CELLS = Cells(Catalogue())
TORCH, TVM, ORT = ("m", "torch"), ("m", "tvm"), ("m", "onnxruntime")


@pytest.mark.parametrize(
    ("nodeid", "scope", "kind"),
    [
        ("test_it.py::test_labels[m-onnx/ort-all/cpu]", "m-onnx/ort-all/cpu", ORT),
        ("test_it.py::test_time[m-onnx/ort-all/cpu]", "m-onnx/ort-all/cpu", ORT),
        ("test_it.py::Test::test_x[m-torch/eager/cpu+avx2]", "m-torch/eager/cpu+avx2", TORCH),
        ("test_it.py::test_x[m-torch/eager/cpu-0.5]", "m-torch/eager/cpu", TORCH),
        ("test_it.py::test_x[m-onnx:v2.1-x/ort-all/cpu]", "m-onnx:v2.1-x/ort-all/cpu", ORT),
        ("test_it.py::test_x[m-keras:int8-to-torch/eager/cpu]", "m-keras:int8-to-torch/eager/cpu", TORCH),
        ("test_it.py::test_x[m-keras-to-torch/eager/cpu]", "m-keras-to-torch/eager/cpu", TORCH),
        ("test_it.py::test_x[torch-torch/tvm-o3/cpu]", "torch-torch/tvm-o3/cpu", ("torch", "tvm")),
        ("test_it.py::test_x[m-1-onnx/ort-all/qemu:Haswell]", "m-1-onnx/ort-all/qemu:Haswell", ("m-1", "onnxruntime")),
        ("test_it.py::test_x[m-keras/recorded/elsewhere]", "m-keras/recorded/elsewhere", ("m", "recorded")),
        ("a.onnx::labels[onnx/openvino/cpu]", "a.onnx-onnx/openvino/cpu", ("a.onnx", "openvino")),
        ("test_it.py::test_plain", "test_it.py::test_plain", None),
        ("test_it.py::test_plain[3]", "test_it.py::test_plain[3]", None),
        ("test_it.py::test_plain[a/b/c]", "test_it.py::test_plain[a/b/c]", None),
    ],
)
def test_a_cell_is_told_from_its_node_id(nodeid: str, scope: str, kind: tuple[str, str] | None) -> None:
    assert CELLS.scope(nodeid) == scope
    assert CELLS.kind(nodeid) == kind


NOTHING: dict[str, float] = {}
WAITING = {"a": TORCH, "b": TORCH, "c": ORT, "d": TVM, "e": TVM, "f": TVM}


@pytest.mark.parametrize(
    ("mine", "others", "unit"),
    [
        ([], [], "d"),  # of the kind that most wait of
        ([TORCH], [], "a"),  # of its own, in their order
        ([ORT, TORCH], [], "a"),
        ([], [TVM], "a"),  # what nobody else has
        ([TORCH], [TORCH], "a"),
    ],
)
def test_a_process_gets_what_suits_it(mine: list[tuple[str, str]], others: list[tuple[str, str]], unit: str) -> None:
    assert next_unit(WAITING, mine, others, NOTHING) == unit


def test_where_all_is_taken_it_helps_where_most_waits_from_the_end() -> None:
    assert next_unit(WAITING, [], [TORCH, ORT, TVM], NOTHING) == "f"


@pytest.mark.parametrize(
    ("mine", "others", "unit"),
    [
        ([TVM], [TORCH], "e"),  # the longest of its own
        ([], [], "c"),  # of the kind that takes longest together
        ([], [ORT], "e"),
        ([("m", "litert")], [TORCH, ORT, TVM], "c"),
    ],
)
def test_what_took_longest_goes_first(mine: list[tuple[str, str]], others: list[tuple[str, str]], unit: str) -> None:
    seconds = {"a": 1.0, "b": 2.0, "c": 60.0, "d": 3.0, "e": 27.0, "f": 4.0}
    assert next_unit(WAITING, mine, others, seconds) == unit


def test_what_has_not_run_yet_counts_as_the_longest() -> None:
    assert next_unit(WAITING, [TVM], [], {"d": 3.0, "e": 27.0}) == "f"


def test_what_a_node_id_is_about_is_found_out_once() -> None:
    """The scheduler asks again and again, of every test that waits."""
    cells = Cells(Catalogue())
    nodeids = [f"test_other.py::test_plain[{number}]" for number in range(50)]
    assert [cells.kind(nodeid) for nodeid in nodeids * 2] == [None] * 100
    assert cells.kind("a.onnx::labels[onnx/openvino/cpu]") is cells.kind("a.onnx::labels[onnx/openvino/cpu]")
