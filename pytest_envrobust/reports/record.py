"""The record of a run: one JSON document, with the predictions beside it. Every other report is a view of it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError

SCHEMA_VERSION = 1

Record = dict[str, Any]


def new_record(run: Mapping[str, Any], models: list[dict[str, Any]], cells: list[dict[str, Any]]) -> Record:
    """A record from its three parts."""
    return {"schema_version": SCHEMA_VERSION, "run": dict(run), "models": models, "cells": cells}


def write_record(record: Record, path: Path) -> None:
    """Write the record, whole or not at all. Raises `DeclarationError` where the place cannot be written."""
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(f"{text}\n")
        os.chmod(aside, 0o644)
        os.replace(aside, path)
    except OSError as error:
        raise DeclarationError(f"record {str(path)!r} cannot be written", cause=str(error)) from None


def read_record(path: Path) -> Record:
    """Read a record. Raises `DeclarationError` where it is none or of another schema version."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        version = record["schema_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DeclarationError(f"{str(path)!r} is no record of a run", cause=str(error)) from None
    if version != SCHEMA_VERSION:
        raise DeclarationError(
            f"record {str(path)!r} has schema version {version}", cause=f"this release reads {SCHEMA_VERSION}"
        )
    found: Record = record
    return found


def predictions_path(path: Path) -> Path:
    """Where the predictions lie beside a record."""
    return path.with_suffix(".npz")


def keep_predictions(path: Path, digest: str, scores: NDArray[Any]) -> None:
    """Keep scores, (N, classes), for the record at ``path`` under their digest; equal ones are kept once."""
    folder = _pending(path)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{digest}.npy"
    if not target.exists():
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".tmp", delete=False) as stream:
            np.save(stream, scores, allow_pickle=False)
        os.replace(stream.name, target)


def gather_predictions(path: Path) -> None:
    """Put what was kept into one ``.npz`` beside the record, one array a digest."""
    folder = _pending(path)
    files = sorted(folder.glob("*.npy")) if folder.is_dir() else []
    if files:
        arrays = {file.stem: np.load(file, allow_pickle=False) for file in files}
        np.savez_compressed(predictions_path(path), **arrays)
    for file in folder.glob("*") if folder.is_dir() else ():
        file.unlink()
    if folder.is_dir():
        folder.rmdir()


def _pending(path: Path) -> Path:
    return path.with_name(f".{path.stem}.predictions")
