"""What variants that were given without a declaration are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pytest_envrobust import Arrays, DeclarationError, Model
from pytest_envrobust.models.variants import key_of, with_variants


@pytest.mark.parametrize(
    ("first", "target", "key"),
    [
        ("net.onnx", "net_int8.onnx", "onnx:int8"),
        ("net_fp32.onnx", "net_int8.onnx", "onnx:int8"),
        ("a/net.onnx", "b/net.onnx", "onnx:b"),
        ("net.onnx", "./net.opt.onnx", "onnx:opt"),
        ("net.onnx", "network.onnx", "onnx:network"),
        ("net_int8.onnx", "net.onnx", "onnx:net"),
        ("net.onnx", "other net (1).onnx", "onnx:other-net-1"),
        ("net.onnx", "x-to-y.onnx", "onnx:x-2-y"),
        ("net.onnx", "pkg.nets:load_int8", "onnx:load_int8"),
        ("net.onnx", "\u00fc.onnx", "onnx"),
    ],
)
def test_the_name_is_what_the_file_has_that_the_first_has_not(first: str, target: str, key: str) -> None:
    assert key_of("onnx", target, {"onnx": first}) == key


def test_the_first_of_a_framework_is_no_variant_and_a_given_name_counts() -> None:
    assert key_of("tflite", "net.tflite", {"onnx": "net.onnx"}) == "tflite"
    assert key_of("tflite", "net.tflite", {"onnx": "net.onnx"}, "int8") == "tflite:int8"


def test_names_that_are_taken() -> None:
    beside = {"onnx": "a/net.onnx", "onnx:b": "b/net.onnx"}
    assert key_of("onnx", "x/b/net.onnx", beside) == "onnx:b-net"


def test_a_model_with_variants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("net_int8.onnx", "net.tflite", "odd=name.onnx"):
        (tmp_path / name).touch()
    model = Model("net", sources={"onnx": "net.onnx"}, inputs=Arrays(np.zeros((1, 3))))
    given = ["net_int8.onnx", "small=net_int8.onnx", "net.tflite", "q=torch=pkg.nets:load", "odd=name.onnx"]
    found = with_variants(model, given).sources
    assert {key: source.target for key, source in found.items()} == {
        "onnx": "net.onnx",
        "onnx:int8": "net_int8.onnx",
        "onnx:small": "net_int8.onnx",
        "tflite": "net.tflite",
        "torch:q": "pkg.nets:load",
        "onnx:odd-name": "odd=name.onnx",
    }
    with pytest.raises(DeclarationError, match="there is a source 'onnx:int8' already"):
        with_variants(model, ["net_int8.onnx", "int8=net_int8.onnx"])
