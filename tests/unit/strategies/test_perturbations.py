"""Perturbed pictures: what each change does, how far it goes, and what it shrinks to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.strategies import Perturbation, perturbed

PICTURE = np.random.default_rng(5).integers(60, 200, (12, 16, 3)).astype(np.uint8)
PICTURE.flags.writeable = False
STRENGTHS = {
    "brightness": 0.2,
    "contrast": 0.3,
    "noise": 0.05,
    "shift": 3,
    "rotate": 10.0,
    "blur": 1.5,
    "jpeg": 60,
}


def test_no_change_is_the_same_picture() -> None:
    np.testing.assert_array_equal(Perturbation().apply(PICTURE), PICTURE)
    assert str(Perturbation(noise_seed=3)) == "no change"


@pytest.mark.parametrize(
    "change",
    [
        Perturbation(shift=2),
        Perturbation(shift_down=-1),
        Perturbation(rotate=5.0),
        Perturbation(blur=0.8),
        Perturbation(contrast=-0.2),
        Perturbation(brightness=0.1),
        Perturbation(noise=0.02),
        Perturbation(jpeg=40),
    ],
    ids=str,
)
def test_each_change_changes_keeps_the_kind_and_repeats(change: Perturbation) -> None:
    found = change.apply(PICTURE)
    assert (found.shape, found.dtype) == (PICTURE.shape, np.uint8)
    assert not np.array_equal(found, PICTURE)
    np.testing.assert_array_equal(change.apply(PICTURE), found)


def test_brightness_contrast_and_shift_by_hand() -> None:
    gray = np.full((2, 2, 3), 100, dtype=np.uint8)
    assert (Perturbation(brightness=0.2).apply(gray) == 151).all()
    assert (Perturbation(contrast=1.0).apply(gray) == 72).all()  # 127.5 - 2 * 27.5 = 72.5, to even
    assert (Perturbation(brightness=1.0).apply(gray) == 255).all()
    moved = Perturbation(shift=2, shift_down=1).apply(PICTURE)
    np.testing.assert_array_equal(moved[1:, 2:], PICTURE[:-1, :-2])
    np.testing.assert_array_equal(moved[1:, 0], PICTURE[:-1, 0])


def test_a_turn_of_ninety_degrees_is_counterclockwise() -> None:
    square = PICTURE[:, :12]
    np.testing.assert_array_equal(Perturbation(rotate=90.0).apply(square), np.rot90(square))


def test_words_name_what_is_done() -> None:
    assert str(Perturbation(shift_down=-3, noise=0.01, noise_seed=7, jpeg=5)) == "shift down -3, noise 0.01, jpeg 5"


@settings(max_examples=50)
@given(perturbed(PICTURE, **STRENGTHS))
def test_strengths_stay_within_what_was_asked(sample) -> None:
    change = sample.perturbation
    for name in ("brightness", "contrast", "rotate"):
        assert abs(getattr(change, name)) <= STRENGTHS[name]
    assert abs(change.shift) <= 3
    assert abs(change.shift_down) <= 3
    for name in ("noise", "blur", "jpeg"):
        assert 0 <= getattr(change, name) <= STRENGTHS[name]
    np.testing.assert_array_equal(sample.image, change.apply(PICTURE))


@pytest.mark.parametrize("name", sorted(STRENGTHS))
def test_what_is_not_asked_for_is_not_done_and_what_is_is(name: str) -> None:
    only = {name: STRENGTHS[name]}
    told = {"shift": ("shift", "shift_down")}.get(name, (name,))
    small = find(perturbed(PICTURE, **only), lambda sample: sample.perturbation != Perturbation())
    changed = {key for key, value in vars(small.perturbation).items() if value}
    assert changed <= {*told, "noise_seed"}
    big = find(
        perturbed(PICTURE, **only),
        lambda sample: any(abs(getattr(sample.perturbation, key)) >= 0.5 * STRENGTHS[name] for key in told),
    )
    assert not np.array_equal(big.image, PICTURE)


def test_no_change_is_what_everything_shrinks_to() -> None:
    assert find(perturbed(PICTURE, **STRENGTHS), lambda _: True).perturbation == Perturbation()


def test_the_smallest_strength_that_does_it_is_found() -> None:
    def is_bright(sample) -> bool:
        return sample.image.mean() > PICTURE.mean() + 20

    found = find(perturbed(PICTURE, **STRENGTHS), is_bright, settings=settings(max_examples=2000, database=None))
    assert found.perturbation == Perturbation(brightness=found.perturbation.brightness)
    assert 20 / 255 - 1e-3 <= found.perturbation.brightness <= 20 / 255 + 0.2 / 64 + 2 / 255


@given(st.data())
def test_a_range_is_kept(data: st.DataObject) -> None:
    change = data.draw(perturbed(PICTURE, brightness=(0.1, 0.2), jpeg=(20, 30))).perturbation
    assert 0.1 - 0.2 / 64 <= change.brightness <= 0.2
    assert 20 <= change.jpeg <= 30


@pytest.mark.parametrize(
    ("strengths", "said"),
    [
        ({"brightness": "much"}, "brightness='much': it is the largest strength"),
        ({"noise": -0.1}, "noise=-0.1"),
        ({"noise": (-0.1, 0.1)}, "noise="),
        ({"blur": (2.0, 1.0)}, "blur="),
        ({"rotate": float("nan")}, "rotate=nan"),
        ({"shift": 1.5}, "shift=1.5: it is a whole number"),
        ({"jpeg": 100}, "jpeg=100: it is a whole number, at most 99"),
    ],
)
def test_what_is_no_strength_is_refused(strengths, said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        perturbed(PICTURE, **strengths)


@pytest.mark.parametrize(
    "picture", [PICTURE.astype(np.float32), PICTURE[..., 0], "dog.jpg"], ids=["float", "gray", "name"]
)
def test_what_is_no_picture_is_refused(picture) -> None:
    with pytest.raises(DeclarationError, match="is no picture"):
        perturbed(picture, noise=0.1)
    with pytest.raises(DeclarationError, match="is no picture"):
        Perturbation().apply(picture)
