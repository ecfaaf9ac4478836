"""Model files that are cut short, empty or something else: one clear error that names the file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import nets
from support.lab import Lab

from pytest_envrobust.core.errors import StageFailure
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.core.status import Stage, Status


@pytest.fixture(scope="session")
def keras_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keras") / "net.keras"
    code = f"from support import nets; nets.keras_net().save({str(path)!r})"
    environ = {**os.environ, "PYTHONPATH": str(Path(nets.__file__).parent.parent), "TF_CPP_MIN_LOG_LEVEL": "2"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environ, capture_output=True)
    return path


def whole(lab: Lab, framework: str, request: pytest.FixtureRequest) -> Path:
    if framework == "keras":
        found: Path = request.getfixturevalue("keras_file")
        return found
    if framework == "torch":
        return lab.open("onnx-to-torch/eager/cpu").artifacts[-1].path
    return Path(lab.source(framework).target)


@pytest.mark.parametrize("framework", ["onnx", "tflite", "keras", "torch"])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.98], ids=["empty", "half", "almost"])
def test_a_truncated_file(
    lab: Lab, framework: str, kept: float, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    complete = whole(lab, framework, request)
    content = complete.read_bytes()
    path = tmp_path / f"short{complete.suffix}"
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(StageFailure) as caught:
        lab.new_builder().inspect(SourceRef(framework, "file", target=str(path)))
    failure = caught.value
    assert (failure.stage, failure.status) == (Stage.LOAD, Status.FAILED)
    assert path.name in failure.headline
    assert failure.detail == ""
    assert failure.cause
    assert "\n" not in failure.headline


@pytest.mark.parametrize("framework", ["onnx", "tflite", "keras", "torch"])
def test_a_whole_file_is_read(lab: Lab, framework: str, request: pytest.FixtureRequest) -> None:
    inspection = lab.new_builder().inspect(SourceRef(framework, "file", target=str(whole(lab, framework, request))))
    assert inspection.input is not None
    assert inspection.input.dtype == "float32"
    assert len(inspection.digest) == 64


def test_a_saved_model_without_its_weights(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(lab.source("tensorflow").target, folder)
    for file in (folder / "variables").iterdir():
        file.write_bytes(file.read_bytes()[:10])
    with pytest.raises(StageFailure) as caught:
        lab.new_builder().inspect(SourceRef("tensorflow", "file", target=str(folder)))
    assert caught.value.status is Status.FAILED
    assert str(folder) in caught.value.headline


@pytest.mark.parametrize("framework", ["onnx", "tflite", "keras", "torch", "tensorflow"])
def test_a_file_of_something_else(lab: Lab, framework: str, tmp_path: Path) -> None:
    suffix = (lab.catalogue.frameworks[framework].suffixes or ("",))[0]
    path = tmp_path / f"prose{suffix}"
    path.write_text("It was a dark and stormy night. " * 50)
    with pytest.raises(StageFailure) as caught:
        lab.new_builder().inspect(SourceRef(framework, "file", target=str(path)))
    assert caught.value.status is Status.FAILED
    assert path.name in caught.value.headline


@pytest.mark.parametrize("framework", ["onnx", "tflite", "tensorflow"])
def test_a_factory_where_a_file_is_needed(lab: Lab, framework: str) -> None:
    with pytest.raises(StageFailure, match=r"support\.nets:torch_net"):
        lab.new_builder().inspect(SourceRef(framework, "factory", target="support.nets:torch_net"))
