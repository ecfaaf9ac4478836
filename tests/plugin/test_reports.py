"""The reports of a run as files: the page, the summary, and what the record knows of all environments together."""

from __future__ import annotations

import numpy as np
import pytest

PAIR = """er.Model(
    "pair",
    sources={"onnx": "colors.onnx", "torch": "nets:swapped"},
    inputs=er.ImageFolder("images", er.Preprocess(resize=(16, 16), scale=1 / 255), truth="-([0-9])"),
    labels=["red", "green", "blue", "yellow", "gray"],
)"""
ENVIRONMENTS = "--envrobust-env=onnx/ort-off/cpu,onnx/ort-all/cpu,torch/eager/cpu,torch/ort-all/cpu"


@pytest.fixture
def pair(project, labels_test) -> str:
    """A model whose torch source takes red for green, on images; node id up to the case."""
    project.bring("colors.onnx", "nets.py", "images")
    project.declare(PAIR)
    return labels_test


def test_the_page_and_the_summary_need_no_record(project, pair) -> None:
    result = project.pytest(
        "--envrobust", f"--envrobust-cache-dir={project.cache}", ENVIRONMENTS, "--envrobust-html=out/run.html"
    )
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["report: *out/run.html"])
    page = (project.path / "out" / "run.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 4  # the red and the green images
    assert "red (0)" in page
    assert [file.name for file in (project.path / "out").iterdir()] == ["run.html"]


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["one process", "xdist"])
def test_the_record_compares_all_environments_with_each_other(project, pair, workers) -> None:
    if workers:
        pytest.importorskip("xdist")
    plugins = ("xdist", "xdist.looponfail") if workers else ()
    result = project.run(ENVIRONMENTS, "--envrobust-markdown=run.md", *workers, plugins=plugins)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["  framework (definitions) * 50.0 %*onnx/ort-all/cpu*torch/ort-all/cpu*"])
    (model,) = project.record()["models"]
    assert model["class_names"] == ["red", "green", "blue", "yellow", "gray"]
    assert len(set(model["input_digests"])) == 8
    analysis = model["analysis"]
    assert sorted(analysis["environments"]) == sorted(ENVIRONMENTS.partition("=")[2].split(","))
    of = dict(zip(analysis["environments"], analysis["output_of"]))
    matrix = np.array(analysis["matrices"]["label_dissimilarity"])
    assert matrix[of["onnx/ort-off/cpu"], of["torch/eager/cpu"]] == 0.5
    assert matrix[of["torch/ort-all/cpu"], of["torch/eager/cpu"]] == 0.0
    factors = {(each["factor"], each.get("part")): each["labels"]["mean"] for each in analysis["sensitivity"]}
    assert factors["framework", "definitions"] == 0.5
    assert factors["compiler", None] == 0.0
    accuracy = {each["environment"]: each for each in analysis["accuracy"]}
    assert accuracy["onnx/ort-all/cpu"]["top1"] == 1.0
    assert accuracy["torch/eager/cpu"]["against_reference"] == {"only_here": 0, "only_reference": 4, "p": 0.125}
    with np.load(project.path / "run.npz", allow_pickle=False) as kept:
        thumbnails = [name for name in kept.files if name.startswith("thumbnail-")]
        assert len(thumbnails) == 4
        assert all(kept[name].tobytes().startswith(b"\xff\xd8") for name in thumbnails)
    assert "| framework (definitions) |" in (project.path / "run.md").read_text(encoding="utf-8")


def test_a_place_that_cannot_be_written_fails_the_run(project, pair) -> None:
    project.write("a_file", "no directory")
    result = project.run("--envrobust-env=onnx/ort-all/cpu", "--envrobust-html=a_file/run.html")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*report '*a_file/run.html' cannot be written: *"])


def test_truth_on_the_command_line(project) -> None:
    project.bring("colors.onnx", "images")
    own = ["--envrobust-model=colors.onnx", "--envrobust-inputs=images", "--envrobust-env=onnx/ort-all/cpu"]
    prepared = ["--envrobust-preprocess=raw", "--envrobust-size=16"]
    project.run(*own, *prepared, "--envrobust-truth=-([0-9])[.]png$").assert_outcomes(passed=2)
    (model,) = project.record()["models"]
    assert model["truth"] == [0, 1, 2, 3, 4, 0, 1, 2]
    assert model["analysis"]["accuracy"][0]["n"] == 8
    result = project.run(*own, *prepared, "--envrobust-truth=none.csv")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*truth '*none.csv': there is no such file*"])


def test_every_view_has_the_throughput_at_each_batch(project) -> None:
    project.declare_folding()
    project.write("test_it.py", "def test_time(envrobust):\n    envrobust.assert_latency(batch_sizes=(1, 4))\n")
    views = ["--envrobust-html=run.html", "--envrobust-markdown=run.md"]
    result = project.run("--envrobust-env=onnx/ort-off/cpu,onnx/ort-all/cpu", *views, *project.conclusive)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "  A/A controls, the reference against itself: * within 3 %, the worst *",
            "  throughput        batch  threads  ms a call  ms an image  images/s  ratio*",
            "  onnx/ort-off/cpu      1        1 *] *",
            "  onnx/ort-off/cpu      4        1 *] *",
            "  onnx/ort-all/cpu      1        1 *",
            "  onnx/ort-all/cpu      4        1 *",
        ]
    )
    latency = project.cells()["test_it.py::test_time[folding-onnx/ort-off/cpu]"]["latency"]
    (point,) = latency["points"]
    assert (latency["batch"], point["batch"], point["threads"]) == (1, 4, 1)
    assert point["images_per_second"] == pytest.approx(4e3 / point["wall_ms"]["median"])
    assert set(point) >= {"clock", "control", "ratio", "rounds", "calls_a_turn", "warm_up_calls", "smallest_visible"}
    assert ">Throughput</h3>" in (project.path / "run.html").read_text(encoding="utf-8")
    assert "<summary>Throughput</summary>" in (project.path / "run.md").read_text(encoding="utf-8")
