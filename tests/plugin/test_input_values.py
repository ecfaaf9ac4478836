"""What a source is really fed: a quantized input, gray pictures, a function as the preprocessing.

The classifier says how bright a picture is: each level is the one nearest to its pixels' mean.
"""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

LEVELS = (140, 165, 200, 250)
SIDE = 8
SHOW = (
    "--envrobust-model=levels.onnx",
    "--envrobust-inputs=pictures",
    r"--envrobust-truth=^\d(\d)",
    "--envrobust-check=labels",
    "--envrobust-env=onnx/ort-all/cpu",
)


def write_model(path, levels, *, channels: int, quantized: bool) -> None:
    """``levels`` are those that its input's real values have."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    real = np.asarray(levels, np.float32)
    tensors = {"w": 2 * real[None], "b": -(real**2), "s": np.float32(1 / 127.5), "z": np.int8(-1)}
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "s", "z"], ["real"]) if quantized else None,
        helper.make_node("ReduceMean", ["real" if quantized else "x"], ["m"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Flatten", ["m"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["y"]),
    ]
    dtype = TensorProto.INT8 if quantized else TensorProto.FLOAT
    graph = helper.make_graph(
        [node for node in nodes if node is not None],
        "levels",
        [helper.make_tensor_value_info("x", dtype, ["N", channels, SIDE, SIDE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", len(levels)])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


@pytest.fixture
def pictures(project):
    """Pictures of each level, named by place and class."""
    (project.path / "pictures").mkdir()
    for place, level in enumerate(LEVELS):
        Image.new("RGB", (SIDE, SIDE), (level,) * 3).save(project.path / "pictures" / f"{place}{place}.png")
    return project


def accuracy_of(project) -> float:
    (model,) = project.record()["models"]
    top1: float = model["analysis"]["accuracy"][0]["top1"]
    return top1


@pytest.mark.parametrize(
    "options", [(), ("--envrobust-preprocess=inception",), ("--envrobust-mean=.5", "--envrobust-std=.5")]
)
def test_a_quantized_input_is_fed_its_own_integers(pictures, options: tuple[str, ...]) -> None:
    write_model(pictures.path / "levels.onnx", np.array(LEVELS) / 127.5 - 1, channels=3, quantized=True)
    pictures.run(*SHOW, *options).assert_outcomes(passed=1)
    assert accuracy_of(pictures) == 1.0
    (model,) = pictures.record()["models"]
    assert "int8 of scale 0.00784314, zero point -1" in model["sources"]["onnx"]["preprocess"]


def test_what_a_quantized_input_clips_stands_in_the_report(pictures) -> None:
    write_model(pictures.path / "levels.onnx", np.array(LEVELS) / 127.5 - 1, channels=3, quantized=True)
    result = pictures.run(*SHOW, "--envrobust-preprocess=imagenet")
    result.stdout.fnmatch_lines(["*% of the values for its input int8* are clipped*--envrobust-preprocess inception*"])
    assert pictures.record()["models"][0]["notices"]


def test_a_gray_input_gets_gray_pictures(pictures) -> None:
    write_model(pictures.path / "levels.onnx", np.array(LEVELS) / 255, channels=1, quantized=False)
    pictures.run(*SHOW).assert_outcomes(passed=1)
    assert accuracy_of(pictures) == 1.0


def test_a_function_prepares_the_images_and_its_error_names_the_input(pictures) -> None:
    write_model(pictures.path / "levels.onnx", np.array(LEVELS) / 255, channels=3, quantized=False)
    inputs = r"er.ImageFolder('pictures', prepared, truth='^\\d(\\d)')"
    function = """
        LIMIT = 256

        def prepared(image):
            if image.max() >= LIMIT:
                raise ValueError("too bright")
            return image / 255
    """
    pictures.write("test_it.py", "def test_labels(envrobust):\n    envrobust.assert_labels_agree()\n")
    pictures.declare(f"er.Model('levels', {{'onnx': 'levels.onnx'}}, inputs={inputs})", more=function)
    pictures.run("--envrobust-env=onnx/ort-all/cpu").assert_outcomes(passed=1)
    assert accuracy_of(pictures) == 1.0
    assert "conftest:prepared (code " in pictures.record()["models"][0]["sources"]["onnx"]["preprocess"]
    text = (pictures.path / "conftest.py").read_text()
    (pictures.path / "conftest.py").write_text(text.replace("LIMIT = 256", "LIMIT = 250"))
    result = pictures.run("--envrobust-env=onnx/ort-all/cpu")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*prepared* fails for 33.png: ValueError: too bright*"])
