"""Sources that label inputs otherwise: how much of it their preprocessings make."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

RUN = ("--envrobust-min-label-agreement=0", "-k", "labels")
TAKES = "er.Preprocess(resize=(16, 16), filter='{}', scale=1 / 255)"
NEAREST, BILINEAR = TAKES.format("nearest"), TAKES.format("bilinear")


def declare(project, **sources: str) -> None:
    """A model whose ONNX source, the reference's, is resized bilinearly; other sources by framework and variant."""
    told = {
        "onnx": f"er.Source('colors.onnx', {BILINEAR})",
        **{key.replace("_", ":"): text for key, text in sources.items()},
    }
    project.declare(
        f"er.Model('net', sources={{{', '.join(f'{key!r}: {text}' for key, text in told.items())}}}, inputs='pictures')"
    )


def swapped(there: int, back: int, part: str = "filter") -> list[dict[str, object]]:
    """The flips that are left where the source takes a part of the reference's preprocessing, and the other way."""
    left = {"parts": [part], "new": 0}
    return [{**left, "flips": there}, {**left, "flips": back, "by_reference": True}]


@pytest.fixture
def pictures(project, labels_test):
    """Two plain pictures of each of red and green, and five of stripes: red or, where only odd columns count, green."""
    project.bring("colors.onnx", "nets.py")
    (project.path / "pictures").mkdir()
    red, green = (220, 20, 20), (20, 220, 20)
    for number, (even, odd) in enumerate([(red, red), (green, green)] * 2 + [(red, green)] * 5):
        pixels = np.zeros((32, 32, 3), dtype=np.uint8)
        pixels[:, 0::2], pixels[:, 1::2] = even, odd
        Image.fromarray(pixels).save(project.path / "pictures" / f"{number}.png")
    return project


def test_what_the_filter_makes_is_told_apart_from_what_the_weights_make(pictures) -> None:
    declare(
        pictures,
        torch=f"er.Source('nets:colors', {NEAREST})",
        torch_weights=f"er.Source('nets:swapped', {BILINEAR})",
        torch_both=f"er.Source('nets:swapped', {NEAREST})",
        torch_alike=f"er.Source('nets:colors', {BILINEAR})",
    )
    reports = ("--envrobust-html=run.html", "--envrobust-markdown=run.md")
    result = pictures.run("--envrobust-env=torch*/eager/cpu", *RUN, *reports)
    result.assert_outcomes(passed=4)
    (model,) = pictures.record()["models"]
    found = model["decompositions"]
    assert {name: (part["flips"], part.get("swaps")) for name, part in found.items()} == {
        "torch": (5, swapped(0, 0)),
        "torch:weights": (4, None),
        "torch:both": (9, swapped(4, 9)),
    }
    assert {(part["n"], part["reference"]) for part in found.values()} == {(9, "onnx/ort-off/cpu")}
    said = [
        "5 of 9 labels differ between torch/eager/cpu and onnx/ort-off/cpu; torch with ",
        "resize filter 0: all 5 are preprocessing",
        "both are prepared alike: all 4 are weights and definition",
        "5 of the 9 are preprocessing (p = 0.062: it may be chance), 4 weights and definition",
    ]
    page, summary = ((pictures.path / name).read_text(encoding="utf-8") for name in ("run.html", "run.md"))
    for text in said:
        assert text in result.stdout.str()
        assert text in page
        assert text in summary


def test_a_function_is_taken_whole(pictures) -> None:
    pictures.write("prepare.py", "def odd(image):\n    return image[1::2, 1::2].transpose(2, 0, 1) / 255.0\n")
    declare(pictures, onnx_odd="er.Source('colors.onnx', __import__('prepare').odd)")
    pictures.run("--envrobust-env=onnx:odd/ort-all/cpu", *RUN).assert_outcomes(passed=1)
    (model,) = pictures.record()["models"]
    part = model["decompositions"]["onnx:odd"]
    assert (part["environment"], part["flips"], part["shared"]) == ("onnx:odd/ort-all/cpu", 5, "network")
    assert part["swaps"] == swapped(0, 0, "all")


def test_several_processes_find_it_out_once(pictures) -> None:
    pytest.importorskip("xdist")
    declare(pictures, onnx_odd=f"er.Source('colors.onnx', {NEAREST})")
    result = pictures.run("--envrobust-env=onnx:odd/ort-*/cpu", *RUN, "-n", "2", "-v", plugins=("xdist",))
    result.assert_outcomes(passed=4)
    (model,) = pictures.record()["models"]
    assert model["decompositions"]["onnx:odd"]["flips"] == 5
    assert model["decompositions"]["onnx:odd"]["swaps"] == swapped(0, 0)
