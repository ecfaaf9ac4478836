"""How many flips the preprocessing makes, from labels."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_envrobust.comparison.decomposition import Decomposition, Swap, decomposed, tried, tried_back

REFERENCE = np.arange(10)


def labels(*flipped: int):
    """The reference's labels, but for these inputs."""
    found = REFERENCE.copy()
    found[list(flipped)] = 99
    return found


def test_flips_that_vanish_are_the_preprocessings_and_new_ones_are_counted() -> None:
    found = decomposed(REFERENCE, labels(0, 1, 2, 3, 4), {("filter",): labels(0, 1, 2, 9)}, {})
    assert (found.n, found.flips) == (10, 5)
    assert found.swaps == (Swap(("filter",), flips=4, new=1),)
    assert found.of_preprocessing == 1
    assert found.p == pytest.approx(1.0)  # two vanish and one comes: chance does no less


def test_all_vanish_or_none() -> None:
    whole = decomposed(REFERENCE, labels(*range(6)), {("filter",): REFERENCE}, {})
    assert whole.of_preprocessing == 6
    assert whole.p == pytest.approx(2 / 2**6)
    assert decomposed(REFERENCE, labels(0, 1), {("filter",): labels(0, 1)}, {}).of_preprocessing == 0
    assert decomposed(REFERENCE, labels(0, 1), {}, {}).of_preprocessing == 0


def test_an_input_without_a_label_is_a_flip_even_where_the_reference_has_none() -> None:
    undefined = np.array([-1, 1, 2])
    assert decomposed(undefined, undefined, {}, {}).flips == 1


def test_the_reference_with_the_others_preprocessing_counts_as_well() -> None:
    coarse, back = labels(*range(8)), np.where(np.arange(10) < 3, REFERENCE, labels(*range(4)))
    found = decomposed(REFERENCE, labels(0, 1, 2, 3), {("filter",): coarse}, {("filter",): back})
    assert found.swaps == (Swap(("filter",), 8, 4), Swap(("filter",), 3, 0, by_reference=True))
    assert found.of_preprocessing == 1


def swaps(**flips: int) -> Decomposition:
    """36 flips of 200, and those that are left by the parts taken, which are joined by an underscore."""
    return Decomposition(200, 36, tuple(Swap(tuple(parts.split("_")), left, 0) for parts, left in flips.items()))


def test_all_of_the_resizing_counts_not_the_part_that_leaves_fewest() -> None:
    found = swaps(filter=20, geometry=27, filter_geometry=23)
    assert found.counted == Swap(("filter", "geometry"), 23, 0)
    assert found.of_preprocessing == 13


def test_what_a_network_is_trained_for_counts_only_where_it_leaves_fewer() -> None:
    apart = swaps(filter=30, values=68, filter_values=60)
    assert (apart.counted, apart.of_preprocessing) == (Swap(("filter",), 30, 0), 6)
    mistaken = swaps(filter=30, values=9, filter_values=2)
    assert (mistaken.counted, mistaken.of_preprocessing) == (Swap(("filter", "values"), 2, 0), 34)
    alone = swaps(channels=0)
    assert alone.of_preprocessing == 36
    assert swaps(channels=50).counted is None
    assert swaps(filter=40).of_preprocessing == 0


def test_which_parts_are_taken_at_a_time() -> None:
    assert tried(()) == []
    assert tried(("values",)) == [("values",)]
    assert tried(("filter", "geometry")) == [("filter",), ("geometry",), ("filter", "geometry")]
    assert tried(("filter", "geometry", "channels", "values")) == [
        ("filter",),
        ("geometry",),
        ("filter", "geometry"),
        ("channels",),
        ("values",),
        ("filter", "geometry", "channels", "values"),
    ]


def test_the_reference_takes_all_of_the_resizing_at_once() -> None:
    assert tried_back(("filter", "geometry", "values")) == [("filter", "geometry")]
    assert tried_back(("channels", "values")) == [("channels", "values")]
    assert tried_back(()) == []
