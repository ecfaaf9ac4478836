"""Every conversion step, alone: it converts the net, and what comes of it gives the source's labels."""

from __future__ import annotations

import numpy as np
import pytest
from support.lab import Lab

from pytest_envrobust.conversion.steps import steps
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.planning.catalogue import Catalogue

# An environment that executes what a step writes, for each form.
EXECUTED_BY = {
    "onnx": "{source}/ort-off/cpu",
    "openvino": "{source}/openvino/cpu",
    "tensorflow": "{source}-to-tensorflow/graph/cpu",
    "tflite": "{source}/litert-noxnnpack/cpu",
    "torch": "{source}-to-torch/eager/cpu",
    "tvm": "{source}/tvm-o3/cpu",
}


def test_every_form_is_covered() -> None:
    assert {step.target for step in steps().values()} == set(EXECUTED_BY)


@pytest.mark.parametrize("name", steps())
def test_converted_labels_are_the_sources(lab: Lab, name: str) -> None:
    step = steps()[name]
    environment = Environment.parse(EXECUTED_BY[step.target].format(source=step.source))
    session = lab.open(environment, catalogue=Catalogue(conversions={name: step}))
    assert session.plan.route.names == (name,)
    artifact = session.artifacts[0]
    assert artifact.path.name == step.file
    assert artifact.path.exists()
    scores = lab.run(session, lab.images(step.source))
    np.testing.assert_allclose(scores, lab.expected(step.source), atol=1e-4)
    assert scores.argmax(axis=1).tolist() == lab.expected(step.source).argmax(axis=1).tolist()
    assert (artifact.path.parent.parent / "proven").exists()
    session.close()


@pytest.mark.parametrize("name", steps())
def test_a_step_is_named_for_what_it_does(name: str) -> None:
    step = steps()[name]
    assert step.name == name
    assert name.startswith(f"{step.target}_from_{step.source}")
