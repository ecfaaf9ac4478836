"""Double precision, what fidelity is told against."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from numpy.typing import NDArray
from support import nets
from support.lab import Lab

from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import StageFailure
from pytest_envrobust.core.sources import SourceRef, input_spec

FLOAT64 = ["torch/float64/cpu", "keras/float64/cpu", "onnx-to-torch/float64/cpu"]


def needs(*modules: str) -> None:
    for module in modules:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


def scores(lab: Lab, environment: str, source: SourceRef) -> NDArray[np.float64]:
    """Scores of the net's images, from a source of the environment's framework."""
    parsed = Environment.parse(environment)
    framework = parsed.source_framework
    plan = lab.catalogue.plan(parsed, (framework,))
    if plan.absent is not None:
        pytest.skip(str(plan.absent))
    images = lab.images(framework)
    session = lab.builder.open(plan, source, input_spec(images, lab.builder.inspect(source)))
    found = lab.run(session, images)
    session.close()
    return found


@pytest.mark.parametrize("environment", FLOAT64)
def test_double_precision_is_double_throughout(lab: Lab, environment: str) -> None:
    framework = Environment.parse(environment).source_framework
    exact = scores(lab, environment, lab.source(framework))
    assert exact.dtype == np.float64
    assert (exact != exact.astype(np.float32)).any()
    plain = lab.expected(framework)
    assert plain.dtype == np.float32
    np.testing.assert_allclose(plain, exact, atol=1e-4)
    assert np.abs(plain - exact).max() > 0


def test_two_ways_to_double_precision_lie_nearer_than_single_precision_does(lab: Lab) -> None:
    needs("torch", "onnx2torch")
    source = lab.source("onnx")  # the same weights by another definition
    exact = scores(lab, "onnx-to-torch/float64/cpu", source)
    single = scores(lab, "onnx-to-torch/eager/cpu", source)
    own = scores(lab, "torch/float64/cpu", lab.source("torch"))
    assert np.abs(own - exact).max() < np.abs(single - exact).max() / 100


def test_double_precision_is_never_chosen_by_a_wildcard(lab: Lab) -> None:
    assert "float64" in lab.catalogue.named_only
    assert not [each for each in lab.catalogue.defaults(("torch", "keras")) if each.compiler == "float64"]


def test_a_module_that_casts_by_itself_is_refused(lab: Lab) -> None:
    needs("torch")
    source = SourceRef("torch", "factory", target="support.nets:torch_casting")
    with pytest.raises(StageFailure, match="does not run in double precision: its scores are float32"):
        scores(lab, "torch/float64/cpu", source)


def test_a_model_that_writes_into_its_input_is_told(lab: Lab) -> None:
    needs("torch")
    images = lab.images("torch")
    plan = lab.catalogue.plan(Environment("torch", "eager", "cpu"), ("torch",))
    found = {}
    for name in ("torch_net", "torch_in_place"):
        source = SourceRef("torch", "factory", target=f"support.nets:{name}")
        session = lab.builder.open(plan, source, input_spec(images, lab.builder.inspect(source)))
        found[name] = [lab.predict(session, images) for _ in range(2)]
        session.close()
    assert "input" not in found["torch_net"][0].evidence
    assert found["torch_in_place"][0].evidence["input"] == "overwritten by the model"
    first, again = found["torch_in_place"]
    np.testing.assert_array_equal(first.scores, again.scores)


def test_openvino_is_what_openvino_does_when_nobody_asks(lab: Lab) -> None:
    """In its processor's precision, whichever that is; float32 is a level of its own."""
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(nets.write_onnx(lab.folder / "as_it_comes.onnx")), "CPU")
    own = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    for compiler, precision in (("openvino", own), ("openvino-f32", "f32")):
        session = lab.open(f"onnx/{compiler}/cpu")
        evidence = session.run(lab.put(lab.images("onnx")[:1])).evidence
        assert evidence["inference_precision_hint"] == precision
        assert ("notice" in evidence) is (compiler == "openvino" and own != "f32")
        session.close()
