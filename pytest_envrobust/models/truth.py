"""Where inputs' true classes are known: in folder names, in a table, in the inputs' own names."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.suggestions import did_you_mean
from pytest_envrobust.core.wording import counted, shortened
from pytest_envrobust.models.class_names import ClassIndex

FOLDERS = "folders"
UNKNOWN = -1
"""The class of an input whose true one is not known."""

_DECLARE_NAMES = "declare the class names: Model(..., labels=...) or --envrobust-labels FILE"
_SYNSET = re.compile(r"n[0-9]{8}")  # ImageNet's folders, whose order is that of its classes
_NUMBER = re.compile(r"\s*([0-9]+)(?:\.0*)?\s*")
TruthSource = str | Path | Sequence[int]
"""`folders`, a ``.csv`` file, a regular expression with one group, or a class index for each input."""


@dataclass(frozen=True)
class Truth:
    """True classes, one index for each input, -1 where unknown; ``origin`` says in words where they come from.

    ``notices`` are what a reader must know of them. ``of_classes`` is how many classes the model must have for them to
    be right, where they rest on that: on the names of all its classes, or on the order of a folder for each.
    """

    classes: tuple[int, ...]
    origin: str
    notices: tuple[str, ...] = ()
    of_classes: int | None = None

    @property
    def is_known(self) -> bool:
        """Whether the class of any input is known."""
        return any(each != UNKNOWN for each in self.classes)

    def check_fits(self, classes: int) -> None:
        """Raise `DeclarationError` where they cannot be those of a model of so many classes."""
        if self.of_classes in (None, classes):
            return
        raise DeclarationError(
            f"truth from {self.origin}, of {self.of_classes} classes, for a model of {classes}",
            cause="which class is which would be a guess",
            remedy=f"{_DECLARE_NAMES}, one for each of its classes in their order",
        )


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

    `folders`: the first folder of a name is its class, by class name, by number, or (where neither is known) by its
    place among the folders in order, which is right only where each of the model's classes has one: see
    `Truth.check_fits`. A table has lines ``input,class``, a class being a number or a class name. A regular expression
    is searched in each name; its group is the class.

    Raises `DeclarationError` where a class is neither a number nor a class name, or no input's class is found.
    """
    if not isinstance(source, (str, Path)):
        return _given(source, names)
    index = ClassIndex(class_names)
    if source == FOLDERS:
        found = _of_folders(names, index)
    elif _is_table(source):
        found = _of_table(Path(source), names, index)
    else:
        found = _of_pattern(str(source), names, index)
    if not found.is_known:
        raise DeclarationError(
            f"truth {str(source)!r} has the class of none of {len(names)} inputs", cause=f"the first is {names[0]!r}"
        )
    unknown = [name for name, each in zip(names, found.classes) if each == UNKNOWN]
    if not unknown or found.notices:
        return found
    missing = f"the true class of {len(unknown)} of {counted(len(names), 'input')} is not known"
    return replace(found, notices=(f"{missing} ({shortened(unknown)}): accuracy leaves them out",))


def _given(source: Sequence[int], names: Sequence[str]) -> Truth:
    classes: NDArray[np.int64] = np.asarray(source)
    if classes.shape != (len(names),) or classes.dtype.kind not in "iu":
        raise DeclarationError(
            f"truth of shape {classes.shape} and dtype {classes.dtype}",
            cause=f"one class index is needed for each of {len(names)} inputs, -1 where it is unknown",
        )
    return Truth(tuple(classes.tolist()), "the declaration")


def _of_folders(names: Sequence[str], index: ClassIndex) -> Truth:
    folders = [name.partition("/")[0] if "/" in name else "" for name in names]
    distinct = sorted({folder for folder in folders if folder})
    found = {folder: _number(folder, index) for folder in distinct}
    known = {folder: number for folder, number in found.items() if number is not None}
    unmatched = [folder for folder in distinct if folder not in known]
    classes = tuple(known.get(folder, UNKNOWN) for folder in folders)
    if not unmatched:
        return Truth(classes, "the names of the folders", of_classes=_relied_on(distinct, index))
    in_order = len(distinct) == len(index.names) and all(map(_SYNSET.fullmatch, distinct))
    if not index.names or in_order:
        if known:
            raise DeclarationError(
                f"class folders {shortened(list(known))} are numbers and {shortened(unmatched)} are not",
                cause="their order says nothing then",
                remedy=_DECLARE_NAMES,
            )
        places = tuple(distinct.index(folder) if folder else UNKNOWN for folder in folders)
        return Truth(places, f"the order of the {len(distinct)} folders", of_classes=len(distinct))
    if not known:
        raise DeclarationError(
            f"none of {counted(len(distinct), 'class folder')} ({shortened(distinct)}) is called as a class is",
            cause=f"the classes are {shortened(index.names)}",
            remedy="name the folders by class or number, or give the class names as the folders have them",
        )
    count = sum(folder in unmatched for folder in folders)
    said = f"{len(unmatched)} of {counted(len(distinct), 'class folder')} "
    said += f"{'is' if len(unmatched) == 1 else 'are'} called as no class is ({shortened(unmatched)}): "
    said += f"the true class of {counted(count, 'input')} is not known"
    return Truth(classes, "the names of the folders", (said,), _relied_on(list(known), index))


def _of_table(file: Path, names: Sequence[str], index: ClassIndex) -> Truth:
    table = _matched(_rows(file), names, file)
    classes = tuple(_class(table[name], index, str(file)) if name in table else UNKNOWN for name in names)
    return Truth(classes, f"the table {file.name}", of_classes=_relied_on(list(table.values()), index))


def _rows(file: Path) -> list[list[str]]:
    """The lines' columns, whatever of comma, semicolon and tab separates them."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
        first = lines[0] if lines else ""
        separator = next((each for each in ",;\t" if each in first), ",")
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DeclarationError(f"truth {str(file)!r} cannot be read", cause=str(error)) from None
    if any(len(row) < 2 for row in rows):
        raise DeclarationError(f"truth {str(file)!r} has a line of one column", cause="lines are input,class")
    return rows


def _matched(rows: Sequence[Sequence[str]], names: Sequence[str], file: Path) -> dict[str, str]:
    """The class text of each input that the table has: by its whole name or, where it has none such, by its file's."""
    of_file: dict[str, list[str]] = {}
    for name in names:
        of_file.setdefault(name.rpartition("/")[2], []).append(name)
    whole, short = dict[str, str](), dict[str, str]()
    for row in rows:  # a heading names no input
        written = row[0].replace("\\", "/").removeprefix("./")
        candidates = of_file.get(written.rpartition("/")[2], [])
        table = whole if written in candidates else short
        for name in [written] if written in candidates else candidates if len(candidates) == 1 else []:
            if table.setdefault(name, row[1]) != row[1]:
                cause = f"{table[name]} and {row[1]}"
                raise DeclarationError(f"truth {str(file)!r} has two classes for {name!r}", cause=cause)
    return short | whole


def _of_pattern(text: str, names: Sequence[str], index: ClassIndex) -> Truth:
    matches = [_pattern(text).search(name) for name in names]
    found = [None if match is None else match[1] for match in matches]
    classes = tuple(UNKNOWN if each is None else _class(each, index, text) for each in found)
    written = [each for each in found if each is not None]
    return Truth(classes, f"the inputs' names, by {text}", of_classes=_relied_on(written, index))


def _class(text: str, index: ClassIndex, origin: str) -> int:
    number = _number(text, index)
    if number is not None:
        return number
    raise DeclarationError(
        f"class {text!r} of truth {origin!r}",
        cause="it is neither a number nor the name of a class",
        remedy=did_you_mean(text, index.names) if index.names else _DECLARE_NAMES,
    )


def _number(text: str, index: ClassIndex) -> int | None:
    """The class by its name or, where none is called so, by its number; -1 and nothing are an unknown one."""
    named = index.find(text)
    if named is not None:
        return named
    if text.strip() in ("", str(UNKNOWN)):
        return UNKNOWN
    match = _NUMBER.fullmatch(text)
    return int(match[1]) if match else None


def _relied_on(texts: Sequence[str], index: ClassIndex) -> int | None:
    """How many class names there are, where one of these texts was found by its name."""
    return len(index.names) if any(index.find(text) is not None for text in texts) else None


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
