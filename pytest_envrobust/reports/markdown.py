"""A short report of a run in GitHub's Markdown, for the summary of a CI job: a view of the record."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from pytest_envrobust.core.files import write_text
from pytest_envrobust.core.status import gravity
from pytest_envrobust.core.wording import counted
from pytest_envrobust.history.view import NOT_RUN, ModelView, model_views
from pytest_envrobust.record.schema import Record, Run
from pytest_envrobust.reports.columns import SENSITIVITY, THROUGHPUT, Entry, entries_of, environment_columns
from pytest_envrobust.reports.definitions import definitions_of
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
from pytest_envrobust.reports.words import GROUP_SIGNS

_SPECIAL = re.compile(r"[\\`*|~]|\](?=[(\[])|(?<![^\W_])_|_(?![^\W_])")
"""What GitHub would read as markup; an underscore within a word is none, nor is a bracket without a link."""


def markdown_lines(record: Record) -> list[str]:
    """The report: a verdict line, a table of environments for each model, failures first, and what made a difference.

    Environments that are bit-identical and ended alike share a line, those that were skipped are folded away: 30
    environments of a model stay under 60 lines.
    """
    views = model_views(record)
    lines = [_verdict(views, record.run), ""]
    if said := head_lines(record.run, views):
        lines += [escaped(" ".join(said)), ""]
    for view in views:
        lines += _model_lines(view)
    return [*lines, *_sensitivity_lines(views)]


def write_markdown(record: Record, path: Path) -> None:
    """Write the report, whole or not at all. Raises `DeclarationError` where the place cannot be written."""
    write_text(path, "\n".join(markdown_lines(record)) + "\n", "summary")


def escaped(text: str) -> str:
    """Text of any kind as it stands, in one line, within a table or without."""
    in_one_line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\g<0>", in_one_line)


def _verdict(views: Sequence[ModelView], run: Run) -> str:
    found = Counter(row.group for view in views for row in view.rows)
    if not found:
        return f"### {GROUP_SIGNS['inconclusive']} envrobust: no cell was recorded"
    order = ("failed", NOT_RUN, "inconclusive", "passed", "limited", "skipped")
    ended = next(ended for ended in order if found[ended] or (ended == NOT_RUN and run.interrupted))
    sign = GROUP_SIGNS[ended]
    counts = ", ".join(f"{found[ended]} {ended}" for ended in GROUP_SIGNS if found[ended])
    interrupted = ", interrupted" if run.interrupted else ""
    return f"### {sign} envrobust: {counts} of {counted(found.total(), 'cell')}{interrupted}"


def _model_lines(view: ModelView) -> Iterator[str]:
    yield from (f"#### {escaped(model_line(view))}", "")
    if view.notes:
        yield from ("<br>".join(map(escaped, view.notes)), "")
    shown = [entry for entry in entries_of(view) if entry.row.group != "skipped"]
    if shown:
        yield from (*_table(environment_columns(shown), _ended_alike(shown)), "")
    if limits := limit_lines(view.rows):
        yield from ("<br>".join(map(escaped, limits)), "")
    if known := known_flip_lines(view.rows):
        yield from ("<br>".join(map(escaped, known)), "")
    yield from _time_lines(view)
    skipped: dict[str, list[str]] = {}
    for row in view.rows:
        if row.group == "skipped":
            skipped.setdefault(row.reason, []).append(row.environment)
    if skipped:
        count = sum(map(len, skipped.values()))
        yield from (f"<details><summary>{GROUP_SIGNS['skipped']} {count} skipped</summary>", "")
        for reason, environments in skipped.items():
            yield f"- {escaped(', '.join(environments))}: {escaped(reason)}"
        yield from ("", "</details>", "")


def _time_lines(view: ModelView) -> Iterator[str]:
    """What the times rest on; the throughput, where it was asked for, is folded away."""
    timings = all_timings(view)
    controls = controls_text(timings)
    if said := [*([controls] if controls else []), *(f"timing: {line}" for line in notice_lines(view))]:
        yield from ("<br>".join(map(escaped, said)), "")
    if tables := throughput_of(view):
        yield from ("<details><summary>Throughput</summary>", "")
        yield from _table(THROUGHPUT, [[timing for timing in table if not timing.reason] for table in tables])
        if unavailable := unavailable_points(timings):
            yield ""
            for reason, environments in unavailable.items():
                yield f"- {escaped(reason)} ({escaped(', '.join(environments))})"
        yield from ("", "</details>", "")


def _ended_alike(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Those that gave the same bits and ended alike, which share a line, the gravest first."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        row = entry.row
        apart = "" if row.output else row.environment
        groups.setdefault((row.status, row.output, entry.reason, apart), []).append(entry)
    order = list(GROUP_SIGNS)
    return sorted(groups.values(), key=lambda group: (order.index(group[0].row.group), gravity(group[0].row.status)))


def _sensitivity_lines(views: Sequence[ModelView]) -> list[str]:
    said = "<br>".join(map(escaped, definitions_of(views)))
    factors = [(view.name, factor) for view in views for factor in view.sensitivity]
    if not factors:
        return [said, ""] if said else []
    columns, rows = tabulated(SENSITIVITY, [factor for _, factor in factors], Report.MARKDOWN)
    texts = [[escaped(text) for text in (name, *row)] for (name, _), row in zip(factors, rows)]
    headings = ["model", *(column.heading for column in columns)]
    return ["#### What makes labels and time differ", "", *_lines(headings, texts), "", *([said, ""] if said else [])]


def _table(columns: Iterable[Column[Subject]], groups: Sequence[Sequence[Subject]]) -> list[str]:
    """A table with a line for each group of subjects."""
    shared = [Column(column.name, escaped(column.heading), _shared(column), column.reports) for column in columns]
    used, rows = tabulated(shared, groups, Report.MARKDOWN)
    return _lines([column.heading for column in used], rows)


def _shared(column: Column[Subject]) -> Callable[[Sequence[Subject]], str]:
    """What gives the text of subjects that share a line."""

    def text(group: Sequence[Subject]) -> str:
        texts = [escaped(column.text(subject)) for subject in group]
        if column.own_text:
            return "<br>".join(texts) if any(texts) else ""
        return next(filter(None, texts), "")

    return text


def _lines(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (headings, ["---"] * len(headings), *rows)]
