"""What a run keeps of its predictions, and the file beside the record."""

from __future__ import annotations

import io
import zipfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.records import synthetic

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.record.predictions import (
    HasPredictions,
    Predictions,
    PredictionStore,
    encode_thumbnail,
    predictions_path,
)

SCORES = np.arange(6, dtype=np.float32).reshape(2, 3)


def image(height: int = 300, width: int = 200, channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def keep_both(folder: Path) -> None:
    kept = PredictionStore(folder)
    for number in range(20):
        kept.keep(f"{number:02x}", SCORES + number)
        kept.keep_thumbnail(f"{number:02x}", image(8, 8))


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def test_kept_scores_come_back_mapped_and_read_only(tmp_path: Path) -> None:
    kept = PredictionStore(tmp_path / "new")
    kept.keep("aa", SCORES)
    found = kept.scores("aa")
    assert isinstance(found, np.memmap)
    assert np.array_equal(found, SCORES)
    assert not found.flags.writeable
    assert kept.scores("bb") is None
    assert kept.thumbnail("aa") is None


def test_what_is_kept_under_a_digest_is_kept_once(tmp_path: Path) -> None:
    kept = PredictionStore(tmp_path)
    kept.keep("aa", SCORES)
    kept.keep_thumbnail("aa", image())
    before = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    kept.keep("aa", SCORES)
    kept.keep_thumbnail("aa", image())
    assert {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == before


def test_several_processes_keep_the_same_arrays_at_once(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(keep_both, tmp_path) for _ in range(3)]:
            done.result()
    kept = PredictionStore(tmp_path)
    for number in range(20):
        assert np.array_equal(kept.scores(f"{number:02x}"), SCORES + number)
    assert len(list(tmp_path.iterdir())) == 40


def test_an_array_that_cannot_be_kept_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        PredictionStore(tmp_path).keep("aa", np.array([[object()]]))
    assert list(tmp_path.iterdir()) == []


def test_gathered_predictions_are_read_beside_the_record_without_pickles(tmp_path: Path) -> None:
    record_path = tmp_path / "run.json"
    kept = PredictionStore.beside(record_path)
    kept.keep("aa", SCORES)
    kept.keep("bb", SCORES.astype(np.float64) + 1)
    kept.keep_thumbnail("cc", image())
    small = kept.thumbnail("cc")
    kept.gather(record_path)
    kept.remove()
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]
    with np.load(predictions_path(record_path), allow_pickle=False) as arrays:
        assert sorted(arrays.files) == ["aa", "bb", "thumbnail-cc"]
        assert arrays["thumbnail-cc"].dtype == np.uint8
        assert arrays["thumbnail-cc"].ndim == 1
    found = Predictions.beside(record_path)
    assert np.array_equal(found.scores("aa"), SCORES)
    assert np.array_equal(found.scores("bb"), SCORES + 1)
    assert found.scores("bb").dtype == np.float64
    assert found.thumbnail("cc") == small
    assert found.scores("cc") is None
    assert found.thumbnail("aa") is None


def test_gathering_again_replaces_the_file(tmp_path: Path) -> None:
    record_path = tmp_path / "run.json"
    predictions_path(record_path).write_text("half of an older file")
    kept = PredictionStore(tmp_path / "kept")
    kept.keep("aa", SCORES)
    kept.gather(record_path)
    assert Predictions.beside(record_path).names == {"aa"}


def test_nothing_kept_makes_no_file(tmp_path: Path) -> None:
    kept = PredictionStore.beside(tmp_path / "run.json")
    kept.gather(tmp_path / "run.json")
    kept.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_an_earlier_run_left_beside_the_record_is_removed_where_nothing_was_kept(tmp_path: Path) -> None:
    earlier = PredictionStore(tmp_path / "kept")
    earlier.keep("aa", SCORES)
    earlier.gather(tmp_path / "run.json")
    PredictionStore(tmp_path / "empty").gather(tmp_path / "run.json")
    assert Predictions.beside(tmp_path / "run.json").names == frozenset()
    assert not predictions_path(tmp_path / "run.json").exists()


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    kept = PredictionStore(tmp_path / "kept")
    kept.keep("aa", SCORES)
    (tmp_path / "file").touch()
    with pytest.raises(DeclarationError, match=r"predictions .*run\.npz' cannot be written"):
        kept.gather(tmp_path / "file" / "run.json")


def test_an_absent_file_is_empty(tmp_path: Path) -> None:
    found = Predictions.beside(tmp_path / "run.json")
    assert found.scores("aa") is None
    assert found.thumbnail("aa") is None


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 and no more"])
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.npz").write_bytes(content)
    with pytest.raises(DeclarationError, match=r"run\.npz' cannot be read: .*\(remove the file"):
        Predictions.beside(tmp_path / "run.json")


def test_a_broken_array_is_refused_when_it_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "run.npz", "w") as archive:
        archive.writestr("aa.npy", b"\x93NUMPY")
    found = Predictions.beside(tmp_path / "run.json")
    with pytest.raises(DeclarationError, match=r"run\.npz' cannot be read"):
        found.scores("aa")


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "run.npz", aa=np.array([{}], dtype=object))
    found = Predictions.beside(tmp_path / "run.json")
    with pytest.raises(DeclarationError, match="Object arrays cannot be loaded"):
        found.scores("aa")


@pytest.mark.parametrize(
    ("shape", "size", "mode"),
    [
        ((300, 200, 3), (85, 128), "RGB"),
        ((200, 400, 3), (128, 64), "RGB"),
        ((9, 7, 3), (7, 9), "RGB"),
        ((300, 300, 1), (128, 128), "L"),
        ((40, 50, 4), (50, 40), "RGB"),
    ],
)
def test_a_thumbnail_is_a_jpeg_of_at_most_128_pixels(
    shape: tuple[int, int, int], size: tuple[int, int], mode: str
) -> None:
    with opened(encode_thumbnail(image(*shape))) as picture:
        assert (picture.format, picture.size, picture.mode) == ("JPEG", size, mode)


def test_a_thumbnail_shows_the_picture() -> None:
    red = np.zeros((20, 20, 3), dtype=np.uint8)
    red[..., 0] = 200
    with opened(encode_thumbnail(red)) as picture:
        assert np.abs(np.asarray(picture, dtype=np.int64) - red).max() < 6


def test_a_gray_image_may_have_no_channel_axis() -> None:
    with opened(encode_thumbnail(image(20, 10)[:, :, 0])) as picture:
        assert (picture.mode, picture.size) == ("L", (10, 20))


def test_a_written_synthetic_run_reads_back_whole(tmp_path: Path) -> None:
    run = synthetic(environments=3, inputs=4)
    found: HasPredictions = Predictions.beside(run.write(tmp_path))
    for digest, scores in run.arrays.items():
        assert np.array_equal(found.scores(digest), scores)
    for digest, content in run.thumbnails.items():
        assert found.thumbnail(digest) == content
