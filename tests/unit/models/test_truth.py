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
        (("Guinea_Pig/1.png", "cat/2.png"), ("cat", "dog", "guinea pig"), (2, 0)),
        (("cat/1.png", "1/2.png", "misc/3.png"), ("cat", "dog"), (0, 1, -1)),
        (("3/1.png", "8/2.png"), tuple("9876543210"), (6, 1)),
        (
            ("n02102040/1.png", "n01440764/2.png"),
            ("n01440764 tench, Tinca tinca", "x", "n02102040 English springer"),
            (2, 0),
        ),
        (("springer/1.png", "Tinca tinca/2.png"), ("n01440764 tench, Tinca tinca", "springer, dog"), (1, 0)),
        (("n02102040/1.png", "n01440764/2.png"), ("tench", "springer"), (1, 0)),
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
        (r"class-(cat)?x", "has the class of none of 2 inputs"),
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


def test_folders_that_match_no_class_are_told_and_left_out() -> None:
    found = truth_of("folders", ("cat/1.png", "junk/2.png", "cats/3.png", "junk/4.png"), ("cat", "dog"))
    assert found.classes == (0, -1, -1, -1)
    assert found.notices == (
        "2 of 3 class folders are called as no class is (cats and junk): the true class of 3 inputs is not known",
    )


@pytest.mark.parametrize(
    ("names", "class_names", "said"),
    [
        (
            ("chat/1.png", "chien/2.png"),
            ("cat", "dog"),
            "none of 2 class folders .chat and chien. is called as a class is",
        ),
        (("0/1.png", "misc/2.png"), (), "class folders 0 are numbers and misc are not"),
    ],
)
def test_folders_that_say_nothing(names: tuple[str, ...], class_names: tuple[str, ...], said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        truth_of("folders", names, class_names)


def test_an_order_or_names_fit_only_a_model_of_as_many_classes() -> None:
    names = ("b/1.png", "a/2.png")
    by_order, by_name = truth_of("folders", names), truth_of("folders", names, ("a", "b", "c"))
    assert (by_order.origin, by_order.classes) == ("the order of the 2 folders", (1, 0))
    by_order.check_fits(2)
    by_name.check_fits(3)
    truth_of("folders", ("1/1.png",), ("a", "b", "c")).check_fits(9)
    for truth in (by_order, by_name):
        with pytest.raises(DeclarationError, match="classes, for a model of 10: which class is which would be a guess"):
            truth.check_fits(10)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_as_other_programs_write_it(tmp_path: Path, separator: str) -> None:
    lines = (("file", "class"), ("x\\a.png", " 2.0 "), ("b.png", "-1"), ("./x/c.png", ""), ("d.png", "0"))
    table = tmp_path / "truth.csv"
    table.write_text("".join(separator.join(line) + "\r\n" for line in lines), encoding="utf-8-sig")
    found = truth_of(table, ("x/a.png", "x/b.png", "x/c.png", "y/d.png", "z/d.png"))
    assert found.classes == (2, -1, -1, -1, -1)  # which d.png is meant is not said
    assert found.notices == (
        "the true class of 4 of 5 inputs is not known (x/b.png, x/c.png, y/d.png and 1 more): accuracy leaves them out",
    )


def test_a_table_with_two_classes_for_an_input(tmp_path: Path) -> None:
    table = tmp_path / "truth.csv"
    table.write_text("b.png,1\ntrain/b.png,3\n", encoding="utf-8")
    assert truth_of(table, ("b.png",)).classes == (1,)
    table.write_text("a.png,1\na.png,1\na.png,2\n", encoding="utf-8")
    with pytest.raises(DeclarationError, match=r"has two classes for 'a\.png': 1 and 2"):
        truth_of(table, ("a.png",))


def test_a_class_that_is_nearly_called_so(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="did you mean 'tiger'"):
        truth_of("^(.*)-", ("tigre-1",), ("tiger", "lion"))
