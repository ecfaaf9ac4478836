from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pytest_envrobust import DeclarationError, NoRoute, Unavailable
from pytest_envrobust.backends import base, engines
from pytest_envrobust.conversion.base import Step
from pytest_envrobust.core.devices import DEVICES, EMULATED_PREFIX
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.requirements import Requirement
from pytest_envrobust.environments.availability import accelerator_absence
from pytest_envrobust.environments.interpreters import GivenInterpreter
from pytest_envrobust.environments.machine import this_machine
from pytest_envrobust.environments.places import EMULATED, RPC, Board, Place, board
from pytest_envrobust.frameworks import frameworks
from pytest_envrobust.planning.catalogue import Catalogue

HERE = Requirement("numpy", "numbers")
GONE = Requirement("a_module_that_is_not_there", "gone")
ALSO_GONE = Requirement("another_that_is_not_there", "also-gone")


class Plain(base.Backend):
    """An engine without a library."""

    engine = "plain"
    requires = (HERE,)
    compilers = (
        base.Compiler("eager", "", ("torch",), ("torch",), default=True),
        base.Compiler("fast", "", ("onnx",), default=True),
        base.Compiler("faster", "", ("onnx",)),
        base.Compiler("tuned", "", ("onnx",), named_only=True),
    )
    devices: Any = {  # noqa: RUF012
        "cpu": base.DeviceSupport(),
        "cpu+avx2": base.DeviceSupport({"LIMIT": "AVX2"}, absent={"faster": "it needs AVX-512"}),
        "cuda:0": base.DeviceSupport(options={"tf32": False}),
    }
    no_ceiling = "it has none"

    def start(self, device: str, threads: int, options: Mapping[str, base.Option]) -> None:
        raise NotImplementedError

    def load(self, job: base.Job) -> base.Session:
        raise NotImplementedError


class Lacking(Plain):
    engine = "lacking"
    requires = (GONE,)
    compilers = (base.Compiler("other", "", ("onnx",), requires=(ALSO_GONE,)),)
    devices: Any = {"cpu": base.DeviceSupport()}  # noqa: RUF012


OFFERED = [device for device in DEVICES if device.startswith("cpu") or device in Plain.devices]
"""Ceilings that it lacks are among them, accelerators are not."""


def step(source: str, target: str, requires: Requirement = HERE, rank: int = 0, suffix: str = "") -> Step:
    return Step(f"{target}_from_{source}{suffix}", source, target, "f", (requires,), rank=rank)


def catalogue(*conversions: Step, given: str = "", places: Sequence[Place] = ()) -> Catalogue:
    by_name = {each.name: each for each in conversions}
    interpreters = {given: GivenInterpreter(given, "/python", "3.12", {})} if given else {}
    elsewhere = {place.name: place for place in places}
    return Catalogue({"plain": Plain(), "lacking": Lacking()}, None, by_name, interpreters, elsewhere)


def ids(found: tuple[Environment, ...]) -> list[str]:
    return [each.id for each in found]


def test_environments_follow_from_sources_steps_and_devices() -> None:
    made = catalogue(step("torch", "onnx"))
    found = ids(made.environments(["torch"]))
    assert found[0] == "torch/eager/cpu"
    assert {name.split("/")[1] for name in found} == {"eager", "fast", "faster", "tuned", "other"}
    assert "torch/fast/cuda:0" in found
    assert "torch/other/cuda:0" not in found
    assert "torch/other/cpu+sse41" in found  # a ceiling the engine lacks is shown as unavailable
    assert ids(catalogue().environments(["torch"])) == [f"torch/eager/{device}" for device in OFFERED]
    assert made.environments(["keras"]) == ()


def test_defaults_are_the_engines_own_levels_on_the_cpu() -> None:
    assert ids(catalogue(step("torch", "onnx")).defaults(["torch", "onnx"])) == [
        "torch/eager/cpu",
        "torch/fast/cpu",
        "onnx/fast/cpu",
    ]


def test_named_only_compilers_are_known() -> None:
    assert catalogue().named_only == {"tuned"}


def test_converted_frameworks_run_under_their_own_executors_only() -> None:
    made = catalogue(step("keras", "onnx"), step("onnx", "torch"))
    found = {name for name in ids(made.environments(["keras"])) if "-to-" in name and name.endswith("/cpu")}
    assert found == {"keras-to-torch/eager/cpu"}
    plan = made.plan(Environment.parse("keras-to-torch/eager/cpu"), ["keras"])
    assert plan.route.names == ("onnx_from_keras", "torch_from_onnx")
    assert plan.way == ("keras", "onnx_from_keras", "torch_from_onnx", "eager")


def test_no_route_says_from_what_to_what() -> None:
    with pytest.raises(NoRoute) as caught:
        catalogue().plan(Environment.parse("torch/fast/cpu"), ["torch", "keras"])
    assert "torch/fast/cpu" in caught.value.thing
    assert "torch or keras" in caught.value.cause
    assert "onnx" in caught.value.cause


def test_a_source_that_the_model_lacks_has_no_route() -> None:
    with pytest.raises(NoRoute):
        catalogue(step("torch", "onnx")).plan(Environment.parse("torch/fast/cpu"), ["keras"])


@pytest.mark.parametrize("text", ["torch/nonsense/cpu", "keras/eager/cpu"])
def test_a_compiler_that_no_engine_has(text: str) -> None:
    with pytest.raises(DeclarationError, match="is not an environment"):
        catalogue(step("keras", "onnx")).plan(Environment.parse(text), ["keras", "torch"])


def test_routes_whose_packages_are_here_are_preferred() -> None:
    made = catalogue(
        step("onnx", "onnx2", GONE), step("torch", "onnx", GONE), step("torch", "onnx", rank=5, suffix="_legacy")
    )
    plan = made.plan(Environment.parse("torch/fast/cpu"), ["torch"])
    assert plan.route.names == ("onnx_from_torch_legacy",)


def test_a_missing_package_of_a_step_makes_the_cell_unavailable() -> None:
    plan = catalogue(step("onnx", "torch", GONE)).plan(Environment.parse("onnx-to-torch/eager/cpu"), ["onnx"])
    assert plan.absent is not None
    assert plan.absent.headline == (
        "a_module_that_is_not_there is not installed (pip install 'pytest-envrobust[gone]')"
    )


def alone(made: Step, name: str = "onnx2tf") -> Step:
    """The step in an interpreter of its own."""
    return replace(made, interpreter=name)


def test_an_interpreter_that_was_not_given_makes_the_cell_unavailable() -> None:
    environment = Environment.parse("torch/fast/cpu")
    absent = catalogue(alone(step("torch", "onnx"))).plan(environment, ["torch"]).absent
    assert absent is not None
    assert absent.thing == "onnx_from_torch needs an interpreter of its own, onnx2tf"
    assert "onnx2tf/bin/pip install" in absent.remedy
    assert "--envrobust-interpreter onnx2tf=" in absent.remedy
    given = catalogue(alone(step("torch", "onnx")), given="onnx2tf").plan(environment, ["torch"])
    assert given.absent is None
    assert given.interpreters["onnx2tf"].python == "/python"
    other = catalogue(alone(step("torch", "onnx")), given="litert-torch").plan(environment, ["torch"])
    assert other.absent is not None


def test_a_step_whose_interpreter_was_not_given_counts_as_not_installed() -> None:
    steps_ = (alone(step("torch", "onnx")), step("torch", "middle"), step("middle", "onnx"))
    environment = Environment.parse("torch/fast/cpu")
    plan = catalogue(*steps_).plan(environment, ["torch"])
    assert (plan.route.names, plan.absent) == (("middle_from_torch", "onnx_from_middle"), None)
    assert catalogue(*steps_, given="onnx2tf").plan(environment, ["torch"]).route.names == ("onnx_from_torch",)


def test_what_needs_an_interpreter_is_a_default_once_that_is_given() -> None:
    made = alone(step("torch", "onnx"))
    assert ids(catalogue(made).defaults(["torch"])) == ["torch/eager/cpu"]
    assert "torch/fast/cpu" in ids(catalogue(made).environments(["torch"]))
    assert ids(catalogue(made, given="onnx2tf").defaults(["torch"])) == ["torch/eager/cpu", "torch/fast/cpu"]


def test_all_missing_packages_are_named_together() -> None:
    plan = catalogue().plan(Environment.parse("onnx/other/cpu"), ["onnx"])
    assert plan.absent is not None
    assert plan.absent.thing == "a_module_that_is_not_there and another_that_is_not_there are not installed"
    assert plan.absent.remedy == "pip install 'pytest-envrobust[gone,also-gone]'"


def test_a_device_that_the_engine_lacks() -> None:
    plan = catalogue().plan(Environment.parse("onnx/fast/cpu+sse41"), ["onnx"])
    assert plan.absent is not None
    assert plan.absent.headline == "plain has no device cpu+sse41: it has none"


def test_a_compiler_that_cannot_honor_a_device() -> None:
    made = catalogue()
    absent = made.plan(Environment.parse("onnx/faster/cpu+avx2"), ["onnx"]).absent
    assert absent is not None
    assert absent.headline == "faster cannot run on cpu+avx2: it needs AVX-512"
    assert made.plan(Environment.parse("onnx/fast/cpu+avx2"), ["onnx"]).absent is None


def test_settings_of_a_device_that_an_engine_has_not_make_it_unavailable() -> None:
    """Never does it run with others."""
    known = Place("known", device="cuda:0", options={"tf32": True})
    strange = Place("strange", device="cuda:0", options={"tf32": True, "other": 1})
    found = catalogue(places=[known, strange])
    assert found.device_options("cuda:0") == {"tf32": False}
    assert found.device_options("cpu") == {}
    absent = found.plan(Environment.parse("onnx/fast/strange"), ["onnx"]).absent
    assert absent is not None
    assert absent.headline == "plain has no option other of cuda:0"
    absent = found.plan(Environment.parse("onnx/fast/known"), ["onnx"]).absent
    assert (absent is None) == (accelerator_absence("cuda:0") is None)


def test_cuda_needs_a_driver() -> None:
    absent = catalogue().plan(Environment.parse("onnx/fast/cuda:0"), ["onnx"]).absent
    assert (absent is None) == (accelerator_absence("cuda:0") is None)


def test_the_reference_is_the_first_sources_plainest_way() -> None:
    real = Catalogue()
    for name, framework in frameworks().items():
        reference = real.reference([name])
        assert reference == Environment(name, framework.reference_compiler, "cpu")
        assert real.plan(reference, [name]).route.names == ()
    assert real.reference(["keras", "torch"]).id == "keras/eager/cpu"


def test_the_real_catalogue() -> None:
    real = Catalogue()
    found = ids(real.environments(["torch"]))
    compilers = {name.split("/")[1] for name in found}
    assert {"eager", "script", "inductor", "aotinductor", "ort-off", "ort-basic", "ort-extended", "ort-all"} < compilers
    assert {
        "openvino",
        "openvino-f32",
        "openvino-bf16",
        *(f"tvm-o{level}" for level in range(5)),
        "tvm-tuned",
    } < compilers
    assert len(found) == len(set(found))
    assert "keras/litert-ref/cpu" in ids(real.environments(["keras"]))
    assert {"keras-to-torch/eager/cpu", "keras-to-tensorflow/graph/cpu"} < set(ids(real.environments(["keras"])))
    assert {"torch/litert/cpu", "torch-to-tensorflow/graph/cpu", "torch-to-tensorflow/xla/cpu"} < set(found)
    assert {"onnx/litert/cpu", "onnx-to-tensorflow/graph/cpu"} < set(ids(real.environments(["onnx"])))
    assert "tflite-to-tensorflow/graph/cpu" in ids(real.environments(["tflite"]))
    assert "tensorflow/litert/cpu" in ids(real.defaults(["tensorflow"]))
    # What would repeat a native framework's own environments: torch/litert/cpu is torch converted to tflite.
    assert not {"torch-to-tflite", "torch-to-onnx", "keras-to-tflite"} & {each.framework for each in real.everything}
    assert not [each for each in real.everything if each.framework.endswith("-to-keras")]
    assert real.named_only == {"tvm-tuned", "float64", *(f"{EMULATED_PREFIX}{model}" for model in EMULATED)}


def test_at_another_place_it_is_that_places_packages_that_count() -> None:
    bare = Place("bare", python="/p", packages={})
    full = Place("full", device="cpu+avx2", python="/p", packages={"numpy": "1", "a-module-that-is-not-there": "1"})
    made = catalogue(step("torch", "onnx"), places=[bare, full])
    assert {each.device for each in made.environments(["torch"])} == {*OFFERED, "bare", "full"}
    assert not {"bare", "full"} & {each.device for each in made.defaults(["torch"])}
    plans = {
        name: made.plan(Environment("torch", compiler, name), ["torch"])
        for name, compiler in (("bare", "fast"), ("full", "faster"))
    }
    absent = plans["bare"].absent
    assert absent is not None
    assert absent.headline == "numpy is not installed in bare (/p -m pip install numpy)"
    assert (plans["bare"].device, plans["full"].device) == ("cpu", "cpu+avx2")
    absent = plans["full"].absent
    assert absent is not None
    assert absent.headline == "faster cannot run on cpu+avx2: it needs AVX-512"
    # what this Python lacks, the engine there may have
    other = made.plan(Environment("torch", "other", "full"), ["torch"]).absent
    assert other is not None
    assert other.headline.startswith("another_that_is_not_there is not installed in full")


def test_a_ceiling_above_the_processor_is_absent_here_and_means_something_on_an_emulated_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = replace(this_machine(), architecture="x86_64", features=("sse4_1",))
    monkeypatch.setattr("pytest_envrobust.planning.catalogue.this_machine", lambda: old)
    newer = Place("newer", device="cpu+avx2", emulator=("qemu",))
    made = catalogue(places=[newer])
    absent = made.plan(Environment("torch", "eager", "cpu+avx2"), ["torch"]).absent
    assert absent is not None
    assert absent.headline == (
        "cpu+avx2 is above this machine: this processor has no avx2, fma (run it on a newer processor)"
    )
    assert made.plan(Environment("torch", "eager", "newer"), ["torch"]).absent is None


def test_a_board_is_for_engines_that_speak_its_protocol() -> None:
    plan = catalogue(places=[board("pi", Board("10.0.0.5", 9090))]).plan(Environment("torch", "eager", "pi"), ["torch"])
    assert plan.absent is not None
    assert plan.absent.headline == "plain has no device rpc: plain does not speak TVM's RPC"


def test_what_keeps_a_place_from_being_there_comes_first() -> None:
    gone = Place("gone", absent=Unavailable("there is no such machine"))
    plan = catalogue(places=[gone]).plan(Environment("torch", "eager", "gone"), ["torch"])
    assert plan.absent is gone.absent


def test_everything_can_be_planned() -> None:
    real = Catalogue()
    for environment in real.environments(tuple(real.frameworks)):
        plan = real.plan(environment, [environment.source_framework])
        assert plan.environment == environment
        assert plan.route.target in plan.compiler.forms


def test_each_engine_has_a_default_level() -> None:
    defaults = Catalogue().defaults(list(frameworks()))
    compilers = {each.compiler for each in defaults}
    for backend in engines().values():
        assert any(compiler.name in compilers for compiler in backend.compilers), backend.engine
    assert {each.device for each in defaults} == {"cpu"}


def test_compiler_names_are_unambiguous() -> None:
    seen: dict[tuple[str, str], str] = {}
    for backend in engines().values():
        for compiler in backend.compilers:
            for framework in compiler.frameworks or frameworks():
                assert (compiler.name, framework) not in seen
                seen[compiler.name, framework] = backend.engine
    assert all(set(backend.devices) <= {*DEVICES, RPC} for backend in engines().values())
    assert all("cpu" in backend.devices for backend in engines().values())


def test_the_levels_of_a_compiler_are_one_engines() -> None:
    """Shards spread families of compilers, which they tell by name: `core.shard`."""
    owners: dict[str, set[str]] = {}
    for backend in engines().values():
        for compiler in backend.compilers:
            family = Environment("f", compiler.name, "cpu").compiler_family
            if family != compiler.name:
                owners.setdefault(family, set()).add(backend.engine)
    assert owners == {family: {engine} for family, (engine,) in owners.items()}
    assert {"tvm", "ort", "litert", "openvino"} <= set(owners)


def test_what_an_engine_has_beside_processors_is_an_accelerator_or_a_board() -> None:
    """On these wall time decides, and no ceiling of theirs is looked for."""
    found = {name for backend in engines().values() for name in backend.devices if not name.startswith("cpu")}
    assert found - {RPC} == {name for name, device in DEVICES.items() if device.is_accelerator}
