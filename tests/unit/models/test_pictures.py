from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pytest_envrobust import Arrays, DeclarationError, ImageFolder
from pytest_envrobust.models import pictures
from pytest_envrobust.models.pictures import read_picture

GRAY = np.add.outer(np.arange(24) * 5, np.arange(32) * 4).astype(np.uint8)
COLORS = np.stack([GRAY, GRAY[::-1], 255 - GRAY], axis=2)
THREE = np.stack([GRAY] * 3, axis=2)


def saved(path: Path, array: NDArray[Any], **options: Any) -> Path:
    Image.fromarray(array).save(path, **options)
    return path


def png(path: Path, array: NDArray[Any], color_type: int) -> Path:
    """A PNG of 16 bits a channel, which Pillow does not write."""
    height, width = array.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    parts = (b"IHDR" + header, b"IDAT" + zlib.compress(rows), b"IEND")
    chunks = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


def tiff(path: Path, array: NDArray[Any], sample_format: int, photometric: int = 1) -> Path:
    """A plain gray TIFF of any type of values."""
    height, width = array.shape
    tags = [(256, width), (257, height), (258, array.itemsize * 8), (259, 1), (262, photometric), (273, 122)]
    tags += [(277, 1), (279, array.nbytes), (339, sample_format)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + array.tobytes())
    return path


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm", "a.jp2"])
def test_gray_of_16_bits_is_scaled_by_its_white(tmp_path: Path, name: str) -> None:
    found = read_picture(saved(tmp_path / name, GRAY.astype(np.uint16) * 257))
    np.testing.assert_array_equal(found.pixels, THREE)
    assert found.kinds == (pictures.DEEP_GRAY,)


def test_gray_whose_white_is_zero_is_no_negative(tmp_path: Path) -> None:
    found = read_picture(tiff(tmp_path / "a.tif", 65535 - GRAY.astype("<u2") * 257, 1, photometric=0))
    np.testing.assert_array_equal(found.pixels, THREE)


@pytest.mark.parametrize(
    ("array", "sample_format", "said"),
    [
        (GRAY.astype("<u2") * 16, 1, "16-bit gray values, none above 3824: white is 65535"),
        (GRAY.astype("<i2") * 100, 2, "16-bit gray values: nothing says which of them is white"),
        (GRAY.astype("<u4") * 1000, 1, "32-bit gray values: nothing says"),
        (GRAY.astype("<f4") / 255, 3, "32-bit floating-point values: nothing says"),
        (GRAY.astype("<f8") / 255, 3, "does not decode: it is no picture that Pillow reads"),
    ],
    ids=["12 bits used", "signed", "32 bits", "float", "double"],
)
def test_values_without_a_white_are_refused_by_name(
    tmp_path: Path, array: NDArray[Any], sample_format: int, said: str
) -> None:
    tiff(tmp_path / "a.tif", array, sample_format)
    with pytest.raises(DeclarationError, match=rf"a\.tif'.*{said}.*8-bit PNG"):
        ImageFolder(tmp_path).load()


@pytest.mark.parametrize("color_type", [2, 6])
def test_color_of_16_bits_keeps_the_upper_8(tmp_path: Path, color_type: int) -> None:
    opaque = np.full_like(GRAY, 255)
    array = COLORS if color_type == 2 else np.dstack([COLORS, opaque])
    found = read_picture(png(tmp_path / "a.png", array.astype(np.uint16) * 257, color_type))
    np.testing.assert_array_equal(found.pixels, COLORS)
    assert found.kinds == (pictures.DEEP_COLOR,)


@pytest.mark.parametrize("name", ["a.png", "a.gif", "a.bmp"])
def test_a_palette_gives_its_colors(tmp_path: Path, name: str) -> None:
    few = (COLORS // 128 * 127).astype(np.uint8)
    Image.fromarray(few).quantize(8).save(tmp_path / name)
    found = read_picture(tmp_path / name)
    np.testing.assert_array_equal(found.pixels, few)
    assert found.kinds == ()


@pytest.mark.parametrize("name", ["a.png", "a.gif"])
def test_a_transparent_color_of_a_palette_is_told(tmp_path: Path, name: str) -> None:
    few = (COLORS // 128 * 127).astype(np.uint8)
    picture = Image.fromarray(few).quantize(8)
    picture.save(tmp_path / name, transparency=picture.getpixel((3, 3)))
    found = read_picture(tmp_path / name)
    np.testing.assert_array_equal(found.pixels, few)
    assert found.kinds == (pictures.TRANSPARENT,)


@pytest.mark.parametrize(
    ("array", "expected"),
    [(np.dstack([COLORS, GRAY]), COLORS), (np.dstack([GRAY, GRAY]), THREE)],
    ids=["RGBA", "LA"],
)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_the_colors_beneath_transparency_are_taken_and_told(
    tmp_path: Path, array: NDArray[Any], expected: NDArray[Any], suffix: str
) -> None:
    found = read_picture(saved(tmp_path / f"a.{suffix}", array))
    np.testing.assert_array_equal(found.pixels, expected)
    assert found.kinds == (pictures.TRANSPARENT,)


def test_an_opaque_alpha_channel_is_not_worth_a_word(tmp_path: Path) -> None:
    found = read_picture(saved(tmp_path / "a.png", np.dstack([COLORS, np.full_like(GRAY, 255)])))
    np.testing.assert_array_equal(found.pixels, COLORS)
    assert found.kinds == ()


def test_a_picture_in_its_transparency_alone_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "a.png", np.dstack([np.zeros_like(COLORS), GRAY]))
    with pytest.raises(DeclarationError, match=r"a\.png' is of one color beneath its transparency"):
        ImageFolder(tmp_path).load()


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_cmyk_is_told(tmp_path: Path, name: str) -> None:
    options: dict[str, Any] = {"quality": 100} if name.endswith("jpg") else {}
    Image.fromarray(COLORS).convert("CMYK").save(tmp_path / name, **options)
    found = read_picture(tmp_path / name)
    assert np.abs(found.pixels.astype(int) - COLORS).mean() < 2
    assert found.kinds == (pictures.CMYK,)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_an_orientation_is_followed_and_told(tmp_path: Path, name: str, orientation: int) -> None:
    tags = Image.Exif()
    tags[274] = orientation
    turned = np.ascontiguousarray(np.rot90(COLORS, {3: 2, 6: 1, 8: 3}[orientation]))
    found = read_picture(saved(tmp_path / name, turned, exif=tags, quality=95))
    assert found.pixels.shape == COLORS.shape
    assert np.abs(found.pixels.astype(int) - COLORS).mean() < 5
    assert found.kinds == (pictures.UPRIGHT,)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tif"])
def test_the_first_of_several_frames_or_pages_is_taken_and_told(tmp_path: Path, name: str) -> None:
    few = (COLORS // 128 * 127).astype(np.uint8)
    more = [Image.fromarray(np.roll(few, shift, axis=0)) for shift in (5, 10)]
    options: dict[str, Any] = {"lossless": True} if name.endswith("webp") else {}
    saved(tmp_path / name, few, save_all=True, append_images=more, **options)
    found = read_picture(tmp_path / name)
    np.testing.assert_array_equal(found.pixels, few)
    assert found.kinds == (pictures.FIRST_FRAME,)


def test_a_cameras_preview_is_no_second_frame(tmp_path: Path) -> None:
    saved(tmp_path / "a.jpg", COLORS, format="MPO", save_all=True, append_images=[Image.fromarray(COLORS)])
    assert read_picture(tmp_path / "a.jpg").kinds == ()


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.gif", "a.bmp", "a.pbm"])
def test_one_bit_is_black_and_white(tmp_path: Path, name: str) -> None:
    Image.fromarray(GRAY > 100).save(tmp_path / name)
    np.testing.assert_array_equal(read_picture(tmp_path / name).pixels, (THREE > 100) * np.uint8(255))


@pytest.mark.parametrize("name", ["a.jpg", "a.gif", "a.bmp", "a.tif", "a.webp", "a.ppm", "a.jp2"])
def test_a_file_that_is_cut_short_is_named(tmp_path: Path, name: str) -> None:
    whole = saved(tmp_path / name, COLORS).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DeclarationError, match=rf"{name}' does not decode: .*take it out of the folder"):
        ImageFolder(tmp_path).load()


def test_lines_name_the_pictures(tmp_path: Path) -> None:
    for number in range(5):
        saved(tmp_path / f"{number}.png", GRAY.astype(np.uint16) * 200 + number)
    saved(tmp_path / "5.png", COLORS)
    (tmp_path / "6.heic").write_bytes(b"")
    assert ImageFolder(tmp_path).load().notices == (
        "1 picture of a kind that is not read passed over (6.heic)",
        f"5 of 6 pictures {pictures.DEEP_GRAY} (0.png, 1.png, 2.png and 2 more)",
    )


def test_identical_inputs_are_told(tmp_path: Path) -> None:
    for name, shift in {"a": 0, "b": 1, "c": 0, "d": 2, "e": 1, "f": 0}.items():
        saved(tmp_path / f"{name}.png", np.roll(GRAY, shift))
    found = ImageFolder(tmp_path).load()
    assert found.notices == ("5 of 6 inputs are identical to another one: a.png = c.png = f.png and b.png = e.png",)
    assert not found.are_all_identical
    same = Arrays(np.ones((3, 4))).load()
    assert same.are_all_identical
    assert same.notices == ("all 3 inputs are identical: they show no more than one of them does",)
    assert Arrays(np.ones((1, 4))).load().notices == ()
