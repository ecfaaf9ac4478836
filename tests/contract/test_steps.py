"""Every conversion step, alone: it converts the net, and what comes of it gives the source's labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.lab import Lab

from pytest_envrobust.conversion.steps import steps
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.sources import SourceRef, input_spec
from pytest_envrobust.core.status import Stage
from pytest_envrobust.planning.catalogue import Catalogue
from pytest_envrobust.workers.protocol import encode_source, encode_spec

# An environment that executes what a step writes, for each form.
EXECUTED_BY = {
    "onnx": "{source}/ort-off/cpu",
    "openvino": "{source}/openvino-f32/cpu",
    "tensorflow": "{source}-to-tensorflow/graph/cpu",
    "tflite": "{source}/litert-noxnnpack/cpu",
    "torch": "{source}-to-torch/eager/cpu",
    "tvm": "{source}/tvm-o3/cpu",
}


# Those that need an interpreter of their own are in test_interpreters.
HERE = {name: step for name, step in steps().items() if not step.interpreter}
EXECUTED = [name for name, step in HERE.items() if step.target in EXECUTED_BY]


def test_every_form_is_covered() -> None:
    assert {step.target for step in HERE.values()} == {*EXECUTED_BY, "pt2"}


@pytest.mark.parametrize("name", EXECUTED)
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


def test_an_exported_program_loads_as_a_torch_source(lab: Lab, tmp_path: Path) -> None:
    """No engine loads this form; another interpreter does, which has torch and not the model's code."""
    batch = lab.images("torch")
    spec = input_spec(batch, lab.builder.inspect(lab.source("torch")))
    target = tmp_path / steps()["pt2_from_torch"].file
    message = {
        "step": "pt2_from_torch",
        "source": encode_source(lab.source("torch")),
        "target": str(target),
        "input": encode_spec(spec),
        "options": {},
        "prove": True,
    }
    with lab.pool.temporary({}) as worker:
        answer = worker.ask("convert", message, stage=Stage.CONVERT, what="pt2_from_torch", limit=300)
    assert answer == {"proven": False}
    session = lab.open("torch/eager/cpu", source=SourceRef("torch", "file", target=str(target)))
    np.testing.assert_array_equal(lab.run(session, batch), lab.expected("torch"))
    session.close()


@pytest.mark.parametrize("name", steps())
def test_a_step_is_named_for_what_it_does(name: str) -> None:
    step = steps()[name]
    assert step.name == name
    assert name.startswith(f"{step.target}_from_{step.source}")
