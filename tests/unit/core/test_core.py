from __future__ import annotations

from pathlib import Path

import pytest

from pytest_envrobust import DeclarationError, EnvrobustError, NoRoute, StageFailure, Unavailable
from pytest_envrobust.core import requirements
from pytest_envrobust.core.discovery import module_names
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.requirements import Requirement
from pytest_envrobust.core.status import GRAVITY, Stage, Status, gravity
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.core.timing import Timing


def test_an_environment_is_read_and_written() -> None:
    environment = Environment.parse("torch/inductor/cpu+avx2")
    assert environment == Environment("torch", "inductor", "cpu+avx2")
    assert environment.id == str(environment) == "torch/inductor/cpu+avx2"
    assert not environment.is_converted
    assert environment.source_framework == environment.definition == "torch"


def test_a_device_may_hold_slashes() -> None:
    assert Environment.parse("torch/eager/ssh/board").device == "ssh/board"


def test_a_converted_framework_has_a_source_and_a_definition() -> None:
    environment = Environment.parse("keras-to-torch/eager/cpu")
    assert environment.is_converted
    assert (environment.source_framework, environment.definition) == ("keras", "torch")


@pytest.mark.parametrize("text", ["", "torch", "torch/eager", "torch//cpu", "/eager/cpu", "torch/eager/"])
def test_what_is_not_an_environment(text: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        Environment.parse(text)
    assert repr(text) in caught.value.headline
    assert "torch/eager/cpu" in caught.value.remedy


def test_environments_are_ordered_and_hashable() -> None:
    first, second = Environment("a", "b", "c"), Environment("a", "b", "d")
    assert sorted([second, first]) == [first, second]
    assert len({first, Environment("a", "b", "c")}) == 1


def test_a_spec_says_what_it_takes() -> None:
    spec = TensorSpec((None, 3, 32, None), "float32", "x")
    assert str(spec) == "float32[?, 3, 32, ?]"
    assert spec.batch == 1
    assert spec.with_batch(4) == TensorSpec((4, 3, 32, None), "float32", "x")
    assert spec.with_batch(4).batch == 4
    assert spec.accepts((9, 3, 32, 7), "float32")
    assert not spec.accepts((9, 3, 31, 7), "float32")
    assert not spec.accepts((9, 3, 32, 7), "uint8")
    assert not spec.accepts((3, 32, 7), "float32")


def test_the_batch_is_no_matter_of_acceptance() -> None:
    assert TensorSpec((4, 3)).accepts((7, 3), "float32")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (EnvrobustError("thing"), "thing"),
        (EnvrobustError("thing", cause="cause"), "thing: cause"),
        (EnvrobustError("thing", remedy="do this"), "thing (do this)"),
        (DeclarationError("thing", cause="cause", remedy="do this"), "thing: cause (do this)"),
    ],
)
def test_errors_say_thing_cause_and_remedy(error: EnvrobustError, text: str) -> None:
    assert str(error) == error.headline == text


def test_a_stage_failure_tells_stage_status_and_detail() -> None:
    failure = StageFailure(
        "load it", stage=Stage.LOAD, status=Status.CRASHED, cause="why", remedy="what to do", detail="one\ntwo\n"
    )
    assert failure.headline == "crashed at stage load: load it: why (what to do)"
    assert str(failure) == f"{failure.headline}\n    one\n    two"
    other = failure.about("signs")
    assert other.thing == "signs: load it"
    assert (other.stage, other.status, other.cause, other.remedy, other.detail) == (
        failure.stage,
        failure.status,
        failure.cause,
        failure.remedy,
        failure.detail,
    )


@pytest.mark.parametrize("kind", [DeclarationError, Unavailable, NoRoute, StageFailure])
def test_errors_are_named_by_where_users_import_them_from(kind: type[EnvrobustError]) -> None:
    assert issubclass(kind, EnvrobustError)
    assert kind.__module__ == "pytest_envrobust"


def test_requirements_name_an_extra_that_exists() -> None:
    pyproject = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    every = [value for value in vars(requirements).values() if isinstance(value, Requirement)]
    found = [requirement for requirement in every if requirement.extra]
    elsewhere = {item for each in requirements.INTERPRETERS.values() for item in each.requires}
    assert set(every) - set(found) <= elsewhere  # no extra of ours installs what stands in an interpreter of its own
    assert found
    for requirement in found:
        assert f"\n{requirement.extra} = [" in pyproject
        assert requirement.remedy == f"pip install pytest-envrobust[{requirement.extra}]"
        assert requirement.candidates


def test_a_requirement_without_distributions_is_its_module() -> None:
    assert Requirement("torch", "torch").candidates == ("torch",)
    assert Requirement("tvm", "tvm", ("apache-tvm",)).candidates == ("apache-tvm",)


def test_modules_are_found_by_file_name(tmp_path: Path) -> None:
    for name in ("beta", "alpha", "_private", "base"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('imported')\n")
    assert list(module_names([str(tmp_path)])) == ["alpha", "beta"]
    assert list(module_names([str(tmp_path)], skip=("alpha",))) == ["base", "beta"]


def test_timing_gives_medians_in_milliseconds() -> None:
    timing = Timing.of([1_000_000, 5_000_000, 3_000_000], [2_000_000, 2_000_000, 9_000_000])
    assert (timing.calls, timing.median_wall_ms, timing.median_cpu_ms) == (3, 3.0, 2.0)
    assert timing.wall_ns == (1_000_000, 5_000_000, 3_000_000)


def test_statuses_have_one_place_each_in_the_order_of_gravity() -> None:
    assert sorted(GRAVITY) == sorted(Status)
    assert min(Status, key=gravity) is Status.BROKEN
    assert max(Status, key=gravity) is Status.PASSED
    assert gravity(Status.FAILED) < gravity(Status.INCONCLUSIVE) < gravity(Status.UNAVAILABLE)
