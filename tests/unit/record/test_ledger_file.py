"""The file of known flips: read strictly, written with what its users wrote."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.record.ledger_file import read_ledger, update_ledger
from pytest_envrobust.verdicts.ledger import KnownFlip

TEXT = """\
# Agreed with the team on Tuesday.

[[flip]]
model = "m"          # the small one
environment = "onnx/*/cpu"
input = "0123456789abcdef"
reason = "rounding"
expires = 2030-06-01
"""
ENTRY = KnownFlip("m", "onnx/*/cpu", "0123456789abcdef", "rounding", date(2030, 6, 1))
NEW = KnownFlip("n", "torch/eager/cpu", "f" * 16, 'its "why"', date(2031, 1, 2), name="a\\b.jpg")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flips.toml"


def test_entries_in_the_file_s_order(path: Path) -> None:
    path.write_text(TEXT + TEXT.replace("abcdef", "abcde0").replace('reason = "rounding"', 'name = "x"\nreason = "y"'))
    first, second = read_ledger(path).entries
    assert first == ENTRY
    assert (second.name, second.reason, second.input[-1]) == ("x", "y", "0")


def test_an_empty_file_is_an_empty_ledger(path: Path) -> None:
    path.write_text("# nothing\n")
    assert read_ledger(path).entries == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[[flip]]", "[[flip", "is not TOML"),
        ("[[flip]]", "[[flips]]", "'flips' in ledger .*: a ledger holds .*flip"),
        ("[[flip]]", "[flip]", "'flip' in ledger .*: a ledger holds"),
        ("reason", "resaon", "'resaon' in entry 1 of .*: keys are model, environment, input, reason, expires, name"),
        ('reason = "rounding"\n', "", "entry 1 of .* has no 'reason'"),
        ('"rounding"', '" "', "reason = ' ' in entry 1 of .*: it is a text, and not empty"),
        ('"m"', "3", "model = 3 in entry 1"),
        ("2030-06-01", '"2030-06-01"', "expires = '2030-06-01' in entry 1 of .*: it is a TOML date without quotes"),
        ("2030-06-01", "2030-06-01T10:00:00", "expires = .* in entry 1 of .*: it is a TOML date"),
        ("0123456789abcdef", "dog.jpg", "input = 'dog.jpg' in entry 1 of .*: it is an input's digest"),
    ],
)
def test_what_is_malformed_is_named(path: Path, old: str, new: str, said: str) -> None:
    assert old in TEXT
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(DeclarationError, match=said):
        read_ledger(path)


def test_the_same_entry_twice_is_refused(path: Path) -> None:
    path.write_text(TEXT + TEXT)
    with pytest.raises(DeclarationError, match=r"entry 2 of .* is there twice"):
        read_ledger(path)


def test_a_file_that_is_not_there_or_no_text(path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"cannot be read: No such file .*--envrobust-update-flips"):
        read_ledger(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DeclarationError, match="is not TOML"):
        read_ledger(path)


def test_new_entries_are_added_and_nothing_else_changes(path: Path) -> None:
    path.write_text(TEXT)
    assert update_ledger(path, [NEW], []) == 1
    assert path.read_text().startswith(TEXT)
    assert read_ledger(path).entries == (ENTRY, NEW)


def test_a_new_file_can_be_read_again(path: Path) -> None:
    assert update_ledger(path, [NEW, ENTRY], []) == 2
    assert read_ledger(path).entries == (NEW, ENTRY)


def test_entries_are_removed_and_comments_stay(path: Path) -> None:
    path.write_text(TEXT + TEXT.replace("abcdef", "abcde0"))
    assert update_ledger(path, [], [ENTRY]) == 1
    (left,) = read_ledger(path).entries
    assert left.input.endswith("e0")
    assert "# Agreed with the team" in path.read_text()
    assert "# the small one" in path.read_text()
    assert update_ledger(path, [], [left]) == 1
    assert read_ledger(path).entries == ()


def test_nothing_to_do_writes_nothing(path: Path) -> None:
    assert update_ledger(path, [], []) == 0
    assert not path.exists()
    path.write_text(TEXT)
    before = path.stat().st_mtime_ns
    assert update_ledger(path, [], [NEW]) == 0
    assert path.stat().st_mtime_ns == before
