"""What a table of any report is made from: columns that are declared once, and the texts in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from typing import Generic, Protocol, TypeVar

from pytest_envrobust.history.view import Row

Subject = TypeVar("Subject")


class OfRow(Protocol):
    """What stands in a line of the table of environments."""

    @property
    def row(self) -> Row:
        """All that the record says of the environment."""


HasRow = TypeVar("HasRow", bound=OfRow)


class Report(Flag):
    """The reports that have tables."""

    TERMINAL = auto()
    MARKDOWN = auto()
    HTML = auto()


TEXT = Report.TERMINAL | Report.MARKDOWN
FULL = Report.TERMINAL | Report.HTML
"""Those that show every figure; Markdown is the short one."""
EVERY = FULL | Report.MARKDOWN


@dataclass(frozen=True)
class Column(Generic[Subject]):
    """A column of a table; a report leaves it out where it has no text at all.

    ``text`` gives what stands in it for a subject; ``name`` is what the HTML page knows it by. ``right`` aligns it as
    numbers are. In Markdown several subjects may share a line: each has its own text there if ``own_text``, else the
    first text stands for all. HTML takes ``html_heading``, its lines apart by line feeds, and ``html_text`` where they
    are given, and explains the heading by ``title``. ``limit`` is the limit that its figures are held against; where
    ``of_bound`` is given, one that the bound has to keep, or one that the share itself has. ``html_limit`` is what HTML
    writes below a figure where the limit is not the same for all.
    """

    name: str
    heading: str
    text: Callable[[Subject], str]
    reports: Report = EVERY
    right: bool = False
    own_text: bool = False
    html_heading: str = ""
    html_text: Callable[[Subject], str] | None = None
    title: str = ""
    limit: str = ""
    of_bound: bool | None = None
    html_limit: Callable[[Subject], str] | None = None


def tabulated(
    columns: Iterable[Column[Subject]], subjects: Sequence[Subject], report: Report
) -> tuple[list[Column[Subject]], list[list[str]]]:
    """The columns of a report that have any text, and their texts, a list for each subject."""
    shown = [column for column in columns if report in column.reports]
    writers = [column.html_text or column.text if report is Report.HTML else column.text for column in shown]
    texts = [[write(subject) for write in writers] for subject in subjects]
    used = [place for place in range(len(shown)) if any(row[place] for row in texts)]
    return [shown[place] for place in used], [[row[place] for place in used] for row in texts]
