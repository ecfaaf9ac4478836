"""Arrays on their way between processes: in the message, or in a file that both map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import execnet
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from pytest_envrobust.workers.transport import Handle, Scratch, pack, put, take, view

INLINE = 1 << 18
"""Bytes up to which an array travels in the message."""


def sent(handle: Handle) -> Handle:
    """The handle as it is at the other end of a channel."""
    copy: Handle = execnet.loads(execnet.dumps(handle))
    return copy


@pytest.mark.parametrize(("size", "in_a_file"), [(1, False), (INLINE, False), (INLINE + 1, True), (3 * INLINE, True)])
def test_a_small_array_travels_in_the_message(tmp_path: Path, size: int, in_a_file: bool) -> None:
    array = np.random.default_rng(size).integers(0, 256, size=size, dtype=np.uint8)
    handle = sent(pack(array, tmp_path))
    assert len(list(tmp_path.iterdir())) == in_a_file
    np.testing.assert_array_equal(take(handle), array)
    assert not list(tmp_path.iterdir())  # it is taken once


@pytest.mark.parametrize("rows", [2, 40_000])
@pytest.mark.parametrize(
    "change",
    [
        lambda array: array,
        lambda array: array[::-1],
        lambda array: array[:, 1:3],
        lambda array: array.T,
        np.asfortranarray,
        lambda array: array.astype(">f4"),
        lambda array: np.where(array > 0, array, np.nan),
    ],
    ids=["plain", "reversed", "columns", "transposed", "fortran", "big-endian", "nan"],
)
def test_it_arrives_as_it_was(tmp_path: Path, change: Any, rows: int) -> None:
    array: NDArray[Any] = change(np.random.default_rng(rows).normal(size=(rows, 5)).astype(np.float32))
    found = take(sent(pack(array, tmp_path)))
    np.testing.assert_array_equal(found, array)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)


@pytest.mark.parametrize("rows", [2, 40_000])
def test_what_was_taken_is_the_takers_own(tmp_path: Path, rows: int) -> None:
    array = np.ones((rows, 5), np.float32)
    found = take(pack(array, tmp_path))
    found += 1
    assert array.max() == 1
    assert found.min() == 2


@settings(max_examples=40)
@given(
    arrays.arrays(
        dtype=st.sampled_from(["float16", "float32", "float64", "int8", "uint8", "int64", "bool"]),
        shape=arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    )
)
def test_any_shape_and_dtype(tmp_path_factory: pytest.TempPathFactory, array: NDArray[Any]) -> None:
    folder = tmp_path_factory.mktemp("scratch")
    for handle in (pack(array, folder), put(array, folder)):
        found = take(sent(handle))
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found, array)


def test_a_mapped_array_takes_writing_and_keeps_it_to_itself(tmp_path: Path) -> None:
    """A model that works in place spoils neither the file nor what others see."""
    array = np.arange(6.0).reshape(2, 3)
    handle = sent(put(array, tmp_path))
    mine, theirs = view(handle), view(handle)
    assert type(mine) is np.ndarray
    mine[:] = -1
    np.testing.assert_array_equal(theirs, array)
    np.testing.assert_array_equal(view(handle), array)
    del mine, theirs


def test_only_what_lasts_may_be_kept_mapped() -> None:
    scratch = Scratch()
    try:
        assert scratch.put(np.zeros(3))["lasting"]
        with scratch.lend(np.ones(3)) as handle:
            assert "lasting" not in handle
            np.testing.assert_array_equal(view(handle), np.ones(3))
        assert not Path(handle["path"]).exists()
    finally:
        scratch.remove()
    assert not scratch.path.exists()
