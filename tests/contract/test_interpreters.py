"""Steps in an interpreter of their own: how one is started, and each such step where its interpreter is there.

The steps run where the environment variables ``ENVROBUST_LITERT_TORCH`` and ``ENVROBUST_ONNX2TF`` name a Python.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.interpreters import bare_python
from support.lab import Lab

from pytest_envrobust import Device, StageFailure, Unavailable
from pytest_envrobust.artifacts.store import Artifact
from pytest_envrobust.conversion.steps import steps
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.environments.interpreters import GivenInterpreter, given_interpreter
from pytest_envrobust.environments.places import Place
from pytest_envrobust.planning.catalogue import Catalogue
from pytest_envrobust.workers.sessions import LiveSession


def recipe(artifact: Artifact) -> dict[str, Any]:
    """What the store says that the artifact was made of."""
    found: dict[str, Any] = json.loads((artifact.path.parent.parent / "manifest.json").read_text())["recipe"]
    return found


def check(lab: Lab, session: LiveSession, framework: str) -> None:
    """Its scores are the source's, and what it runs was proven."""
    scores, expected = lab.run(session, lab.images(framework)), lab.expected(framework)
    np.testing.assert_allclose(scores, expected, atol=1e-4)
    assert scores.argmax(axis=1).tolist() == expected.argmax(axis=1).tolist()
    assert (session.artifacts[-1].path.parent.parent / "proven").exists()
    session.close()


def test_a_step_runs_in_the_interpreter_that_was_given(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This very Python under another name: nothing of this process's path or variables reaches it."""
    (tmp_path / "onnx2torch.py").write_text("raise RuntimeError('found by PYTHONPATH')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    step = replace(steps()["torch_from_onnx"], interpreter="onnx2tf")
    given = GivenInterpreter("onnx2tf", sys.executable, "3.99", {"some-package": "1.5"})
    catalogue = Catalogue(conversions={step.name: step}, interpreters={"onnx2tf": given})
    session = lab.open("onnx-to-torch/eager/cpu", catalogue=catalogue)
    made = recipe(session.artifacts[0])
    assert made["versions"] == {"some-package": "1.5"}
    assert made["python"] == "3.99"
    check(lab, session, "onnx")


def test_other_packages_there_make_another_artifact(lab: Lab) -> None:
    step = replace(steps()["openvino_from_onnx"], interpreter="onnx2tf")
    keys = set()
    for number in ("1", "2", "1"):
        given = GivenInterpreter("onnx2tf", sys.executable, "3.99", {"another-package": number})
        catalogue = Catalogue(conversions={step.name: step}, interpreters={"onnx2tf": given})
        session = lab.open("onnx/openvino-f32/cpu", catalogue=catalogue)
        assert session.plan.route.names == (step.name,)
        keys.add(session.artifacts[0].key)
    assert len(keys) == 2


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with numpy and nothing else."""
    return str(bare_python(tmp_path_factory.mktemp("bare") / "with a space"))


def test_a_worker_needs_no_more_there_than_numpy(lab: Lab, bare: str) -> None:
    with lab.pool.temporary({}, Place("bare", python=bare)) as worker:
        assert worker.pid != os.getpid()
        answer = worker.ask("memory", {}, stage=Stage.RUN, what="read its memory", limit=60)
        message = {"engine": "onnxruntime", "device": "cpu", "threads": 1, "options": {}}
        with pytest.raises(Unavailable, match="onnxruntime is not installed where the worker runs") as caught:
            worker.ask("start", message, stage=Stage.IMPORT, what="import it", limit=60)
    assert answer["peak_bytes"] > 1 << 20
    assert caught.value.remedy == f"{bare} -m pip install onnxruntime"


@pytest.mark.parametrize("variable", ["ENVROBUST_OLD_PYTHON", "ENVROBUST_NEW_PYTHON"])
def test_an_engine_of_another_version_in_another_python(lab: Lab, variable: str) -> None:
    """Any Python from 3.9 on that has numpy and onnxruntime."""
    if variable not in os.environ:
        pytest.skip(f"{variable} names no Python")
    place = Device("other", python=os.environ[variable]).place(Path(), variable, ["cpu"])
    session = lab.open("onnx/ort-all/other", catalogue=Catalogue(places={place.name: place}))
    scores = lab.run(session, lab.images("onnx"))
    np.testing.assert_allclose(scores, lab.expected("onnx"), atol=1e-4)
    session.close()


def test_a_package_that_is_missing_there_is_named(lab: Lab, bare: str) -> None:
    given = GivenInterpreter("onnx2tf", bare, "3.99", {})
    catalogue = Catalogue(
        conversions={"tflite_from_onnx": steps()["tflite_from_onnx"]}, interpreters={"onnx2tf": given}
    )
    with pytest.raises(StageFailure) as caught:
        lab.open("onnx/litert-noxnnpack/cpu", catalogue=catalogue)
    assert (caught.value.stage, caught.value.status) == (Stage.IMPORT, Status.BROKEN)
    assert "No module named 'onnx2tf'" in caught.value.cause


CASES = [
    ("torch/litert-noxnnpack/cpu", ("pt2_from_torch", "tflite_from_pt2")),
    ("onnx/litert-noxnnpack/cpu", ("tflite_from_onnx",)),
    ("keras/litert-noxnnpack/cpu", ("onnx_from_keras", "tflite_from_onnx")),  # NHWC
    ("onnx-to-tensorflow/graph/cpu", ("tensorflow_from_onnx",)),
    ("keras-to-tensorflow/graph/cpu", ("onnx_from_keras", "tensorflow_from_onnx")),  # NHWC
    ("torch-to-tensorflow/graph/cpu", ("onnx_from_torch", "tensorflow_from_onnx")),
    ("tflite-to-tensorflow/graph/cpu", ("onnx_from_tflite", "tensorflow_from_onnx")),  # its input is named x:0
]


def test_every_such_step_is_covered() -> None:
    assert {name for name, step in steps().items() if step.interpreter} == {names[-1] for _, names in CASES}


@pytest.mark.parametrize(("environment", "names"), CASES, ids=["-".join(reversed(names)) for _, names in CASES])
def test_converted_labels_are_the_sources(lab: Lab, environment: str, names: tuple[str, ...]) -> None:
    step = steps()[names[-1]]
    variable = f"ENVROBUST_{step.interpreter.upper().replace('-', '_')}"
    if variable not in os.environ:
        pytest.skip(f"{variable} names no Python")
    given = given_interpreter(f"{step.interpreter}={os.environ[variable]}", Path(), variable)
    chosen = {name: steps()[name] for name in names}
    session = lab.open(environment, catalogue=Catalogue(conversions=chosen, interpreters={given.name: given}))
    assert session.plan.route.names == names
    assert session.artifacts[-1].path.name == step.file
    assert recipe(session.artifacts[-1])["versions"] == given.packages
    check(lab, session, environment.partition("/")[0].partition("-")[0])
