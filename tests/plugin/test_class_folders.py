"""True classes by the names of folders, and the classes' names on the command line."""

from __future__ import annotations

import shutil

import pytest

OPTIONS = (
    "--envrobust-model=colors.onnx",
    "--envrobust-inputs=folders",
    "--envrobust-truth=folders",
    "--envrobust-env=onnx/ort-off/cpu,onnx/ort-all/cpu",
    "--envrobust-check=labels",
    "--envrobust-preprocess=inception",
    "--envrobust-size=16",
)
NAMES = "red\ngreen\nblue\nyellow\ngray\n"


@pytest.fixture
def foldered(project):
    """Images of three of the five classes, in folders by name, and one of none."""
    project.bring("colors.onnx", "images")
    names = {0: "Red", 3: "yellow", 4: "gray", 2: "scrap"}
    for image in sorted((project.path / "images").iterdir()):
        label = int(image.stem.partition("-")[2])
        if label in names:
            folder = project.path / "folders" / names[label]
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(image, folder)
    return project


def test_folders_go_by_the_names_of_classes(foldered) -> None:
    foldered.write("names.txt", NAMES)
    result = foldered.run(*OPTIONS, "--envrobust-labels=names.txt")
    result.assert_outcomes(passed=2)
    said = "1 of 4 class folders is called as no class is (scrap): the true class of 2 inputs is not known"
    result.stdout.fnmatch_lines([f"  {said}", "*onnx/ort-all/cpu *100 % [[]*"])
    (model,) = foldered.record()["models"]
    assert model["truth"] == [0, 0, 4, -1, -1, 3]
    assert model["class_names"] == ["red", "green", "blue", "yellow", "gray"]
    assert model["notices"] == [said]


def test_without_names_an_order_with_gaps_is_no_truth(foldered) -> None:
    result = foldered.run(*OPTIONS)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["*truth from the order of the 4 folders, of 4 classes, for a model of 5: *--envrobust-labels FILE, *"]
    )
    foldered.write("names.txt", NAMES.removesuffix("gray\n"))
    few = foldered.run(*OPTIONS, "--envrobust-labels=names.txt")
    few.assert_outcomes(failed=2)
    few.stdout.fnmatch_lines(["*truth from the names of the folders, of 4 classes, for a model of 5: *"])


def test_labels_are_of_a_model_and_a_file(foldered) -> None:
    lost = foldered.run("--envrobust-labels=names.txt")
    assert lost.ret == pytest.ExitCode.USAGE_ERROR
    lost.stderr.fnmatch_lines(["ERROR: --envrobust-labels without a model (add --envrobust-model MODEL)"])
    missing = foldered.run(*OPTIONS, "--envrobust-labels=names.txt")
    missing.assert_outcomes(failed=1)
    missing.stdout.fnmatch_lines(["*class names *names.txt' cannot be read: *No such file*"])
