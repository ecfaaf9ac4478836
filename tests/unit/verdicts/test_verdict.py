"""What all verdicts share: the subject, the lines that end a message, and which of several is the gravest."""

from __future__ import annotations

from pytest_envrobust.core.status import Status
from pytest_envrobust.verdicts.verdict import Subject, Verdict, closing_lines, gravest


def test_a_subject_is_named_by_model_and_environment() -> None:
    assert str(Subject("signs", "onnx/ort-all/cpu", "torch/eager/cpu", ("a",), "pytest")) == "signs in onnx/ort-all/cpu"


def test_a_message_ends_with_the_route_and_how_to_run_it_again() -> None:
    subject = Subject("signs", "torch/tvm-o3/cpu", "torch/eager/cpu", ("onnx_from_torch", "tvm_from_onnx"), "pytest x")
    assert closing_lines(subject) == [
        "  route: onnx_from_torch -> tvm_from_onnx",
        "  to run this cell alone: pytest x",
    ]


def test_where_nothing_is_converted_and_nobody_knows_how_to_run_it_again() -> None:
    assert closing_lines(Subject("signs", "torch/eager/cpu", "torch/eager/cpu")) == [
        "  route: no conversion, the source is loaded as it is"
    ]


def test_the_gravest_verdict_is_the_first_of_its_kind() -> None:
    passed, unsure, failed = (Verdict(each, "") for each in (Status.PASSED, Status.INCONCLUSIVE, Status.FAILED))
    again = Verdict(Status.FAILED, "later")
    assert gravest(iter([passed, unsure, failed, again])) is failed
    assert gravest([passed, unsure]) is unsure
    assert gravest([passed]) is passed
    assert gravest([]) is None
