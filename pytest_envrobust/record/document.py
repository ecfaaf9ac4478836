"""The record of a run: one JSON document, with the predictions beside it. Every other report is a view of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.files import write_text
from pytest_envrobust.core.shard import MOST
from pytest_envrobust.core.status import Status

SCHEMA_VERSION = 2

Record = dict[str, Any]


def new_record(run: Mapping[str, Any], models: list[dict[str, Any]], cells: list[dict[str, Any]]) -> Record:
    """A record from its three parts."""
    return {"schema_version": SCHEMA_VERSION, "run": dict(run), "models": models, "cells": cells}


def write_record(record: Record, path: Path) -> None:
    """Write the record, whole or not at all. Raises `DeclarationError` where the place cannot be written."""
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, f"{text}\n", "record")


def read_record(path: Path) -> Record:
    """Read a record. Raises `DeclarationError` where it is none, lacks what each has, or has another schema version."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        version = record["schema_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DeclarationError(f"{str(path)!r} is no record of a run", cause=str(error)) from None
    if version != SCHEMA_VERSION:
        raise DeclarationError(
            f"record {str(path)!r} has schema version {version}", cause=f"this release reads {SCHEMA_VERSION}"
        )
    if flaw := _flaw(record):
        raise DeclarationError(f"{str(path)!r} is no record of a run", cause=flaw)
    found: Record = record
    return found


def _flaw(record: Record) -> str:
    """What a record lacks of what every one has; empty where nothing."""
    parts: dict[str, type] = {"run": dict, "models": list, "cells": list}
    for name, kind in parts.items():
        if not isinstance(record.get(name), kind):
            return f"it has no {name}"
    if not all(isinstance(model, dict) and "name" in model for model in record["models"]):
        return "one of its models has no name"
    if "shard" in record["run"] and not _is_shard(record["run"]["shard"]):
        return "its shard cannot be read"
    statuses = {status.value for status in Status}
    for number, cell in enumerate(record["cells"]):
        if not isinstance(cell, dict) or cell.get("status") not in statuses:
            return f"cell {number} has no status"
        if "environment" in cell and not {"model", "reference"} <= cell.keys():
            return f"cell {number} has no model or no reference"
    return ""


def _is_shard(told: Any) -> bool:
    """Whether it says which shards of how many these are, and names cells where it names any."""
    if not isinstance(told, dict) or not isinstance(told.get("of"), int) or told["of"] > MOST:
        return False
    numbers, whole = told.get("numbers"), told.get("whole", [])
    return (
        isinstance(numbers, list)
        and bool(numbers)
        and all(isinstance(number, int) and 1 <= number <= told["of"] for number in numbers)
        and isinstance(whole, list)
        and all(isinstance(cell, list) and [type(part) for part in cell] == [str, str] for cell in whole)
    )
