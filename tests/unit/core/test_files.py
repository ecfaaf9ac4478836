"""Files written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.files import write_text, written_whole


def test_a_file_appears_whole_and_can_be_read_by_others(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    write_text(path, "Straße\n", "summary")
    assert path.read_bytes() == "Straße\n".encode()
    assert path.stat().st_mode & 0o777 == 0o644
    assert [file.name for file in path.parent.iterdir()] == ["file.txt"]


def test_what_raises_leaves_the_file_before(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "before", "summary")
    with pytest.raises(KeyboardInterrupt), written_whole(path) as stream:
        stream.write(b"half of wh")
        raise KeyboardInterrupt
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_is_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(DeclarationError, match=r"summary '.*taken' cannot be written"):
        write_text(tmp_path / "taken", "text", "summary")
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]
