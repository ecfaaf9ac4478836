"""The record's one codec: between its types, plain data, and JSON text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from inspect import cleandoc
from typing import Any, NoReturn, TypeVar

import msgspec

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.record.schema import SCHEMA_VERSION, Part, Record

READ_VERSIONS = (2, SCHEMA_VERSION)
"""Schema 3 has ``checks`` in a cell; all else is as in schema 2."""

Kind = TypeVar("Kind", bound=Part)

_PLACE = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_ENTRY = re.compile(r"(?P<part>cells|models)\[(?P<number>\d+)\]\.?")


def plain(part: Part) -> dict[str, Any]:
    """A part of a record as dicts, lists, texts and numbers: what xdist carries and JSON holds."""
    found: dict[str, Any] = msgspec.to_builtins(part)
    return found


def typed(data: Mapping[str, Any], kind: type[Kind]) -> Kind:
    """A part of a record from plain data. Raises `DeclarationError`, which names the field that is wrong."""
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise DeclarationError(f"this is no {kind.__name__.lower()} of a record", cause=_said(error, {})) from None


def encode(record: Record) -> str:
    """The record as JSON text. Raises `ValueError` for a number that is not finite: JSON has none."""
    return json.dumps(plain(record), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def decode(text: bytes | str, name: str) -> Record:
    """The record in a JSON text; ``name`` is what messages call it.

    Raises `DeclarationError` where it is none, has a schema version that this release does not read, or where a field
    of a cell, a model or the run is missing or of the wrong kind: the message names both.
    """
    try:
        data: Any = json.loads(text, parse_constant=_no_number)
        version = data["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise DeclarationError(f"{name} is no record of a run", cause=str(error)) from None
    if version not in READ_VERSIONS:
        readable = " and ".join(map(str, READ_VERSIONS))
        raise DeclarationError(f"record {name} has schema version {version}", cause=f"this release reads {readable}")
    try:
        return msgspec.convert({**data, "schema_version": SCHEMA_VERSION}, Record)
    except msgspec.ValidationError as error:
        raise DeclarationError(f"{name} is no record of a run", cause=_said(error, data)) from None


def json_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a record as this release writes it: what was not measured is absent."""
    found: dict[str, Any] = _as_written(msgspec.json.schema(Record))
    found["$defs"]["Record"]["properties"]["schema_version"] = {"const": SCHEMA_VERSION}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "pytest-envrobust record", **found}


def _as_written(schema: Any) -> Any:
    """The schema without the ``null`` that stands for an absent field in Python, descriptions without indentation."""
    if isinstance(schema, list):
        return [_as_written(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _as_written(each) for name, each in schema.items()}
    if isinstance(found.get("description"), str):
        found["description"] = cleandoc(found["description"])
    if "anyOf" in found and found.get("default", ...) is None:
        del found["default"]
        options = [each for each in found.pop("anyOf") if each != {"type": "null"}]
        found |= options[0] if len(options) == 1 else {"anyOf": options}
    return found


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _said(error: msgspec.ValidationError, data: Mapping[str, Any]) -> str:
    """What is wrong and where: ``cell 3 (signs in torch/eager/cpu), labels.n: Expected `int`, got `str```."""
    text = str(error)
    found = _PLACE.search(text)
    if found is None:
        return text
    what, path = text[: found.start()], found["path"]
    entry = _ENTRY.match(path)
    if entry is None:
        return f"{path}: {what}" if path else what
    part, number, rest = entry["part"], int(entry["number"]), path[entry.end() :]
    named = _named(part, number, data)
    return f"{part.removesuffix('s')} {number}{named}{', ' + rest if rest else ''}: {what}"


def _named(part: str, number: int, data: Mapping[str, Any]) -> str:
    try:
        entry = data[part][number]
        name = entry["name"] if part == "models" else f"{entry['model']} in {entry['environment']}"
    except (KeyError, IndexError, TypeError):
        return ""
    return f" ({name})"
