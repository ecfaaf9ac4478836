"""The table at the end of a run, as lines of plain text: a view of the record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pytest_envrobust.history.view import ModelView, model_views
from pytest_envrobust.record.schema import Record
from pytest_envrobust.reports.columns import SENSITIVITY, THROUGHPUT, entries_of, environment_columns
from pytest_envrobust.reports.definitions import definition_lines
from pytest_envrobust.reports.limits import limit_lines
from pytest_envrobust.reports.lines import head_lines, known_flip_lines, model_line
from pytest_envrobust.reports.tables import Column, Report, Subject, tabulated
from pytest_envrobust.reports.timings import (
    all_timings,
    controls_text,
    notice_lines,
    throughput_of,
    unavailable_points,
)


def terminal_lines(record: Record) -> list[str]:
    """The report of a run: for each model a table of its environments and what is to be known about it."""
    views = model_views(record)
    lines = head_lines(record.run, views)
    for view in views:
        if lines:
            lines.append("")
        lines += _model_lines(view)
    return lines


def _model_lines(view: ModelView) -> list[str]:
    lines = [model_line(view), *(f"  {note}" for note in view.notes)]
    shown = [entry for entry in entries_of(view) if not entry.row.was_skipped]
    if shown:
        lines += _table(environment_columns(shown), shown)
    lines += [f"  {line}" for line in limit_lines(view.rows)]
    lines += [
        f"  output {letter} is bit-identical in {len(same)}: {', '.join(same)}" for letter, same in view.identical
    ]
    lines += [f"  {line}" for line in known_flip_lines(view.rows)]
    lines += [f"  inconclusive: {row.reason.removeprefix(f'{view.name} in ')}" for row in view.undecided]
    lines += _time_lines(view)
    if view.sensitivity:
        lines += ["", *_table(SENSITIVITY, view.sensitivity)]
    lines += [f"  {line}" for line in definition_lines(view)]
    lines += [f"  skipped {count}: {reason}" for reason, count in view.absent.most_common()]
    return lines


def _time_lines(view: ModelView) -> Iterator[str]:
    """What the times rest on, and the throughput where it was asked for."""
    timings = all_timings(view)
    if controls := controls_text(timings):
        yield f"  {controls}"
    yield from (f"  timing: {line}" for line in notice_lines(view))
    if tables := throughput_of(view):
        yield from ("", *_table(THROUGHPUT, [timing for table in tables for timing in table if not timing.reason]))
        for reason, environments in unavailable_points(timings).items():
            yield f"  {reason} ({', '.join(environments)})"


def _table(columns: Iterable[Column[Subject]], subjects: Sequence[Subject]) -> Iterator[str]:
    used, rows = tabulated(columns, subjects, Report.TERMINAL)
    headings = [column.heading for column in used]
    widths = [max(map(len, texts)) for texts in zip(headings, *rows)]
    for row in (headings, *rows):
        parts = [
            text.rjust(width) if column.right else text.ljust(width) for column, text, width in zip(used, row, widths)
        ]
        yield ("  " + "  ".join(parts)).rstrip()
