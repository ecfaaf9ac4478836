"""The record of a run: one JSON document, with the predictions beside it. Every other report is a view of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.reports.files import write_text

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
    statuses = {status.value for status in Status}
    for number, cell in enumerate(record["cells"]):
        if not isinstance(cell, dict) or cell.get("status") not in statuses:
            return f"cell {number} has no status"
        if "environment" in cell and not {"model", "reference"} <= cell.keys():
            return f"cell {number} has no model or no reference"
    return ""
