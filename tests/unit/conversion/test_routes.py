from __future__ import annotations

import pytest

from pytest_envrobust.conversion.base import Step
from pytest_envrobust.conversion.routes import Route, shortest
from pytest_envrobust.conversion.steps import steps
from pytest_envrobust.core.requirements import INTERPRETERS, Requirement

NEED = Requirement("numpy", "x")


def step(source: str, target: str, *, rank: int = 0, suffix: str = "", not_after: tuple[str, ...] = ()) -> Step:
    name = f"{target}_from_{source}{suffix}"
    return Step(name, source, target, "file", (NEED,), rank=rank, not_after=not_after)


def names(source: str, targets: list[str], available: list[Step], after: Step | None = None) -> tuple[str, ...] | None:
    route = shortest(source, targets, available, after=after)
    return None if route is None else route.names


def test_no_step_where_the_form_is_there_already() -> None:
    route = shortest("a", ["b", "a"], [step("a", "b")])
    assert route == Route("a")
    assert (route.target, route.names, route.requires) == ("a", (), ())


def test_fewest_steps_win_over_rank() -> None:
    available = [step("a", "b"), step("b", "c"), step("a", "c", rank=9)]
    assert names("a", ["c"], available) == ("c_from_a",)


def test_the_lower_rank_wins_among_equals() -> None:
    available = [step("a", "b", rank=1), step("a", "b", suffix="_new"), step("b", "c")]
    assert names("a", ["c"], available) == ("b_from_a_new", "c_from_b")


def test_ranks_add_up_along_the_route() -> None:
    available = [step("a", "b", rank=1), step("b", "d", rank=1), step("a", "c", rank=0), step("c", "d", rank=3)]
    assert names("a", ["d"], available) == ("b_from_a", "d_from_b")


def test_the_target_named_first_wins_then_the_name() -> None:
    available = [step("a", "b"), step("a", "c"), step("a", "c", suffix="_z")]
    assert names("a", ["c", "b"], available) == ("c_from_a",)
    assert names("a", ["b", "c"], available) == ("b_from_a",)


def test_a_step_is_never_put_behind_one_it_cannot_follow() -> None:
    available = [
        step("a", "b"),
        step("a", "b", rank=1, suffix="_legacy"),
        step("b", "c", not_after=("b_from_a",)),
    ]
    assert names("a", ["c"], available) == ("b_from_a_legacy", "c_from_b")
    assert names("a", ["c"], available[::2]) is None
    assert names("b", ["c"], available, after=available[0]) is None
    assert names("b", ["c"], available, after=available[1]) == ("c_from_b",)


def test_a_blocked_shortcut_leads_round() -> None:
    available = [step("a", "b"), step("b", "d", not_after=("b_from_a",)), step("b", "c"), step("c", "d")]
    assert names("a", ["d"], available) == ("b_from_a", "c_from_b", "d_from_c")


def test_no_route() -> None:
    assert names("a", ["c"], [step("a", "b"), step("c", "b")]) is None
    assert names("a", ["b"], []) is None


def test_circles_end() -> None:
    assert names("a", ["z"], [step("a", "b"), step("b", "a"), step("b", "c"), step("c", "b")]) is None


def test_routes_join() -> None:
    first, second = Route("a", (step("a", "b"),)), Route("b", (step("b", "c"),))
    joined = first + second
    assert (joined.source, joined.target, joined.names) == ("a", "c", ("b_from_a", "c_from_b"))
    assert joined.requires == (NEED,)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("torch", "onnx", ("onnx_from_torch",)),
        ("torch", "tvm", ("tvm_from_torch",)),
        ("torch", "openvino", ("onnx_from_torch", "openvino_from_onnx")),
        ("keras", "tvm", ("onnx_from_keras", "tvm_from_onnx")),
        ("keras", "torch", ("onnx_from_keras", "torch_from_onnx")),
        ("tflite", "onnx", ("onnx_from_tflite",)),
        ("tensorflow", "onnx", ("onnx_from_tensorflow",)),
        ("tensorflow", "tflite", ("tflite_from_tensorflow",)),
        ("torch", "tflite", ("pt2_from_torch", "tflite_from_pt2")),
        ("torch", "tensorflow", ("onnx_from_torch", "tensorflow_from_onnx")),
        ("onnx", "tflite", ("tflite_from_onnx",)),
        ("onnx", "tensorflow", ("tensorflow_from_onnx",)),
        ("tflite", "tensorflow", ("onnx_from_tflite", "tensorflow_from_onnx")),
        ("keras", "tensorflow", ("tensorflow_from_keras",)),
        ("onnx", "keras", None),
        ("torch", "keras", None),
        ("tensorflow", "keras", None),
        ("tflite", "keras", None),
    ],
)
def test_routes_of_the_real_steps(source: str, target: str, expected: tuple[str, ...] | None) -> None:
    assert names(source, [target], list(steps().values())) == expected


def test_what_onnx2torch_cannot_read_is_not_given_to_it() -> None:
    dynamo, back = steps()["onnx_from_torch"], steps()["torch_from_onnx"]
    assert shortest("onnx", ["torch"], [back], after=dynamo) is None
    assert shortest("onnx", ["torch"], [back], after=steps()["onnx_from_torch_legacy"]) is not None


def test_real_steps_are_named_for_what_they_do() -> None:
    for name, found in steps().items():
        assert found.name == name
        assert name.startswith(f"{found.target}_from_{found.source}")
        assert found.requires
        assert set(found.not_after) <= set(steps())
        assert found.interpreter in ("", *INTERPRETERS)
