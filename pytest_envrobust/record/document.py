"""The record of a run as a file: one JSON document, with the predictions beside it."""

from __future__ import annotations

from pathlib import Path

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.files import write_text
from pytest_envrobust.record import codec
from pytest_envrobust.record.schema import SCHEMA_VERSION, Cell, Model, Record, Run


def new_record(run: Run, models: list[Model], cells: list[Cell]) -> Record:
    """A record from its three parts."""
    return Record(schema_version=SCHEMA_VERSION, run=run, models=models, cells=cells)


def write_record(record: Record, path: Path) -> None:
    """Write the record, whole or not at all.

    Raises `DeclarationError` where the place cannot be written, and `ValueError` for a number that is not finite.
    """
    write_text(path, codec.encode(record), "record")


def read_record(path: Path) -> Record:
    """Read a record. Raises `DeclarationError` where it is none, naming the file and what is wrong with it."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise DeclarationError(f"{str(path)!r} is no record of a run", cause=str(error)) from None
    return codec.decode(text, repr(str(path)))
