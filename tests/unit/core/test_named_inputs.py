"""Several named inputs as one array, and apart again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pytest_envrobust import Arrays, DeclarationError
from pytest_envrobust.core.digests import output_digest
from pytest_envrobust.core.errors import StageFailure
from pytest_envrobust.core.named_inputs import combined, declared_spec, dtype_of, feeds, spec_of, zeros_for
from pytest_envrobust.core.sources import Inspection, input_spec
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.workers import transport
from pytest_envrobust.workers.feed import Feed
from pytest_envrobust.workers.protocol import decode_spec, encode_spec

IMAGE = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
FLAG = np.array([0, 1, 1, 0], dtype=np.uint8)
BATCH = combined({"flag": FLAG, "image": IMAGE})


def test_each_input_comes_back_contiguous_and_aligned() -> None:
    for start, stop in ((0, 4), (1, 2)):
        found = feeds(BATCH[start:stop])
        assert list(found) == ["flag", "image"]
        np.testing.assert_array_equal(found["image"], IMAGE[start:stop])
        np.testing.assert_array_equal(found["flag"], FLAG[start:stop])
        assert all(array.flags.c_contiguous and array.flags.aligned for array in found.values())
    assert list(feeds(IMAGE, "x")) == ["x"]


def test_they_go_to_another_process_as_they_are(tmp_path: Path) -> None:
    for handle in (transport.put(BATCH, tmp_path), transport.pack(BATCH, None)):
        found = transport.view(handle)
        assert found.dtype == BATCH.dtype
        assert found.tobytes() == BATCH.tobytes()
    spec = spec_of(BATCH, 2)
    assert decode_spec(encode_spec(spec)) == spec
    assert zeros_for(spec).dtype == dtype_of(spec.dtype) == BATCH.dtype


def test_a_batch_that_is_too_short_is_filled_and_one_that_is_written_into_is_seen() -> None:
    feed = Feed()
    chunk = feed.chunk(BATCH, 3, 2)
    np.testing.assert_array_equal(chunk["image"], IMAGE[[3, 3]])
    chunk["image"][0] = np.nan
    feed.check(BATCH, 3, chunk)
    assert feed.evidence() == {"input": "overwritten by the model"}


def test_names_count_in_a_digest() -> None:
    assert output_digest(BATCH) != output_digest(combined({"other": FLAG, "image": IMAGE}))


def test_unequal_numbers_of_inputs_are_refused() -> None:
    with pytest.raises(DeclarationError, match=r"image \(4, 2, 3\), scale \(1,\).*must be the same"):
        combined({"image": IMAGE, "scale": np.ones(1)})


def test_a_declaration_by_names_in_memory_and_in_a_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", flag=FLAG, image=IMAGE)
    given = {"flag": FLAG, "image": IMAGE}
    for declared in (given, BATCH, tmp_path / "inputs.npz"):
        loaded = Arrays(declared).load()
        assert len(loaded) == 4
        assert loaded.batch(None, "NCHW").tobytes() == BATCH.tobytes()
    with pytest.raises(DeclarationError, match="layout= with inputs by name"):
        Arrays(given, layout="NHWC").load()


MODEL = declared_spec([TensorSpec((None, 2, 3), name="image"), TensorSpec((None,), "uint8", "flag")], "the model")


def test_a_model_takes_them_by_name_in_any_order() -> None:
    assert input_spec(BATCH, Inspection("", MODEL)) == spec_of(BATCH, 1)
    wrong = combined({"flag": FLAG.astype(np.int64), "image": IMAGE})
    with pytest.raises(StageFailure, match=r"it takes image float32\[\?, 2, 3\], flag uint8\[\?\], and is given"):
        input_spec(wrong, Inspection("", MODEL))


def test_names_that_do_not_fit() -> None:
    other = combined({"image": IMAGE, "flags": FLAG})
    with pytest.raises(StageFailure, match=r"image, flag, and image, flags are given \(did you mean 'flag'\?\)"):
        input_spec(other, Inspection("", MODEL))
    with pytest.raises(StageFailure, match="its one input is x, and arrays for flag, image are given"):
        input_spec(BATCH, Inspection("", TensorSpec((None, 2, 3), name="x")))
    with pytest.raises(StageFailure, match=r"it takes 2 inputs \(image, flag\) and is given one"):
        input_spec(IMAGE, Inspection("", needs=("image", "flag")))
    assert input_spec(BATCH, Inspection("", needs=("image",), may_take=("flag", "mask"))).parts


def test_inputs_that_are_no_batches_of_one_size_are_refused() -> None:
    with pytest.raises(DeclarationError, match="the first dimension of each input counts the images"):
        declared_spec([TensorSpec((2, 3), name="a"), TensorSpec((197, 3), name="b")], "the model")
