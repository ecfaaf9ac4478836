"""Pairs that differ in one factor alone: which, their labels, their times."""

from __future__ import annotations

import math
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_envrobust.comparison.sensitivity import Clock, Sensitivity, Times, differing_factor, sensitivities
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError

INF = math.inf
REFERENCE = Times({"wall": (1, 1, 1), "cpu": (1, 1, 1)})


def environments(*names: str) -> list[Environment]:
    return [Environment.parse(name) for name in names]


def by_name(found: list[Sensitivity]) -> dict[str, Sensitivity]:
    return {item.part or item.factor: item for item in found}


def ratio(low: float, mid: float, high: float, clock: Clock = "cpu") -> Times:
    return Times({clock: (low, mid, high)}, clock=clock)


def timed(*times: Times | None) -> Sensitivity:
    """What environments of as many compilers show."""
    names = [f"torch/compiler{number}/cpu" for number in range(len(times))]
    (found,) = sensitivities(environments(*names), [0] * len(times), np.zeros((1, 1)), times)
    return found


def test_the_factor_in_which_two_environments_differ() -> None:
    torch, keras, script, cuda, both = environments(
        "torch/eager/cpu", "keras/eager/cpu", "torch/script/cpu", "torch/eager/cuda:0", "keras/eager/cuda:0"
    )
    assert [differing_factor(torch, other) for other in (keras, script, cuda, both, torch)] == [
        "framework",
        "compiler",
        "device",
        None,
        None,
    ]


def test_a_variant_is_a_factor_of_its_own_and_is_not_mixed_with_the_framework() -> None:
    some = environments("onnx/tvm-o3/cpu", "onnx:int8/tvm-o3/cpu", "torch/tvm-o3/cpu")
    matrix = np.array([[0, 0.5, 0.1], [0.5, 0, 0.6], [0.1, 0.6, 0]])
    found = by_name(sensitivities(some, [0, 1, 2], matrix))
    assert {name: item.labels.largest for name, item in found.items() if item.labels} == {
        "framework": 0.1,
        "definitions": 0.1,
        "variant": 0.5,
    }


def test_labels_of_each_factor_by_hand() -> None:
    some = environments("torch/eager/cpu", "torch/script/cpu", "keras/eager/cpu", "keras-to-torch/eager/cpu")
    matrix = np.array([[0, 0.3, 0.1], [0.3, 0, 0.2], [0.1, 0.2, 0]])
    found = by_name(sensitivities(some, [0, 0, 1, 2], matrix))
    assert list(found) == ["framework", "definitions", "conversions", "compiler"]
    framework = found["framework"]
    assert (framework.pairs, framework.environments, framework.distinct_outputs) == (3, 3, 3)
    assert framework.labels is not None
    assert framework.labels.mean == pytest.approx(0.2)
    assert (framework.labels.largest, framework.labels.pair) == (0.3, (some[0], some[2]))
    assert (found["definitions"].pairs, found["conversions"].pairs) == (2, 1)
    conversion, compiler = found["conversions"].labels, found["compiler"].labels
    assert conversion is not None and compiler is not None  # noqa: PT018
    assert (conversion.largest, conversion.pair) == (0.2, (some[2], some[3]))
    assert (compiler.mean, compiler.largest) == (0, 0)
    assert found["compiler"].distinct_outputs == 1
    assert all(item.time is None for item in found.values())


def test_without_pairs_there_is_nothing() -> None:
    assert sensitivities([], [], np.zeros((0, 0))) == []
    assert sensitivities(environments("a/b/c", "d/e/c"), [0, 0], np.zeros((1, 1))) == []


def test_undefined_dissimilarities_are_left_out() -> None:
    some = environments("torch/a/cpu", "torch/b/cpu")
    (found,) = sensitivities(some, [0, 1], np.full((2, 2), math.nan))
    assert (found.pairs, found.labels) == (1, None)


def test_ratios_are_divided_and_their_intervals_too() -> None:
    time = timed(REFERENCE, ratio(1.5, 2.0, 2.5), ratio(0.4, 0.5, 0.8)).time
    assert time is not None
    assert time.largest == pytest.approx(4.0)
    assert time.interval == pytest.approx((1.5 / 0.8, 2.5 / 0.4))
    assert [environment.compiler for environment in time.pair] == ["compiler1", "compiler2"]
    assert (time.clock, time.source) == ("cpu", "pairs")


@pytest.mark.parametrize("mid", [0.5, 2.0])
def test_the_reference_itself_is_exactly_one(mid: float) -> None:
    time = timed(REFERENCE, ratio(mid * 0.9, mid, mid * 1.1)).time
    assert time is not None
    assert time.largest == 2
    assert time.interval == pytest.approx((1.8, 2.2) if mid == 2 else (2 / 1.1, 2 / 0.9))
    assert time.pair[0].compiler == ("compiler1" if mid == 2 else "compiler0")


def test_an_unbounded_interval_is_absent() -> None:
    time = timed(REFERENCE, ratio(0.0, 3.0, INF)).time
    assert time is not None
    assert (time.largest, time.interval) == (3, None)


def test_medians_count_only_where_no_pair_has_ratios() -> None:
    medians = [Times(medians={"cpu": median}) for median in (10.0, 50.0, 20.0)]
    alone = timed(*medians).time
    assert alone is not None
    assert (alone.largest, alone.interval, alone.source) == (5, None, "predictions")
    assert [environment.compiler for environment in alone.pair] == ["compiler1", "compiler0"]
    both = timed(*medians, REFERENCE, ratio(1.0, 1.5, 2.0)).time
    assert both is not None
    assert (both.largest, both.source) == (1.5, "pairs")


def test_times_of_two_sorts_make_no_pair() -> None:
    assert timed(ratio(1, 2, 3), Times(medians={"cpu": 4.0, "wall": 4.0})).time is None
    assert timed(ratio(1, 2, 3), None).time is None


@pytest.mark.parametrize("mid", [0.0, math.nan, INF])
def test_a_ratio_that_says_nothing_makes_no_pair(mid: float) -> None:
    assert timed(REFERENCE, ratio(0.0, mid, INF)).time is None


def test_devices_of_two_clocks_are_compared_on_the_wall_clock() -> None:
    some = environments("torch/eager/cpu", "torch/eager/cuda:0")
    cuda = Times({"wall": (0.1, 0.2, 0.4), "cpu": (0.9, 0.95, 1.0)}, clock="wall")
    (found,) = sensitivities(some, [0, 0], np.zeros((1, 1)), [REFERENCE, cuda])
    assert found.time is not None
    assert (found.factor, found.time.clock, found.time.largest) == ("device", "wall", 5)
    assert found.time.interval == pytest.approx((2.5, 10))


@pytest.mark.parametrize(
    ("other", "clock"), [({"wall": (1, 3, 4), "cpu": (1, 2, 3)}, "cpu"), ({"wall": (1, 3, 4)}, "wall")]
)
def test_cpu_time_is_preferred_where_both_have_it(other: dict[Clock, tuple[float, float, float]], clock: str) -> None:
    time = timed(REFERENCE, Times(other)).time
    assert time is not None
    assert time.clock == clock


@given(st.sets(st.tuples(*[st.sampled_from("abc")] * 3), min_size=1), st.randoms(use_true_random=False))
def test_pairs_are_all_those_that_differ_in_one_factor(parts: set[tuple[str, str, str]], random: object) -> None:
    some = [Environment(*part) for part in sorted(parts)]
    random.shuffle(some)  # type: ignore[attr-defined]
    found = sensitivities(some, list(range(len(some))), np.zeros((len(some), len(some))))
    whole = {item.factor: item for item in found if item.part is None}
    expected = [one for one in combinations(parts, 2) if sum(a != b for a, b in zip(*one)) == 1]
    assert sum(item.pairs for item in whole.values()) == len(expected)
    for item in whole.values():
        assert item.distinct_outputs == item.environments <= len(some)
    parted = [item for item in found if item.part is not None]
    assert sum(item.pairs for item in parted) == (whole["framework"].pairs if "framework" in whole else 0)


def test_a_full_grid_counts_every_pair() -> None:
    some = [Environment(*parts) for parts in product(("torch", "keras"), ("a", "b", "c"), ("cpu", "cuda:0"))]
    found = by_name(sensitivities(some, [0] * 12, np.zeros((1, 1))))
    assert {name: item.pairs for name, item in found.items()} == {
        "framework": 6,
        "definitions": 6,
        "compiler": 12,
        "device": 6,
    }


def test_arguments_must_fit() -> None:
    some = environments("a/b/c", "a/d/c")
    with pytest.raises(DeclarationError, match="do not go together"):
        sensitivities(some, [0], np.zeros((1, 1)))
    with pytest.raises(DeclarationError, match="does not hold 2 distinct outputs"):
        sensitivities(some, [0, 1], np.zeros((1, 1)))
