"""Under pytest-xdist the record is that of one process."""

from __future__ import annotations

import json

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


SEVERAL = """
import os
import pytest

@pytest.mark.parametrize("number", [1, 2])
def test_first(envrobust, number):
    envrobust.predict()

def test_second(envrobust):
    envrobust.assert_labels_agree()

@pytest.mark.parametrize("number", range(4))
def test_plain(number):
    pass
"""


def places(result: pytest.RunResult) -> dict[str, str]:
    """Which xdist process ran each item, by node id."""
    words = (line.split() for line in result.outlines if line.startswith("[gw"))
    return {line[-1]: line[0] for line in words}


def test_all_items_of_a_cell_run_in_one_process(project) -> None:
    project.declare_colors()
    project.write("test_it.py", SEVERAL)
    environments = "--envrobust-env=onnx/ort-*/cpu,onnx/openvino/cpu"
    result = project.run(environments, "-n", "2", "-v", plugins=("xdist",))
    result.assert_outcomes(passed=19)
    found = places(result)
    assert len(found) == 19
    assert set(found.values()) == {"[gw0]", "[gw1]"}
    for environment in ("onnx/ort-off/cpu", "onnx/ort-basic/cpu", "onnx/ort-all/cpu", "onnx/openvino/cpu"):
        assert len({place for nodeid, place in found.items() if environment in nodeid}) == 1
    assert project.record()["models"][0]["adequacy"]


def test_what_took_longest_in_an_earlier_run_is_begun_first(project, labels_test) -> None:
    project.declare_colors()
    environments = [f"onnx/ort-{level}/cpu" for level in ("off", "basic", "extended", "all")]
    asked = [f"--envrobust-env={name}" for name in environments]
    plugins = ("xdist", "cacheprovider")
    project.run(*asked, plugins=plugins)
    cache = project.path / ".pytest_cache" / "v" / "envrobust" / "seconds"
    kept = json.loads(cache.read_text(encoding="utf-8"))
    assert set(kept) == {f"colors-{name}" for name in environments}
    assert all(seconds > 0 for seconds in kept.values())
    kept["colors-onnx/ort-extended/cpu"] = 1000.0
    cache.write_text(json.dumps(kept), encoding="utf-8")
    result = project.run(*asked, "-n", "1", "-v", plugins=plugins)
    result.assert_outcomes(passed=4)
    first, *_ = places(result)
    assert "onnx/ort-extended/cpu" in first


@pytest.mark.parametrize("dist", ["loadfile", "loadscope", "worksteal"])
def test_another_way_to_distribute_is_left_alone(project, labels_test, dist: str) -> None:
    project.declare_colors()
    result = project.run("--envrobust-env=onnx/ort-*/cpu", "-n", "2", f"--dist={dist}", "-v", plugins=("xdist",))
    result.assert_outcomes(passed=4)
    if dist == "loadfile":
        assert len(set(places(result).values())) == 1


def test_what_inputs_can_tell_is_known_to_each_process_where_a_verdict_rests_on_it(project, labels_test) -> None:
    project.bring("colors.onnx")
    grays = np.linspace(0.45, 0.55, 8, dtype=np.float32)  # the network gives all of them one label
    np.save(project.path / "grays.npy", np.tile(grays[:, None, None, None], (1, 3, 16, 16)))
    project.declare("er.Model('colors', sources={'onnx': 'colors.onnx'}, inputs='grays.npy')")
    environments = "--envrobust-env=onnx/ort-basic/cpu,onnx/openvino/cpu"
    result = project.run(environments, "-n", "2", "--envrobust-strict", plugins=("xdist",))
    result.assert_outcomes(failed=2)
    assert {cell["labels"]["verdict"] for cell in project.record()["cells"]} == {"inconclusive"}
