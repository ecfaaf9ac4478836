"""How pictures were decoded, and which of them are identical, is told in every report."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

MODEL = (
    "--envrobust-model=colors.onnx",
    "--envrobust-inputs=mine",
    "--envrobust-env=onnx/ort-off/cpu,onnx/ort-all/cpu",
    "--envrobust-check=labels",
    "--envrobust-preprocess=inception",
    "--envrobust-size=16",
)


@pytest.fixture
def mine(project):
    """The images of all projects, copied, so that a test may change them."""
    project.bring("colors.onnx", "images")
    shutil.copytree(project.path / "images", project.path / "mine")
    return project.path / "mine"


def test_pictures_of_16_bits_run_and_are_named(project, mine) -> None:
    for number in range(2):
        values = np.random.RandomState(number).randint(0, 60000, (16, 16)).astype(np.uint16)
        Image.fromarray(values).save(mine / f"deep{number}.png")
    result = project.run(*MODEL, "--envrobust-markdown=run.md", "--envrobust-html=run.html")
    result.assert_outcomes(passed=2)
    said = "2 of 10 pictures are gray with more than 8 bits: "
    result.stdout.fnmatch_lines([f"  {said}*(deep0.png and deep1.png)"])
    assert said in (project.path / "run.md").read_text(encoding="utf-8")
    assert said in (project.path / "run.html").read_text(encoding="utf-8")
    (model,) = project.record()["models"]
    assert [line[: len(said)] for line in model["notices"]] == [said]


def test_inputs_that_are_all_identical_are_loud_and_strictly_no_pass(project, mine) -> None:
    first, *others = sorted(mine.iterdir())
    for other in others:
        other.write_bytes(first.read_bytes())
    said = "all 8 inputs are identical: they show no more than one of them does"
    project.run(*MODEL).stdout.fnmatch_lines([f"  {said}"])
    strict = project.run(*MODEL, "--envrobust-strict")
    strict.assert_outcomes(passed=1, failed=1)
    strict.stdout.fnmatch_lines([f"*; inconclusive: {said}"])
