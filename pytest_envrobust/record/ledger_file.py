"""The ledger of known flips as a file, ``envrobust-flips.toml``: read strictly, written with what its users wrote."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.files import write_text
from pytest_envrobust.verdicts.ledger import KnownFlip, Ledger

LEDGER = "envrobust-flips.toml"
TABLE = "flip"
_KEYS = tuple(field.name for field in fields(KnownFlip))
_OPTIONAL = frozenset({"name"})
_DIGEST = re.compile(r"[0-9a-f]{16}")


def read_ledger(path: Path) -> Ledger:
    """The entries of the file.

    Raises `DeclarationError`, naming the file and the entry, for the first thing that is malformed: no TOML, an unknown
    or missing key, a digest or date that is none, an empty reason, the same entry twice.
    """
    found: list[KnownFlip] = []
    for number, plain in enumerate(_tables(path, _document(path).unwrap()), 1):
        entry = _entry(plain, f"entry {number} of {str(path)!r}")
        twin = (entry.model, entry.environment, entry.input)
        if twin in [(each.model, each.environment, each.input) for each in found]:
            raise DeclarationError(f"entry {number} of {str(path)!r} is there twice", cause=f"{entry} has one already")
        found.append(entry)
    return Ledger(tuple(found))


def update_ledger(path: Path, new: Iterable[KnownFlip], gone: Collection[KnownFlip]) -> int:
    """Add entries and remove others; how many were changed. All else, comments included, stays as it is.

    The file need not be there. Raises `DeclarationError` where it cannot be read or written.
    """
    import tomlkit

    new = list(new)
    document = _document(path) if path.exists() else tomlkit.document()
    kept = [table for table in document.get(TABLE, ()) if _entry(table.unwrap(), str(path)) not in gone]
    removed = len(document.get(TABLE, ())) - len(kept)
    if not new and not removed:
        return 0
    tables = tomlkit.aot()
    for table in [*kept, *map(_table, new)]:
        tables.append(table)
    if TABLE in document:
        document.remove(TABLE)
    if len(tables):
        document.append(TABLE, tables)
    write_text(path, tomlkit.dumps(document), "the ledger of known flips")
    return len(new) + removed


def _document(path: Path) -> Any:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        return tomlkit.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        cause, remedy = str(error.strerror), "let --envrobust-update-flips write it, or name another one"
        raise DeclarationError(f"ledger {str(path)!r} cannot be read", cause=cause, remedy=remedy) from None
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise DeclarationError(f"ledger {str(path)!r} is not TOML", cause=str(error)) from None


def _tables(path: Path, document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    unknown = sorted(set(document) - {TABLE})
    tables = document.get(TABLE, [])
    if unknown or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        thing = f"{unknown[0]!r} in ledger {str(path)!r}" if unknown else f"{TABLE!r} in ledger {str(path)!r}"
        raise DeclarationError(thing, cause=f"a ledger holds [[{TABLE}]] tables and nothing else")
    return tables


def _entry(plain: Mapping[str, Any], where: str) -> KnownFlip:
    for key in plain:
        if key not in _KEYS:
            raise DeclarationError(f"{key!r} in {where}", cause=f"keys are {', '.join(_KEYS)}")
    for key in _KEYS:
        if key not in plain and key not in _OPTIONAL:
            raise DeclarationError(f"{where} has no {key!r}", cause=f"only {', '.join(_OPTIONAL)} may be left out")
        value = plain.get(key, "")
        if key == "expires":
            if not isinstance(value, date) or isinstance(value, datetime):
                cause = "it is a TOML date without quotes, such as 2030-12-31"
                raise DeclarationError(f"expires = {value!r} in {where}", cause=cause)
        elif not isinstance(value, str) or (not value.strip() and key not in _OPTIONAL):
            raise DeclarationError(f"{key} = {value!r} in {where}", cause="it is a text, and not empty")
    if not _DIGEST.fullmatch(plain["input"]):
        cause = "it is an input's digest, 16 hexadecimal digits; the input's name goes into 'name'"
        raise DeclarationError(f"input = {plain['input']!r} in {where}", cause=cause)
    return KnownFlip(**plain)


def _table(entry: KnownFlip) -> Any:
    import tomlkit

    table = tomlkit.table()
    for key, value in asdict(entry).items():
        if value or key not in _OPTIONAL:
            table.add(key, value)
    table.add(tomlkit.nl())
    return table
