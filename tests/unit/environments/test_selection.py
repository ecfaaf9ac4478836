from __future__ import annotations

import pytest

from pytest_envrobust import DeclarationError
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.globs import is_glob
from pytest_envrobust.environments.selection import check_patterns, nearest_pattern, select

IDS = ("torch/eager/cpu", "torch/tvm-o3/cpu", "torch/tvm-o3/cpu+avx2", "torch/tvm-tuned/cpu", "keras/eager/cpu")
ALL = tuple(Environment.parse(text) for text in IDS)


def chosen(*patterns: str) -> list[str]:
    return [each.id for each in select(patterns, ALL, named_only=["tvm-tuned"]).chosen]


@pytest.mark.parametrize(
    ("patterns", "ids"),
    [
        (["*"], [IDS[0], IDS[1], IDS[2], IDS[4]]),
        (["*/*/cpu"], [IDS[0], IDS[1], IDS[4]]),
        (["torch/*"], [IDS[0], IDS[1], IDS[2]]),
        (["*/tvm-o[0-3]/*"], [IDS[1], IDS[2]]),
        (["keras/eager/cpu", "torch/eager/cpu"], [IDS[0], IDS[4]]),
        (["torch/tvm-tuned/cpu"], [IDS[3]]),
        (["*/tvm-tuned/*"], [IDS[3]]),
        (["*/tvm-*/*"], [IDS[1], IDS[2]]),
        (["TORCH/*"], []),
        ([], []),
    ],
)
def test_what_patterns_choose(patterns: list[str], ids: list[str]) -> None:
    assert chosen(*patterns) == ids


def test_only_what_was_spelled_out_is_required() -> None:
    selection = select(["torch/*", "keras/eager/cpu"], ALL)
    assert {each.id for each in selection.required} == {"keras/eager/cpu"}
    assert len(selection.chosen) == 5


def test_one_that_a_glob_matches_too_stays_required() -> None:
    assert select(["*", "keras/eager/cpu"], ALL).required == {ALL[4]}


def test_globs() -> None:
    assert is_glob("torch/*")
    assert is_glob("torch/eager/cp?")
    assert is_glob("torch/tvm-o[12]/cpu")
    assert not is_glob("torch/eager/cpu+avx2")


def test_known_patterns_pass() -> None:
    check_patterns(["*", "torch/eager/cpu", "*/tvm-tuned/*"], ALL, "--envrobust-env")


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("torch/eagr/cpu", ["is not an environment", "did you mean 'torch/eager/cpu'?"]),
        ("torch/tvm-o3/cpu+avx", ["did you mean 'torch/tvm-o3/cpu+avx2'?"]),
        ("jax/*", ["matches no environment"]),
        ("??", ["matches no environment", "`envrobust doctor` lists them"]),
    ],
)
def test_an_unknown_pattern_is_an_error_that_suggests(pattern: str, words: list[str]) -> None:
    with pytest.raises(DeclarationError) as caught:
        check_patterns(["*", pattern], ALL, "--envrobust-env")
    assert all(word in caught.value.headline for word in [*words, repr(pattern), "--envrobust-env"])


@pytest.mark.parametrize(
    ("patterns", "ids"),
    [
        (["*"], ["torch/eager/cpu"]),
        (["*/eager/*"], ["torch/eager/cpu"]),
        (["*/*/qemu:*"], ["torch/eager/qemu:Haswell"]),
        (["torch/eager/qemu:Haswell"], ["torch/eager/qemu:Haswell"]),
        (["*haswell"], ["torch/eager/haswell"]),
    ],
)
def test_a_device_that_is_taken_only_when_named(patterns: list[str], ids: list[str]) -> None:
    shy = ["qemu:Haswell", "haswell"]
    every = [Environment("torch", "eager", device) for device in ("cpu", *shy)]
    assert [each.id for each in select(patterns, every, named_only=shy).chosen] == ids


@pytest.mark.parametrize(
    ("pattern", "remedy"),
    [
        ("*/otr-*/*", "did you mean '*/ort-*/*'?"),
        ("onx/ort-all/cpu", "did you mean 'onnx/ort-all/cpu'?"),
        ("onnx/ort-al/cpv", "did you mean 'onnx/ort-all/cpu'?"),
        ("torch/ort-all/cpu", ""),  # each part is some environment's
        ("*/ort-*/*", ""),
        ("onnx/*", ""),
        ("onx/ort-all", "did you mean 'onnx/ort-all/cpu'?"),
        ("zzz/ort-all/cpu", ""),
    ],
)
def test_the_nearest_pattern(pattern: str, remedy: str) -> None:
    ids = ["torch/eager/cpu", "onnx/ort-off/cpu", "onnx/ort-all/cpu", "onnx/tvm-o3/cpu+avx2"]
    assert nearest_pattern(pattern, ids) == remedy


def test_nothing_is_near_where_there_is_no_environment() -> None:
    assert nearest_pattern("onnx/ort-all/cpu", []) == ""
