"""Names of a model's classes: read from a file, and found by the ways in which they are written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_envrobust.core.errors import DeclarationError

_SYNSET = re.compile(r"(n\d{8})[\s,]+(.+)")
_NUMBERED = re.compile(r"(\d+)\s*[\s,:;]\s*(.+)")
_SEPARATORS = re.compile(r"[\s_\-]+")


def read_class_names(file: Path) -> tuple[str, ...]:
    """The names in the classes' order: a text file with one a line, or a ``.json`` file.

    Lines may have their class's number before the name. JSON is a list, or a mapping from a class's number to its name
    or to several (as ``imagenet_class_index.json``), or a Hugging Face configuration with ``id2label``. Raises
    `DeclarationError` where it cannot be read, or names no class.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
        names = _of_json(json.loads(text)) if file.suffix.lower() == ".json" else _of_lines(text.splitlines())
    except (OSError, ValueError, KeyError, TypeError) as error:
        cause = "it is neither a list of names nor a mapping from 0, 1, ... to names" if _is_form(error) else str(error)
        raise DeclarationError(f"class names {str(file)!r} cannot be read", cause=cause) from None
    if not names:
        raise DeclarationError(f"class names {str(file)!r}", cause="there are none", remedy="write one a line")
    return names


class ClassIndex:
    """Finds a class by its name.

    A name counts as it is written, by any of its synonyms (``n01440764 tench, Tinca tinca`` has three), and without
    regard to case, spaces, underscores and hyphens. What two classes may be called is neither.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._exact = _unique([(name, number) for number, name in enumerate(names)])
        synonyms = [(part, number) for number, name in enumerate(names) for part in dict.fromkeys(_synonyms(name))]
        self._synonyms = _unique(synonyms)
        loose = {(_loose(part), number) for part, number in synonyms}
        self._loose = _unique(sorted(loose))

    def find(self, text: str) -> int | None:
        """The number of the class that is called so, ``None`` where none is."""
        for index, wanted in ((self._exact, text), (self._synonyms, text), (self._loose, _loose(text))):
            if wanted in index:
                return index[wanted]
        return None


def _of_lines(lines: Sequence[str]) -> tuple[str, ...]:
    names = [line.strip() for line in lines]
    while names and not names[-1]:
        names.pop()
    numbered = [_NUMBERED.fullmatch(name) for name in names]
    if len(names) > 1 and all(match and int(match[1]) == place for place, match in enumerate(numbered)):
        return tuple(match[2] for match in numbered if match)
    return tuple(names)


def _of_json(found: Any) -> tuple[str, ...]:
    if isinstance(found, dict) and isinstance(found.get("id2label"), dict):
        found = found["id2label"]
    if isinstance(found, dict):
        if found and all(isinstance(value, int) for value in found.values()):  # from name to number
            found = {value: name for name, value in found.items()}
        by_number = {int(key): value for key, value in found.items()}
        found = [by_number[number] for number in range(len(by_number))]
    if not isinstance(found, list) or not all(isinstance(each, (str, list)) for each in found):
        raise TypeError
    return tuple(each if isinstance(each, str) else ", ".join(map(str, each)) for each in found)


def _is_form(error: Exception) -> bool:
    return isinstance(error, (KeyError, TypeError)) or "invalid literal for int" in str(error)


def _synonyms(name: str) -> list[str]:
    match = _SYNSET.fullmatch(name)
    written = [match[1], match[2]] if match else [name]
    return [*written, *(part.strip() for part in written[-1].split(","))]


def _unique(pairs: Sequence[tuple[str, int]]) -> Mapping[str, int]:
    numbers: dict[str, set[int]] = {}
    for text, number in pairs:
        numbers.setdefault(text, set()).add(number)
    return {text: next(iter(found)) for text, found in numbers.items() if len(found) == 1 and text}


def _loose(text: str) -> str:
    return _SEPARATORS.sub(" ", text.casefold()).strip()
