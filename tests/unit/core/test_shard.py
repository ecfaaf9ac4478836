"""The cells of a run, partitioned into shards."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.shard import Shard

COMPILERS = ("eager", "ort-off", "ort-all", "tvm-o0", "tvm-o1", "tvm-o2", "tvm-o3", "openvino")
MODELS = ("a", "b", "c", "d")


CELLS = [
    (model, f"{framework}/{compiler}/cpu")
    for model in MODELS
    for framework in ("torch", "keras", "onnx")
    for compiler in COMPILERS
]


@pytest.mark.parametrize("of", [1, 2, 3, 7, 8, 96, 200])
def test_every_cell_is_in_one_shard_and_shards_differ_by_one_cell(of: int) -> None:
    shares = [Shard(number, of).share(CELLS) for number in range(1, of + 1)]
    assert Counter(cell for share in shares for cell in share) == Counter(CELLS)
    sizes = {len(share) for share in shares}
    assert max(sizes) - min(sizes) <= 1


def test_it_depends_on_the_names_alone() -> None:
    shuffled = random.Random(3).sample(CELLS, len(CELLS))
    for number in (1, 2, 3):
        assert Shard(number, 3).share([*shuffled, *CELLS]) == Shard(number, 3).share(CELLS)


@pytest.mark.parametrize("of", [2, 3, 4, 5, 8])
def test_families_of_compilers_and_models_are_spread(of: int) -> None:
    """The numbers divide each other: given out in turn, a shard got one environment of all models, or one model."""
    for kind in (lambda cell: Environment.parse(cell[1]).compiler_family, lambda cell: cell[0]):
        for name, count in Counter(map(kind, CELLS)).items():
            for number in range(1, of + 1):
                share = Shard(number, of).share(CELLS)
                assert abs(Counter(map(kind, share))[name] - count / of) < 2, (number, name)


def test_the_shards_of_a_record_never_change() -> None:
    """Whoever merges records computes them again, perhaps years later."""
    ways = ("torch/eager", "keras/eager", "onnx/ort-all", "onnx/ort-off", "onnx/tvm-o0", "onnx/tvm-o3", "onnx/openvino")
    cells = [(model, f"{way}/cpu") for model in ("a", "b") for way in ways]
    assert [Shard(number, 3).share(cells) for number in (1, 2)] == [
        {
            ("a", "keras/eager/cpu"),
            ("b", "torch/eager/cpu"),
            ("a", "onnx/ort-all/cpu"),
            ("b", "onnx/ort-off/cpu"),
            ("a", "onnx/tvm-o3/cpu"),
        },
        {
            ("b", "keras/eager/cpu"),
            ("a", "onnx/openvino/cpu"),
            ("b", "onnx/ort-all/cpu"),
            ("a", "onnx/tvm-o0/cpu"),
            ("b", "onnx/tvm-o3/cpu"),
        },
    ]


def test_predictions_recorded_elsewhere_are_cells_too() -> None:
    cells = [("a", "keras/recorded/elsewhere"), ("a", "keras/eager/cpu")]
    assert Shard(1, 2).share(cells) | Shard(2, 2).share(cells) == set(cells)


def test_parsing() -> None:
    assert Shard.parse("3/8", "--envrobust-shard") == Shard(3, 8)
    assert str(Shard.parse(" 08/8 ", "--envrobust-shard")) == "8/8"


@pytest.mark.parametrize(
    "text", ["0/3", "4/3", "a/b", "1/0", "0/0", "3", "/3", "1/", "1/2/3", "-1/2", "1.0/2", "", "٣/٨", "1/10000"]
)
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        Shard.parse(text, "--envrobust-shard")
    assert (
        str(caught.value)
        == f"--envrobust-shard {text}: it is K/N, the K-th of N shards; K is 1 to N, and N at most 9999"
    )
