from __future__ import annotations

from pathlib import Path

import pytest

from pytest_envrobust import Arrays, DeclarationError, ImageFolder
from pytest_envrobust.models.truth import check_truth, resolved_truth, truth_of


def test_the_class_in_a_name() -> None:
    found = truth_of(r"_(\d+)\.jpg$", ("a_7.jpg", "b_12.jpg", "no.jpg"))
    assert found.classes == (7, 12, -1)
    assert found.origin == r"the inputs' names, by _(\d+)\.jpg$"
    assert truth_of(r"^(\w+)-", ("dog-1", "cat-2"), ("cat", "dog")).classes == (1, 0)


@pytest.mark.parametrize(
    ("names", "class_names", "expected"),
    [
        (("b/1.png", "a/2.png", "b/3.png"), (), (1, 0, 1)),
        (("b/1.png", "a/2.png"), ("z", "b", "a"), (1, 2)),
        (("007/1.png", "12/deep/2.png"), (), (7, 12)),
        (("cat/1.png", "stray.png"), (), (0, -1)),
    ],
)
def test_folders(names: tuple[str, ...], class_names: tuple[str, ...], expected: tuple[int, ...]) -> None:
    assert truth_of("folders", names, class_names).classes == expected


def test_a_table_of_numbers_or_names(tmp_path: Path) -> None:
    table = tmp_path / "truth.csv"
    table.write_text('input,class\n"a, b.png",1\nc.png,dog\nelsewhere.png,no such class\n', encoding="utf-8")
    assert truth_of(table, ("c.png", "a, b.png", "d.png"), ("cat", "fish", "dog")).classes == (2, 1, -1)


def test_a_class_for_each_input() -> None:
    assert truth_of([3, -1], ("a", "b")).classes == (3, -1)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (r"(\d+", "no regular expression"),
        (r"\d+", "has 0 groups instead of one"),
        (r"(\d)(\d)", "has 2 groups instead of one"),
        ("missing.csv", "no such file"),
    ],
)
def test_a_malformed_one_is_told_before_the_inputs_are_there(source: str, said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        check_truth(source)
    check_truth("folders")
    check_truth(None)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (r"class-(\w+)", "neither a number nor the name of a class"),
        (r"x(\d+)", "has the class of none of 2 inputs"),
        ("folders", "has the class of none of 2 inputs"),
        ([1], "one class index is needed for each of 2 inputs"),
        ([0.5, 1.0], "one class index is needed"),
    ],
)
def test_what_finds_no_class(source: object, said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        truth_of(source, ("class-cat.png", "class-dog.png"))  # type: ignore[arg-type]


def test_a_table_that_cannot_be_read(tmp_path: Path) -> None:
    table = tmp_path / "truth.csv"
    table.write_text("a.png\n", encoding="utf-8")
    with pytest.raises(DeclarationError, match="one column"):
        truth_of(table, ("a.png",))


def test_only_a_tables_path_is_resolved(tmp_path: Path) -> None:
    assert resolved_truth("t.csv", tmp_path) == tmp_path / "t.csv"
    assert resolved_truth(r"(\d)", tmp_path) == r"(\d)"
    assert resolved_truth((1, 2), tmp_path) == (1, 2)
    assert ImageFolder("images", truth="t.csv").resolved(tmp_path).truth == tmp_path / "t.csv"
    assert Arrays("x.npy", truth="t.csv").resolved(tmp_path).truth == tmp_path / "t.csv"
