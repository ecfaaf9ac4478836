"""Declaring the built-in models: nothing here needs a framework."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pytest_envrobust as er
from pytest_envrobust.models import zoo

FILES = {"keras": "m.weights.h5", "torch": "m.safetensors"}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of 41 images, each of one gray value, the number in its name."""
    folder = tmp_path / "images"
    folder.mkdir()
    for value in range(41):
        Image.new("RGB", (4, 4), (value, value, value)).save(folder / f"{value:02d}.png")
    return folder


@pytest.mark.parametrize("name", er.zoo.NAMES)
def test_a_model_has_a_native_source_and_preprocessing_in_both_frameworks(name: str, images: Path) -> None:
    model = getattr(er.zoo, name)(images)
    assert model.name == name
    assert list(model.sources) == ["keras", "torch"]
    size = 299 if name == "inception_v3" else 224
    decoded = [np.zeros((300, 400, 3), dtype=np.uint8)]
    for framework in model.sources:
        assert model.source(framework).weights.startswith("seeded, not trained (seed 0, ")
        assert str(model.source(framework).target) == f"zoo:{name}"
        batch = model.preprocess(framework).apply(decoded, layout="NHWC")
        assert batch.shape == (1, size, size, 3)
    assert model.preprocess("keras") != model.preprocess("torch")


def test_all_four_and_a_name_of_ones_own(images: Path) -> None:
    assert [model.name for model in er.zoo.all(images)] == list(er.zoo.NAMES)
    model = er.zoo.densenet121(images, weights="imagenet", frameworks=["torch"], name="mine")
    assert (model.name, list(model.sources)) == ("mine", ["torch"])
    assert model.source("torch").weights == "imagenet (torchvision IMAGENET1K_V1)"


def test_files_name_their_frameworks_and_are_taken_from_the_base(tmp_path: Path) -> None:
    model = er.zoo.mobilenet_v2("images", weights=FILES)
    assert list(model.sources) == list(FILES)
    resolved = model.resolved(tmp_path)
    assert resolved.source("keras").target.file == tmp_path / "m.weights.h5"
    assert resolved.source("keras").weights == "file m.weights.h5"
    assert resolved.source("keras").target.inputs is None


def test_a_missing_file_is_seen_before_anything_is_loaded(images: Path, tmp_path: Path) -> None:
    model = er.zoo.mobilenet_v2(images, weights={"torch": "gone.safetensors"}).resolved(tmp_path)
    with pytest.raises(er.DeclarationError, match=r"'mobilenet_v2': torch weights '.*gone.*': there is no such file"):
        model.check()


@pytest.mark.parametrize(
    ("weights", "frameworks", "message"),
    [
        ("imagnet", None, "'imagnet' is neither .*did you mean 'imagenet'"),
        ("seeded", ["keras", "jax"], "'jax' does not define it; keras and torch do"),
        ("seeded", [], "no framework is named"),
        ({}, None, "no framework is named"),
        ({"onnx": "m.onnx"}, None, "'onnx' does not define it"),
        ({"torch": "m.pt"}, None, r"torch weights 'm.pt': the name of such a file ends in .safetensors"),
        ({"keras": "m.safetensors"}, None, r"the name of such a file ends in .weights.h5"),
        ({"torch": "m.safetensors"}, ["keras", "torch"], "there are files for torch, not keras, torch"),
    ],
)
def test_weights_that_there_are_not(weights, frameworks, message: str, images: Path) -> None:
    with pytest.raises(er.DeclarationError, match=message):
        er.zoo.inception_v3(images, weights=weights, frameworks=frameworks)


def test_files_do_not_fit_all(images: Path) -> None:
    with pytest.raises(er.DeclarationError, match="a file fits one model"):
        er.zoo.all(images, weights=FILES)


def test_equal_declarations_are_one_source(images: Path) -> None:
    """Workers build a model once for each reference that differs."""
    declared = [
        er.zoo.mobilenet_v2("images"),
        er.zoo.mobilenet_v2(er.ImageFolder("images", truth="^([0-9]+)"), weights="".join(["see", "ded"])),
        er.zoo.all(Path("images"))[0],
        er.zoo.mobilenet_v2(images),
        zoo.named("zoo:mobilenet_v2", "images", "seeded"),
    ]
    references = {model.resolved(images.parent).source("keras").reference("keras") for model in declared}
    assert len(references) == 1
    other = er.zoo.mobilenet_v2(images, weights="imagenet").source("keras").reference("keras")
    assert other not in references


def test_calibration_takes_twenty_inputs_spread_over_all(images: Path) -> None:
    used = zoo._spread(er.ImageFolder(images))
    assert [int(image[0, 0, 0]) for image in used] == [round(place) for place in np.linspace(0, 40, 20)]
    few = zoo._spread(er.ImageFolder(images, limit=3))
    assert [int(image[0, 0, 0]) for image in few] == [0, 1, 2]


def test_an_array_of_images_travels_as_far_as_it_is_used() -> None:
    array = np.arange(100, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), dtype=np.uint8)
    model = er.zoo.mobilenet_v2(er.Arrays(array, truth=list(range(100))))
    used = zoo._spread(model.source("keras").target.inputs)
    assert len(used) == 20
    assert (int(used[0][0, 0, 0]), int(used[-1][0, 0, 0])) == (0, 99)
    assert len(model.input_set.load()) == 100


def test_an_array_that_is_no_image_is_refused() -> None:
    model = er.zoo.mobilenet_v2(er.Arrays(np.zeros((2, 224, 224, 3), dtype=np.float32)))
    with pytest.raises(er.DeclarationError, match="a preprocessing starts from RGB uint8 images"):
        model.input_set.load()


def test_class_names_are_those_of_imagenet(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = [names for names in (zoo._listed_by_timm(), zoo._listed_by_torchvision()) if names]
    if not lists:
        pytest.skip("neither timm nor torchvision is installed")
    assert [(len(names), names[999].partition(",")[0]) for names in lists] == [(1000, "toilet tissue")] * len(lists)
    names = zoo.class_names()
    assert (names[0], names[2]) == ("tench", "great white shark")
    assert len(set(names)) == 1000
    assert (names[134], names[517]) == ("crane (134)", "crane (517)")
    monkeypatch.setattr(zoo, "find_spec", lambda package: None)
    zoo.class_names.cache_clear()
    assert zoo.class_names() == ()
    zoo.class_names.cache_clear()


def test_names_and_weights_of_the_command_line() -> None:
    assert zoo.expanded(["a.onnx", "zoo:all", "zoo:densenet121"]) == ("a.onnx", *(f"zoo:{name}" for name in zoo.NAMES))
    assert zoo.parsed_weights([]) == "seeded"
    assert zoo.parsed_weights(["imagenet"]) == "imagenet"
    assert zoo.parsed_weights(["keras=a=b.weights.h5", "torch=c"]) == {"keras": "a=b.weights.h5", "torch": "c"}
    for wrong in (["imagenets"], ["seeded", "imagenet"], ["keras="], ["keras=a", "keras=b"]):
        with pytest.raises(er.DeclarationError, match="weights are seeded, or imagenet, or FRAMEWORK=FILE"):
            zoo.parsed_weights(wrong)
    with pytest.raises(er.DeclarationError, match=r"no built-in model 'mobilnet_v2'.*did you mean zoo:mobilenet_v2\?"):
        zoo.named("zoo:mobilnet_v2", "images", "seeded")


def test_declaring_imports_no_framework() -> None:
    text = """
import sys
import pytest_envrobust as er
model = er.zoo.mobilenet_v2("images")
model.source("torch").reference("torch")
print([name for name in ("torch", "torchvision", "timm", "keras", "tensorflow") if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == "[]"
