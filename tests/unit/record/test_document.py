"""Writing, reading and keeping a record."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.record.document import (
    SCHEMA_VERSION,
    new_record,
    read_record,
    write_record,
)

RECORD = new_record({"threads": 1}, [{"name": "signs"}], [{"model": "signs", "status": "passed"}])


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "run.json"
    write_record(RECORD, path)
    assert read_record(path) == RECORD
    assert RECORD["schema_version"] == SCHEMA_VERSION
    assert [file.name for file in path.parent.iterdir()] == ["run.json"]


def test_a_record_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("half of an older rec")
    write_record(RECORD, path)
    assert read_record(path) == RECORD


def test_text_of_any_language_survives(tmp_path: Path) -> None:
    record = new_record({}, [{"name": "Straßenschilder 標識"}], [])
    write_record(record, tmp_path / "run.json")
    assert read_record(tmp_path / "run.json") == record


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_json_value_is_refused_and_nothing_is_left(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_record(new_record({"seconds": value}, [], []), tmp_path / "run.json")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DeclarationError, match="cannot be written"):
        write_record(RECORD, tmp_path / "file" / "run.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"schema_version"', '"schema_version"'])
def test_what_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(DeclarationError, match="is no record of a run"):
        read_record(path)


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ({"cells": None}, "it has no cells"),
        ({"models": [{}]}, "one of its models has no name"),
        ({"cells": [{"status": "splendid"}]}, "cell 0 has no status"),
        ({"cells": [{"status": "passed", "environment": "onnx/ort-all/cpu"}]}, "cell 0 has no model or no reference"),
    ],
)
def test_what_lacks_a_part_is_refused(tmp_path: Path, lacking: dict[str, object], said: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**RECORD, **lacking}))
    with pytest.raises(DeclarationError, match=said):
        read_record(path)


def test_a_missing_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="is no record of a run"):
        read_record(tmp_path / "run.json")


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**RECORD, "schema_version": SCHEMA_VERSION + 1}))
    with pytest.raises(DeclarationError, match=f"has schema version {SCHEMA_VERSION + 1}: this release reads"):
        read_record(path)
