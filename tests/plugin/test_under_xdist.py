"""Under pytest-xdist the record is that of one process."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("xdist")

ENVIRONMENTS = "--envrobust-env=onnx/ort-off/cpu,onnx/ort-basic/cpu,onnx/ort-all/cpu,onnx/openvino/cpu,keras/eager/cpu"


def test_the_record_is_the_same_as_of_one_process(project, labels_test) -> None:
    project.declare_colors()
    found = []
    for arguments in ((), ("-n", "2")):
        result = project.run(ENVIRONMENTS, *arguments, plugins=("xdist",))
        result.assert_outcomes(passed=4, skipped=1)
        assert result.ret == pytest.ExitCode.OK
        cells = {
            nodeid: (cell["status"], cell["environment"], cell.get("output_digest"), cell.get("labels", {}).get("n"))
            for nodeid, cell in project.cells().items()
        }
        assert len(project.record()["cells"]) == 5
        models = [(model["name"], model["inputs"]) for model in project.record()["models"]]
        with np.load(project.path / "run.npz", allow_pickle=False) as arrays:
            found.append((cells, models, sorted(arrays.files)))
    assert found[0] == found[1]


def test_the_record_has_what_each_worker_knows_of_a_model(project) -> None:
    """Each of the two cells loads its own source only, in a worker of its own."""
    project.bring("colors.onnx", "nets.py", "images")
    project.declare("er.Model('pair', sources={'onnx': 'colors.onnx', 'torch': 'nets:colors'}, inputs='images')")
    project.write("test_it.py", "def test_it(envrobust):\n    envrobust.predict()\n")
    result = project.run("--envrobust-env=onnx/ort-all/cpu,torch/eager/cpu", "-n", "2", plugins=("xdist",))
    result.assert_outcomes(passed=2)
    (model,) = project.record()["models"]
    assert set(model["guesses"]) == {"onnx", "torch"}
    for source in model["sources"].values():
        assert {"digest", "preprocess"} <= source.keys()


def test_nothing_compared_fails_there_too(project, labels_test) -> None:
    project.declare_colors()
    result = project.run("--envrobust-env=keras/eager/cpu", "-n", "2", plugins=("xdist",))
    result.assert_outcomes(skipped=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_models_of_the_command_line_are_shared_out(project) -> None:
    project.bring("colors.onnx", "inputs.npy")
    result = project.run(
        "--envrobust-model=colors.onnx",
        "--envrobust-inputs=inputs.npy",
        "--envrobust-env=onnx/ort-all/cpu",
        *("-n", "2"),
        plugins=("xdist",),
    )
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.OK
