from __future__ import annotations

import pickle
import subprocess
import sys
import threading
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_envrobust import Arrays, DeclarationError, ImageFolder, Model, Preprocess, Source
from pytest_envrobust.core.tensors import Quantization, TensorSpec
from pytest_envrobust.models.guessing import framework_of, guessed_preprocess
from pytest_envrobust.models.preparation import Preparation

INPUTS = Arrays(np.zeros((1, 3)))


def test_a_source_knows_what_it_is() -> None:
    assert Source("package.module:attribute").is_factory
    assert Source("package.module:Class.method").is_factory
    assert Source("models/net.onnx").path == Path("models/net.onnx")
    assert Source("C:net.onnx").path is None or Source("C:net.onnx").is_factory
    assert not Source(Path("a:b")).is_factory
    assert Source(lambda: 1).path is None


def test_references() -> None:
    assert Source("net.onnx").reference("onnx").kind == "file"
    named = Source("pkg.nets:load").reference("torch")
    assert (named.form, named.kind, named.target) == ("torch", "factory", "pkg.nets:load")
    kept = 7
    pickled = Source(lambda: kept + 1).reference("keras")
    assert (pickled.form, pickled.kind) == ("keras", "pickle")
    assert pickle.loads(pickled.payload)() == 8


def test_what_a_conftest_defines_travels_by_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("conftest")
    module.__dict__["__file__"] = str(tmp_path / "conftest.py")
    exec("class Net:\n    def answer(self):\n        return 42\n\ndef load():\n    return Net()\n", module.__dict__)
    monkeypatch.setitem(sys.modules, "conftest", module)
    for target, use in ((module.load, "f().answer()"), (module.Net(), "f.answer()")):
        payload = Source(target).reference("torch").payload
        code = f"import pickle; f = pickle.loads({payload!r}); print({use})"
        # A process that has no such conftest.
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.stdout == "42\n", done.stderr


def test_what_cannot_travel() -> None:
    lock = threading.Lock()
    with pytest.raises(DeclarationError, match="cannot be sent to a worker process") as caught:
        Source(lambda: lock).reference("torch")
    assert "import path" in caught.value.remedy


@pytest.mark.parametrize("offset", [-1, 1.5, "1"])
def test_label_offsets(offset: Any) -> None:
    with pytest.raises(DeclarationError, match="label_offset"):
        Source("net.onnx", label_offset=offset)


def test_a_model_wraps_sources_and_inputs() -> None:
    model = Model("signs", sources={"keras": "net.keras", "torch": Source("p.m:f", label_offset=1)}, inputs="images")
    assert list(model.sources) == ["keras", "torch"]
    assert model.source("torch").label_offset == 1
    assert isinstance(model.inputs, ImageFolder)
    assert isinstance(Model("a", sources={"onnx": "a.onnx"}, inputs="a.npy").inputs, Arrays)


def test_a_sources_own_preprocessing_wins() -> None:
    own = Preprocess.inception(32)
    model = Model(
        "signs",
        sources={"keras": Source("net.keras", preprocess=own), "torch": "p.m:f"},
        inputs=ImageFolder("images", Preprocess.imagenet(32)),
    )
    assert model.preprocess("keras") is own
    assert model.preprocess("torch") == Preprocess.imagenet(32)


@pytest.mark.parametrize("name", ["", "  ", "a[b]", "a::b", 3])
def test_names_that_cannot_be_selected(name: Any) -> None:
    with pytest.raises(DeclarationError, match="model name"):
        Model(name, sources={"onnx": "a.onnx"}, inputs=INPUTS)


def test_no_source() -> None:
    with pytest.raises(DeclarationError, match="has no source"):
        Model("signs", sources={}, inputs=INPUTS)


def test_an_unknown_framework_suggests_the_nearest() -> None:
    with pytest.raises(DeclarationError, match="did you mean 'torch'") as caught:
        Model("signs", sources={"pytorch": "a:b"}, inputs=INPUTS)
    assert "keras" in caught.value.cause


def test_relative_paths_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"")
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    model = Model(
        "signs", sources={"onnx": "net.onnx", "torch": "pkg.m:f"}, inputs=INPUTS, labels="labels.txt"
    ).resolved(tmp_path)
    model.check()
    assert model.source("onnx").path == tmp_path / "net.onnx"
    assert model.source("torch").target == "pkg.m:f"
    assert model.class_names() == ("cat", "dog")
    with pytest.raises(DeclarationError, match=r"model 'signs': onnx source .*none.onnx") as caught:
        Model("signs", sources={"onnx": "none.onnx"}, inputs=INPUTS).resolved(tmp_path).check()
    assert caught.value.cause == "there is no such file or directory"
    with pytest.raises(DeclarationError, match=r"model 'signs': image folder"):
        Model("signs", sources={"onnx": "net.onnx"}, inputs="none").resolved(tmp_path).check()
    with pytest.raises(DeclarationError, match=r"model 'signs': class names"):
        Model("signs", sources={"onnx": "net.onnx"}, inputs=INPUTS, labels="no.txt").resolved(tmp_path).check()


def test_class_names() -> None:
    assert Model("a", sources={"onnx": "a.onnx"}, inputs=INPUTS).class_names() == ()
    assert Model("a", sources={"onnx": "a.onnx"}, inputs=INPUTS, labels=["x", "y"]).class_names() == ("x", "y")


@pytest.mark.parametrize(
    ("name", "framework"),
    [("a.onnx", "onnx"), ("a.TFLITE", "tflite"), ("a.keras", "keras"), ("a.h5", "keras"), ("a.pt2", "torch")],
)
def test_a_files_framework_is_told_by_its_ending(tmp_path: Path, name: str, framework: str) -> None:
    (tmp_path / name).write_bytes(b"")
    assert framework_of(str(tmp_path / name)) == (framework, str(tmp_path / name))


def test_other_models_named_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    assert framework_of(str(tmp_path)) == ("tensorflow", str(tmp_path))
    assert framework_of("pkg.nets:load") == ("torch", "pkg.nets:load")
    assert framework_of("keras=pkg.nets:load") == ("keras", "pkg.nets:load")


def test_what_cannot_be_told(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="there is no such file"):
        framework_of(str(tmp_path / "a.onnx"))
    with pytest.raises(DeclarationError, match=r"saved_model\.pb is missing"):
        framework_of(str(tmp_path))
    (tmp_path / "a.pb").write_bytes(b"")
    with pytest.raises(DeclarationError, match=r"no framework is known for '\.pb'") as caught:
        framework_of(str(tmp_path / "a.pb"))
    assert ".onnx" in caught.value.cause


def _quantized(dtype: str, scale: float, zero_point: int = 0) -> TensorSpec:
    return TensorSpec((1, 3, 32, 32), dtype, quantization=Quantization(scale, zero_point))


@pytest.mark.parametrize(
    ("spec", "usual", "expected"),
    [
        (TensorSpec((1, 3, 32, 32)), "NCHW", ("imagenet", 32, "NCHW", "float32")),
        (TensorSpec((None, 48, 48, 3)), "NCHW", ("inception", 48, "NHWC", "float32")),
        (TensorSpec((1, 32, 32, 3), "uint8"), "NHWC", ("raw", 32, "NHWC", "uint8")),
        (TensorSpec((1, 3, None, None)), "NCHW", ("imagenet", 224, "NCHW", "float32")),
        (None, "NHWC", ("inception", 224, None, "float32")),
        (None, "NCHW", ("imagenet", 224, None, "float32")),
        (
            TensorSpec((1, 32, 32, 3), "int8", quantization=Quantization(1 / 128)),
            "NHWC",
            ("inception", 32, "NHWC", "int8"),
        ),
        (TensorSpec((1, 3, 32, 32), "uint8", quantization=Quantization(1.0)), "NCHW", ("raw", 32, "NCHW", "uint8")),
        (
            TensorSpec((1, 3, 32, 32), "uint8", quantization=Quantization(1 / 255)),
            "NCHW",
            ("unit", 32, "NCHW", "uint8"),
        ),
        (
            TensorSpec((1, 3, 32, 32), "int8", quantization=Quantization(0.0187, -14)),
            "NCHW",
            ("imagenet", 32, "NCHW", "int8"),
        ),
    ],
)
def test_guesses(spec: TensorSpec | None, usual: str, expected: tuple[str, int, str | None, str]) -> None:
    guess = guessed_preprocess(spec, usual)
    name, size, layout, dtype = expected
    given = "float32" if spec is not None and spec.quantization else dtype  # real values
    assert guess.preprocess == getattr(Preprocess, name)(size, layout=layout, dtype=given)
    assert f"preprocessing {name} {size}×{size} {layout or usual} {dtype}" in guess.text
    assert ", guessed (" in guess.text
    assert "--envrobust-preprocess" in guess.text


def test_what_the_user_says_is_not_guessed() -> None:
    guess = guessed_preprocess(TensorSpec((1, 3, 32, 32)), "NCHW", Preparation("caffe", (64, 64)))
    assert guess.preprocess == Preprocess.caffe(64, layout="NCHW")
    assert "guessed" not in guess.text


@pytest.mark.parametrize(
    ("shape", "layout"), [((None, 1, 28, 28), "NCHW"), ((1, 28, 28, 1), "NHWC"), ((None, 28, 28), None)]
)
def test_a_gray_input_gets_gray_pictures_of_its_size(shape: tuple[int | None, ...], layout: str | None) -> None:
    guess = guessed_preprocess(TensorSpec(shape), "NCHW", pictures=[(28, 28)])
    found = guess.preprocess
    assert (found.channels, found.layout, found.resize, found.crop) == ("gray", layout, None, None)
    assert "unit 28×28" in guess.text
    assert "images not resized: they have that size" in guess.text


def test_pictures_of_another_size_are_resized_and_cropped() -> None:
    guess = guessed_preprocess(TensorSpec((1, 3, 32, 32)), "NCHW", pictures=[(32, 32), (32, 40)])
    assert (guess.preprocess.resize, guess.preprocess.crop) == (37, 32)


@pytest.mark.parametrize("shape", [(1, 4, 32, 32), (1, 100)])
def test_an_input_that_takes_no_picture_is_refused_with_a_remedy(shape: tuple[int, ...]) -> None:
    with pytest.raises(DeclarationError, match=r"\.npy"):
        guessed_preprocess(TensorSpec(shape), "NCHW")


def test_bytes_with_a_sign_get_pixels_that_they_hold() -> None:
    guess = guessed_preprocess(TensorSpec((1, 4, 4, 3), "int8"), "NHWC")
    batch = guess.preprocess.apply([np.full((8, 8, 3), value, np.uint8) for value in (0, 255)], layout="NHWC")
    assert [batch.dtype, batch.min(), batch.max()] == [np.int8, -128, 127]


def test_an_oblong_input_is_resized_to_its_sides() -> None:
    guess = guessed_preprocess(TensorSpec((1, 3, 32, 48)), "NCHW")
    assert (guess.preprocess.resize, guess.preprocess.crop) == ((32, 48), None)
    assert guess.preprocess.apply([np.zeros((100, 70, 3), np.uint8)], layout="NCHW").shape == (1, 3, 32, 48)
