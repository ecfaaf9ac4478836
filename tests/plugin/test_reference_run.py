"""An earlier run's reference in the place of this one's: `--envrobust-reference-run`."""

from __future__ import annotations

import json

import pytest

ORT = "--envrobust-env=onnx/ort-off/cpu,onnx/ort-all/cpu"
EARLIER = "--envrobust-reference-run=earlier/run.json"
IMAGES = "inputs=er.ImageFolder('images', er.Preprocess(resize=(16, 16), scale=1 / 255))"


@pytest.fixture
def earlier(project, labels_test) -> str:
    """A run that was kept, and the node id of the tests up to the case."""
    project.bring("colors.onnx", "images", "nets.py")
    project.declare(f"er.Model('colors', sources={{'onnx': 'colors.onnx'}}, {IMAGES})")
    project.run(ORT).assert_outcomes(passed=2)
    folder = project.path / "earlier"
    folder.mkdir()
    for name in ("run.json", "run.npz"):
        (project.path / name).rename(folder / name)
    return labels_test


def test_every_cell_is_held_against_it_the_reference_too(project, earlier) -> None:
    project.run(ORT, EARLIER).assert_outcomes(passed=2)
    record = project.record()
    assert record["run"]["reference_run"]["path"].endswith("run.json")
    assert record["run"]["reference_run"]["machine"] == record["run"]["machine"]
    for cell in record["cells"]:
        assert cell["labels"]["reference"] == "onnx/ort-off/cpu of run.json"
        assert cell["labels"]["agreement"] == 1.0
        assert cell["compared"]


def test_what_changed_since_is_seen_though_all_cells_changed_alike(project, earlier) -> None:
    project.declare(f"er.Model('colors', sources={{'torch': 'nets:swapped'}}, {IMAGES})")
    result = project.run("--envrobust-env=torch/eager/cpu", EARLIER)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*4 of 8 top-1 labels differ from onnx/ort-off/cpu of run.json*", "*0-0.png: *"])


def test_it_is_read_once_for_all_cells_of_a_model(project, earlier) -> None:
    project.write(
        "test_it.py",
        """
        from pathlib import Path

        def test_labels(envrobust):
            envrobust.assert_labels_agree()
            Path("earlier/run.npz").unlink(missing_ok=True)
        """,
    )
    project.run(ORT, EARLIER).assert_outcomes(passed=2)
    assert not (project.path / "earlier" / "run.npz").exists()


def test_inputs_are_found_by_name_and_in_any_order(project, earlier) -> None:
    some = "inputs=er.ImageFolder('images', er.Preprocess(resize=(16, 16), scale=1 / 255), pattern='[5-7]*')"
    project.declare(f"er.Model('colors', sources={{'onnx': 'colors.onnx'}}, {some})")
    project.run(ORT, EARLIER).assert_outcomes(passed=2)
    record = json.loads((project.path / "earlier" / "run.json").read_text(encoding="utf-8"))
    record["models"][0]["input_digests"] = ["another decoder's"] * 8
    (project.path / "earlier" / "run.json").write_text(json.dumps(record), encoding="utf-8")
    project.run(ORT, EARLIER).assert_outcomes(passed=2)
    record["models"][0]["inputs"][6] = "renamed.png"
    (project.path / "earlier" / "run.json").write_text(json.dumps(record), encoding="utf-8")
    result = project.run(ORT, EARLIER)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*lacks 1 of the 3 inputs of colors: the first is '6-1.png'*"])


def test_a_model_or_environment_that_it_has_not(project, earlier) -> None:
    project.declare(f"er.Model('other', sources={{'onnx': 'colors.onnx'}}, {IMAGES})")
    result = project.run(ORT, EARLIER)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*has no model 'other': its models are colors*"])
    project.declare(f"er.Model('colors', sources={{'onnx': 'colors.onnx'}}, {IMAGES})")
    result = project.run(ORT, EARLIER, "--envrobust-reference=onnx/openvino/cpu")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*has no predictions of colors in onnx/openvino/cpu*"])


def test_a_run_that_cannot_be_read_ends_this_one_before_it_begins(project, earlier) -> None:
    (project.path / "earlier" / "run.npz").unlink()
    result = project.run(ORT, EARLIER)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*has no predictions beside it*keep the .npz beside the .json*"])
    (project.path / "earlier" / "run.json").write_text("{}", encoding="utf-8")
    result = project.run(ORT, EARLIER)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*is no record of a run*"])
