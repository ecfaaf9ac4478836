"""Where inputs' true classes are known: in folder names, in a table, in the inputs' own names."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError

FOLDERS = "folders"
UNKNOWN = -1
"""The class of an input whose true one is not known."""

TruthSource = str | Path | Sequence[int]
"""`folders`, a ``.csv`` file, a regular expression with one group, or a class index for each input."""


@dataclass(frozen=True)
class Truth:
    """True classes, one index for each input, -1 where unknown; ``origin`` says in words where they come from."""

    classes: tuple[int, ...]
    origin: str

    @property
    def is_known(self) -> bool:
        """Whether the class of any input is known."""
        return any(each != UNKNOWN for each in self.classes)


def check_truth(source: TruthSource | None) -> None:
    """Raise `DeclarationError` for what can be seen to be wrong before the inputs are there."""
    if isinstance(source, (str, Path)) and source != FOLDERS:
        if _is_table(source):
            if not Path(source).is_file():
                raise DeclarationError(f"truth {str(source)!r}", cause="there is no such file")
        else:
            _pattern(str(source))


def resolved_truth(source: TruthSource | None, base: Path) -> TruthSource | None:
    """The same with the path of a table taken from ``base``."""
    return base / source if isinstance(source, (str, Path)) and _is_table(source) else source


def truth_of(source: TruthSource, names: Sequence[str], class_names: Sequence[str] = ()) -> Truth:
    """The true classes of the inputs of those names.

    `folders`: the first folder of a name is its class, by class name, by number, or (where the folders are neither)
    by its place among the folders in order. A table has lines ``input,class``, a class being a number or a class
    name. A regular expression is searched in each name; its group is the class.

    Raises `DeclarationError` where a class is neither a number nor a class name, or no input's class is found.
    """
    if not isinstance(source, (str, Path)):
        return _given(source, names)
    if source == FOLDERS:
        found, origin = _of_folders(names, class_names), "the names of the folders"
    elif _is_table(source):
        found, origin = _of_table(Path(source), names, class_names), f"the table {Path(source).name}"
    else:
        found, origin = _of_pattern(str(source), names, class_names), f"the inputs' names, by {source}"
    if all(each == UNKNOWN for each in found):
        raise DeclarationError(
            f"truth {str(source)!r} has the class of none of {len(names)} inputs", cause=f"the first is {names[0]!r}"
        )
    return Truth(tuple(found), origin)


def _given(source: Sequence[int], names: Sequence[str]) -> Truth:
    classes: NDArray[np.int64] = np.asarray(source)
    if classes.shape != (len(names),) or classes.dtype.kind not in "iu":
        raise DeclarationError(
            f"truth of shape {classes.shape} and dtype {classes.dtype}",
            cause=f"one class index is needed for each of {len(names)} inputs, -1 where it is unknown",
        )
    return Truth(tuple(classes.tolist()), "the declaration")


def _of_folders(names: Sequence[str], class_names: Sequence[str]) -> list[int]:
    folders = [name.partition("/")[0] if "/" in name else "" for name in names]
    distinct = sorted({folder for folder in folders if folder})
    index = {name: number for number, name in enumerate(class_names)}
    if all(folder in index for folder in distinct):
        classes = {folder: index[folder] for folder in distinct}
    elif all(folder.isdecimal() for folder in distinct):
        classes = {folder: int(folder) for folder in distinct}
    else:
        classes = {folder: number for number, folder in enumerate(distinct)}
    return [classes.get(folder, UNKNOWN) for folder in folders]


def _of_table(file: Path, names: Sequence[str], class_names: Sequence[str]) -> list[int]:
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.reader(stream) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DeclarationError(f"truth {str(file)!r} cannot be read", cause=str(error)) from None
    if any(len(row) < 2 for row in rows):
        raise DeclarationError(f"truth {str(file)!r} has a line of one column", cause="lines are input,class")
    known = set(names)
    table = {row[0]: row[1] for row in rows if row[0] in known}  # a heading names no input
    index = _by_name(class_names)
    return [_class(table[name], index, str(file)) if name in table else UNKNOWN for name in names]


def _of_pattern(text: str, names: Sequence[str], class_names: Sequence[str]) -> list[int]:
    pattern, index = _pattern(text), _by_name(class_names)
    matches = [pattern.search(name) for name in names]
    return [UNKNOWN if match is None else _class(match[1], index, text) for match in matches]


def _by_name(class_names: Sequence[str]) -> Mapping[str, int]:
    return {name: number for number, name in enumerate(class_names)}


def _class(text: str, index: Mapping[str, int], origin: str) -> int:
    if text.strip().isdecimal():
        return int(text)
    if text in index:
        return index[text]
    raise DeclarationError(
        f"class {text!r} of truth {origin!r}",
        cause="it is neither a number nor the name of a class",
        remedy="declare the class names: Model(..., labels=...)",
    )


def _is_table(source: str | Path) -> bool:
    return Path(source).suffix.lower() == ".csv"


def _pattern(text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise DeclarationError(f"truth {text!r}", cause=f"it is no regular expression: {error}") from None
    if pattern.groups != 1:
        raise DeclarationError(
            f"truth {text!r}",
            cause=f"it is taken for a regular expression, and has {pattern.groups} groups instead of one",
            remedy=f"say {FOLDERS!r}, name a .csv file, or put the class number in a group: '_(\\d+)\\.jpg'",
        )
    return pattern
