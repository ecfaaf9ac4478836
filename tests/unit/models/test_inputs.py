from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pytest_envrobust import Arrays, DeclarationError, ImageFolder, Preprocess
from pytest_envrobust.models.inputs import inputs_at


def save(
    path: Path, pixel: tuple[int, int, int] = (10, 20, 30), size: tuple[int, int] = (6, 4), mode: str = "RGB"
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, pixel).convert(mode).save(path)


def test_a_folder_is_read_sorted_with_its_subfolders(tmp_path: Path) -> None:
    for name in ("b.png", "a.PNG", "dogs/c.bmp", "notes.txt"):
        if name.endswith("txt"):
            (tmp_path / name).write_text("no image")
        else:
            save(tmp_path / name)
    (tmp_path / "folder.png").mkdir()
    loaded = ImageFolder(tmp_path).load()
    assert loaded.names == ("a.PNG", "b.png", "dogs/c.bmp")
    assert len(loaded) == 3
    assert loaded.images is not None
    assert all(picture.shape == (4, 6, 3) and picture.dtype == np.uint8 for picture in loaded.images)
    assert loaded.images[0][0, 0].tolist() == [10, 20, 30]


def test_a_limit_takes_the_first(tmp_path: Path) -> None:
    for number in range(5):
        save(tmp_path / f"{number}.png")
    assert ImageFolder(tmp_path, limit=2).load().names == ("0.png", "1.png")


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    save(tmp_path / ("a.tif" if mode == "CMYK" else "a.png"), (102, 102, 102), mode=mode)
    loaded = ImageFolder(tmp_path).load()
    assert loaded.images is not None
    assert loaded.images[0].shape == (4, 6, 3)
    assert loaded.images[0][0, 0].tolist() == pytest.approx([102, 102, 102], abs=2)


def test_a_rotated_photograph_is_turned_upright(tmp_path: Path) -> None:
    picture = Image.new("RGB", (6, 4))
    tags = Image.Exif()
    tags[274] = 6
    picture.save(tmp_path / "a.jpg", exif=tags)
    loaded = ImageFolder(tmp_path).load()
    assert loaded.images is not None
    assert loaded.images[0].shape == (6, 4, 3)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="there is no such folder") as caught:
        ImageFolder(tmp_path / "none").check()
    assert "none" in caught.value.thing


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    with pytest.raises(DeclarationError, match="it is a file, not a folder"):
        ImageFolder(tmp_path / "a.png").check()


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(DeclarationError, match="it holds no image"):
        ImageFolder(tmp_path).check()


@pytest.mark.parametrize("content", ["text", "empty", "cut"])
def test_an_image_that_does_not_decode(tmp_path: Path, content: str) -> None:
    noise = np.random.RandomState(0).randint(0, 255, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    broken = {"text": b"this is no image", "empty": b"", "cut": whole[: len(whole) // 2]}[content]
    (tmp_path / "b.png").write_bytes(broken)
    folder = ImageFolder(tmp_path)
    folder.check()
    with pytest.raises(DeclarationError, match="does not decode") as caught:
        folder.load()
    assert "b.png" in caught.value.thing


def test_images_need_a_preprocessing(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    loaded = ImageFolder(tmp_path).load()
    with pytest.raises(DeclarationError, match="images without a preprocessing"):
        loaded.batch(None, "NCHW")
    assert loaded.batch(Preprocess(), "NCHW").shape == (1, 3, 4, 6)


def test_relative_paths_are_taken_from_the_declaring_file(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png")
    assert ImageFolder("images").resolved(tmp_path).load().names == ("a.png",)
    np.save(tmp_path / "x.npy", np.zeros((2, 3)))
    assert len(Arrays("x.npy").resolved(tmp_path).load()) == 2
    assert ImageFolder(tmp_path / "images").resolved(Path("/elsewhere")).path == tmp_path / "images"


def test_an_array_is_fed_as_it_is() -> None:
    array = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    loaded = Arrays(array).load()
    assert loaded.names == ("0", "1")
    for layout in ("NCHW", "NHWC"):
        np.testing.assert_array_equal(loaded.batch(None, layout), array)  # type: ignore[arg-type]


def test_an_array_with_a_layout_is_transposed_for_the_other() -> None:
    array = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    loaded = Arrays(array, layout="NCHW").load()
    other = loaded.batch(None, "NHWC")
    assert other.shape == (2, 4, 5, 3)
    assert other.flags.c_contiguous
    assert other[1, 2, 3, 0] == array[1, 0, 2, 3]
    np.testing.assert_array_equal(loaded.batch(None, "NCHW"), array)
    back = Arrays(other, layout="NHWC").load().batch(None, "NCHW")
    np.testing.assert_array_equal(back, array)


def test_rgb_images_as_an_array() -> None:
    array = np.full((2, 8, 8, 3), 255, dtype=np.uint8)
    loaded = Arrays(array, Preprocess(crop=4, scale=1 / 255)).load()
    batch = loaded.batch(Preprocess(crop=4, scale=1 / 255), "NCHW")
    assert batch.shape == (2, 3, 4, 4)
    assert np.allclose(batch, 1.0)


@pytest.mark.parametrize(
    "array", [np.zeros((2, 8, 8, 3), np.float32), np.zeros((2, 3, 8, 8), np.uint8), np.zeros((2, 8), np.uint8)]
)
def test_a_preprocessing_starts_from_rgb_images(array: Any) -> None:
    with pytest.raises(DeclarationError, match="a preprocessing starts from RGB uint8 images"):
        Arrays(array, Preprocess()).load()


@pytest.mark.parametrize("array", [np.zeros((0, 3, 4, 4)), np.zeros(5), np.float32(1.0)])
def test_arrays_without_inputs(array: Any) -> None:
    with pytest.raises(DeclarationError, match="inputs of shape"):
        Arrays(array).load()


def test_names_are_as_many_as_inputs() -> None:
    assert Arrays(np.zeros((2, 3)), names=["cat", "dog"]).load().names == ("cat", "dog")
    with pytest.raises(DeclarationError, match="1 names for 2 inputs"):
        Arrays(np.zeros((2, 3)), names=["cat"]).load()


def test_files_of_arrays(tmp_path: Path) -> None:
    array = np.random.RandomState(0).rand(3, 4)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", x=array)
    np.savez(tmp_path / "none.npz")
    for name in ("a.npy", "a.npz"):
        inputs = inputs_at(tmp_path / name)
        assert isinstance(inputs, Arrays)
        inputs.check()
        np.testing.assert_array_equal(inputs.load().array, array)
    with pytest.raises(DeclarationError, match="the file holds no array"):
        Arrays(tmp_path / "none.npz").load()


def test_missing_damaged_and_pickled_files(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="there is no such file"):
        Arrays(tmp_path / "none.npy").check()
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "empty.npy").write_bytes(b"")
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 cut short")
    for name in ("bad.npy", "empty.npy", "pickled.npy", "bad.npz"):
        with pytest.raises(DeclarationError, match="cannot be read") as caught:
            Arrays(tmp_path / name).load()
        assert name in caught.value.thing


def test_anything_else_is_a_folder(tmp_path: Path) -> None:
    assert isinstance(inputs_at(tmp_path), ImageFolder)
