"""Environments and sources as text: frameworks, variants, conversions."""

from __future__ import annotations

import pytest

from pytest_envrobust.core.environment import Environment, SourceKey, without_variant
from pytest_envrobust.core.errors import DeclarationError


@pytest.mark.parametrize(
    ("text", "framework", "variant", "source", "definition"),
    [
        ("torch/eager/cpu", "torch", "", "torch", "torch"),
        ("onnx:int8/ort-all/cuda:0", "onnx", "int8", "onnx:int8", "onnx"),
        ("keras-to-torch/eager/qemu:Haswell", "keras-to-torch", "", "keras", "torch"),
        ("keras:v2.1-b/graph/cpu", "keras", "v2.1-b", "keras:v2.1-b", "keras"),
        ("keras:int8-to-torch/eager/cpu+avx2", "keras-to-torch", "int8", "keras:int8", "torch"),
        ("onnx:recorded-on-phone/recorded/elsewhere", "onnx", "recorded-on-phone", "onnx:recorded-on-phone", "onnx"),
    ],
)
def test_an_environment_is_read_and_written(
    text: str, framework: str, variant: str, source: str, definition: str
) -> None:
    environment = Environment.parse(text)
    assert environment.id == text
    assert (environment.framework, environment.variant) == (framework, variant)
    assert (environment.source, environment.definition) == (source, definition)
    assert environment.source_framework == SourceKey.parse(source).framework


@pytest.mark.parametrize("text", ["onnx:", "onnx:a b", "onnx:a/b", "onnx:a[1]", "onnx:a:b", "onnx:a-to-b", "onnx:*"])
def test_what_no_variant_can_be_called(text: str) -> None:
    with pytest.raises(DeclarationError, match="a variant's name is of letters"):
        SourceKey.parse(text)


@pytest.mark.parametrize(
    ("pattern", "plain"),
    [
        ("onnx:int8/ort-all/cpu", "onnx/ort-all/cpu"),
        ("*:int8/*", "*/*"),
        ("onnx:*-to-torch/*/cuda:0", "onnx-to-torch/*/cuda:0"),
        ("*:int8*", "*"),
        ("onnx/*/cuda:0", "onnx/*/cuda:0"),
    ],
)
def test_a_pattern_without_its_variant(pattern: str, plain: str) -> None:
    assert without_variant(pattern) == plain
