"""Batches for a session: views where that is safe, copies where the model works in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pytest_envrobust.workers.feed import Feed

Model = Callable[[NDArray[Any]], None]


def aligned(array: NDArray[Any], off: int = 0) -> NDArray[Any]:
    """The same array in memory that starts ``off`` bytes behind a multiple of 64."""
    memory = np.zeros(array.nbytes + 128, np.uint8)
    start = -memory.ctypes.data % 64 + off
    made = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    made[:] = array
    return made


def images(count: int, dtype: str = "float32") -> NDArray[Any]:
    """Inputs of 64 elements each, so that each starts as well aligned as the first."""
    values = np.random.default_rng(0).integers(1, 100, size=(count, 4, 16))
    return aligned(values.astype(dtype))


def reads(batch: NDArray[Any]) -> None:
    """A model that leaves its input alone."""


def writes(batch: NDArray[Any]) -> None:
    """One that normalizes in place."""
    batch -= 7


def fed(inputs: NDArray[Any], model: Model, batch: int, feed: Feed | None = None) -> list[NDArray[Any]]:
    """Run all inputs as a worker does, and return the batches as they were when the model got them."""
    feed = feed or Feed()
    seen = []
    for first in range(0, len(inputs), batch):
        chunk = feed.chunk(inputs, first, batch)
        seen.append(chunk.copy())
        model(chunk)
        feed.check(inputs, first, chunk)
    return seen


@pytest.mark.parametrize("batch", [1, 4, 6, 20])
@pytest.mark.parametrize("model", [reads, writes])
def test_every_input_comes_once_and_the_last_fills_up(model: Model, batch: int) -> None:
    inputs = images(10)
    before = inputs.copy()
    seen = fed(inputs, model, batch)
    assert {len(each) for each in seen} == {batch}
    given_out = np.concatenate(seen)
    np.testing.assert_array_equal(given_out[:10], before)
    for filler in given_out[10:]:
        np.testing.assert_array_equal(filler, before[-1])
    np.testing.assert_array_equal(inputs, before)


def test_a_model_that_leaves_its_input_alone_gets_views() -> None:
    inputs, feed = images(8), Feed()
    fed(inputs[:2], reads, 2, feed)
    for first in (0, 2, 6):
        chunk = feed.chunk(inputs, first, 2)
        assert np.shares_memory(chunk, inputs)
        np.testing.assert_array_equal(chunk, inputs[first : first + 2])


def test_a_model_that_writes_into_its_input_gets_copies() -> None:
    inputs, feed = images(8), Feed()
    fed(inputs[:2], writes, 2, feed)
    for first in (0, 2, 6):
        assert not np.shares_memory(feed.chunk(inputs, first, 2), inputs)


@pytest.mark.parametrize("first", [0, 2])
def test_nothing_is_given_away_before_it_is_known(first: int) -> None:
    inputs, feed = images(8), Feed()
    assert not np.shares_memory(feed.chunk(inputs, first, 2), inputs)
    assert not np.shares_memory(feed.chunk(inputs, first, 2), inputs)


def test_what_the_first_call_showed_stands() -> None:
    inputs, feed = images(8), Feed()
    fed(inputs[:2], writes, 2, feed)
    fed(inputs[2:4], reads, 2, feed)
    assert not np.shares_memory(feed.chunk(inputs, 4, 2), inputs)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float32", "float64", "complex64"])
@pytest.mark.parametrize("model", [reads, writes])
def test_any_kind_of_number(dtype: str, model: Model) -> None:
    inputs, feed = images(4, dtype), Feed()
    fed(inputs[:2], model, 2, feed)
    assert np.shares_memory(feed.chunk(inputs, 2, 2), inputs) is (model is reads)


@pytest.mark.parametrize("model", [reads, writes])
def test_inputs_with_nan_are_no_sign_of_writing(model: Model) -> None:
    inputs, feed = images(4), Feed()
    inputs[0, 0, :3] = np.nan
    before = inputs.copy()
    fed(inputs[:2], model, 2, feed)
    np.testing.assert_array_equal(inputs, before)
    assert np.shares_memory(feed.chunk(inputs, 2, 2), inputs) is (model is reads)


def test_a_model_that_puts_nan_into_its_input_is_found_out() -> None:
    def spoils(batch: NDArray[Any]) -> None:
        batch[0, 0, 0] = np.nan

    inputs, feed = images(4), Feed()
    fed(inputs[:2], spoils, 2, feed)
    assert not np.shares_memory(feed.chunk(inputs, 2, 2), inputs)


@pytest.mark.parametrize("model", [reads, writes])
def test_a_first_batch_that_is_filled_up_shows_it_as_well(model: Model) -> None:
    inputs, feed = images(3), Feed()
    fed(inputs, model, 8, feed)
    assert np.shares_memory(feed.chunk(inputs, 0, 1), inputs) is (model is reads)


def test_inputs_that_engines_would_copy_are_copied_before() -> None:
    """Not within a call, whose time it would be."""
    inputs, feed = aligned(images(4), off=4), Feed()
    fed(inputs[:2], reads, 2, feed)
    assert not np.shares_memory(feed.chunk(inputs, 2, 2), inputs)


@given(st.integers(1, 12), st.integers(1, 5), st.data())
def test_a_batch_is_what_was_asked_for(count: int, batch: int, data: st.DataObject) -> None:
    inputs, feed = images(count), Feed()
    if data.draw(st.booleans()):
        fed(inputs[:1], reads, 1, feed)
    first = data.draw(st.integers(0, count - 1))
    chunk = feed.chunk(inputs, first, batch)
    assert (chunk.shape, chunk.dtype, chunk.flags.c_contiguous) == ((batch, 4, 16), inputs.dtype, True)
    for place, row in enumerate(chunk):
        np.testing.assert_array_equal(row, inputs[min(first + place, count - 1)])
