"""Models and inputs that cannot be used: one clear error each, and every other cell of the run still reports."""

from __future__ import annotations

import numpy as np

ORT, TORCH = "onnx/ort-all/cpu", "torch/eager/cpu"


def test_each_bad_model_is_one_clear_error_and_the_good_one_passes(project, labels_test) -> None:
    project.bring("colors.onnx", "nan.onnx", "truncated.onnx", "inputs.npy", "images", "nets.py")
    project.write("spoiled/0.png", "this is no picture")
    (project.path / "empty").mkdir()
    np.save(project.path / "small.npy", np.zeros((2, 3, 8, 8), dtype=np.float32))
    np.save(project.path / "double.npy", np.zeros((2, 3, 16, 16), dtype=np.float64))
    pair = "er.Model({!r}, sources={{'onnx': 'colors.onnx', 'torch': 'nets:{}'}}, inputs='inputs.npy')"
    onnx = "er.Model({!r}, sources={{'onnx': {!r}}}, inputs={!r})"
    project.declare(
        pair.format("good", "colors"),
        pair.format("classes", "four_classes"),
        pair.format("raises", "broken"),
        pair.format("tuple", "twice"),
        pair.format("nothing", "missing"),
        onnx.format("nan", "nan.onnx", "inputs.npy"),
        onnx.format("cut", "truncated.onnx", "inputs.npy"),
        onnx.format("gone", "gone.onnx", "inputs.npy"),
        onnx.format("spoiled", "colors.onnx", "spoiled"),
        onnx.format("empty", "colors.onnx", "empty"),
        onnx.format("nowhere", "colors.onnx", "nowhere"),
        onnx.format("shape", "colors.onnx", "small.npy"),
        onnx.format("dtype", "colors.onnx", "double.npy"),
    )
    result = project.run(f"--envrobust-env={ORT},{TORCH}")
    cells = {nodeid.partition("[")[2].rstrip("]"): cell for nodeid, cell in project.cells().items()}

    def said(name: str, environment: str = ORT) -> tuple[str, str]:
        cell = cells[f"{name}-{environment}"]
        return cell["status"], cell["reason"]

    for name in ("good", "classes", "raises", "tuple", "nothing"):
        assert cells[f"{name}-{ORT}"]["status"] == "passed", name
    assert cells[f"good-{TORCH}"]["status"] == "passed"
    status, reason = said("classes", TORCH)
    assert status == "failed"
    assert reason.startswith("classes has 4 classes in torch/eager/cpu and 5 in onnx/ort-off/cpu")
    status, reason = said("raises", TORCH)
    assert (status, cells[f"raises-{TORCH}"]["stage"]) == ("crashed", "load")
    assert "RuntimeError: the weights have gone" in reason
    status, reason = said("tuple", TORCH)
    assert status == "failed"
    assert "the model has 2 outputs: which of them are the class scores cannot be told" in reason
    status, reason = said("nothing", TORCH)
    assert "source 'nets:missing' cannot be found: nets has no attribute 'missing'" in reason
    status, reason = said("nan")
    assert status == "failed"
    assert cells[f"nan-{ORT}"]["labels"]["flips"] == {"real": 0, "tie": 0, "undefined": 8}
    status, reason = said("cut")
    assert status == "failed"
    assert "truncated.onnx is not an ONNX model: its content cannot be decoded: cut short or corrupt" in reason
    assert "gone.onnx': there is no such file or directory" in cells["gone-declaration"]["reason"]
    assert "0.png' does not decode" in said("spoiled")[1]
    assert "empty': it holds no image" in cells["empty-declaration"]["reason"]
    assert "nowhere': there is no such folder" in cells["nowhere-declaration"]["reason"]
    status, reason = said("shape")
    assert status == "failed"
    assert "it takes float32[?, 3, 16, 16] and the preprocessing gives float32[1, 3, 8, 8]" in reason
    assert "gives float64[1, 3, 16, 16]" in said("dtype")[1]
    assert cells[f"nan-{TORCH}"]["status"] == "no-route"
    assert len(cells) == 23
    assert {cell["model"] for cell in cells.values()} == {
        *("good", "classes", "raises", "tuple", "nothing", "nan", "cut", "gone", "spoiled", "empty", "nowhere"),
        *("shape", "dtype"),
    }
    result.assert_outcomes(passed=6, skipped=5, failed=12)
    assert "INTERNALERROR" not in result.stdout.str()


def test_a_reference_that_cannot_run_fails_its_cells_and_says_so(project, labels_test) -> None:
    project.declare_pair("broken")
    result = project.run(f"--envrobust-env={ORT}", f"--envrobust-reference={TORCH}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the reference torch/eager/cpu: load the torch source nets:broken*"])


def test_a_reference_without_a_route_fails_its_cells_and_says_so(project, labels_test) -> None:
    project.declare_colors()
    result = project.run(f"--envrobust-env={ORT}", f"--envrobust-reference={TORCH}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the reference torch/eager/cpu cannot run: no route to torch/eager/cpu*"])
