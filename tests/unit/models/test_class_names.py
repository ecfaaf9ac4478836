from __future__ import annotations

from pathlib import Path

import pytest

from pytest_envrobust import DeclarationError
from pytest_envrobust.models.class_names import ClassIndex, read_class_names


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.txt", "cat\ndog\n\n"),
        ("a.txt", "\ufeffcat\r\ndog"),
        ("a.txt", "0: cat\n1: dog\n"),
        ("a.csv", "0,cat\n1,dog\n"),
        ("a.json", '["cat", "dog"]'),
        ("a.json", '{"1": "dog", "0": "cat"}'),
        ("a.json", '{"dog": 1, "cat": 0}'),
        ("config.json", '{"architectures": [], "id2label": {"0": "cat", "1": "dog"}}'),
    ],
)
def test_the_forms_of_a_file(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text, encoding="utf-8")
    assert read_class_names(tmp_path / file) == ("cat", "dog")


def test_several_names_of_a_class(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text('{"0": ["n01440764", "tench"]}', encoding="utf-8")
    (name,) = read_class_names(tmp_path / "index.json")
    assert [ClassIndex([name]).find(text) for text in ("n01440764", "tench", "Tench", "trout")] == [0, 0, 0, None]


def test_a_name_that_two_classes_have_is_neither() -> None:
    index = ClassIndex(["crane, bird", "crane, machine"])
    assert [index.find(text) for text in ("crane", "bird", "crane, machine")] == [None, 0, 1]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("a.txt", "", "there are none"),
        ("a.json", '{"1": "cat"}', "neither a list of names nor a mapping"),
        ("a.json", '{"model_type": "vit"}', "neither a list of names nor a mapping"),
        ("a.json", "[1, 2]", "neither a list of names nor a mapping"),
        ("a.json", "[", "cannot be read"),
    ],
)
def test_files_without_names(tmp_path: Path, file: str, text: str, said: str) -> None:
    (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(DeclarationError, match=said):
        read_class_names(tmp_path / file)
