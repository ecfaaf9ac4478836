"""A short report of a run in GitHub's Markdown, for the summary of a CI job: a view of the record."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_envrobust.core.files import write_text
from pytest_envrobust.core.wording import counted
from pytest_envrobust.history.view import (
    GRAVITY,
    SENSITIVITY_HEAD,
    ModelView,
    Row,
    headline,
    model_views,
    run_notices,
    sensitivity_texts,
)
from pytest_envrobust.reports.findings import agreement_text, bound_text, flips_text, known_flip_lines
from pytest_envrobust.reports.times import (
    Timed,
    all_timings,
    controls_text,
    notice_lines,
    rate_text,
    ratio_text,
    throughput_of,
    unavailable_points,
)

_SIGNS = {"failed": "❌", "inconclusive": "⚠️", "limited": "➖", "passed": "✅", "skipped": "⏭️"}
"""How a cell ended, in the order of the tables, with a sign beside the word."""
_LONGEST_REASON = 300
_HEAD = ("status", "environment", "agreement", "at least", "flips", "time ratio", "why")
_THROUGHPUT_HEAD = ("throughput", "batch", "threads", "ms a call", "ms an image", "images/s", "time ratio")

_SPECIAL = re.compile(r"[\\`*|~]|\](?=[(\[])|(?<![^\W_])_|_(?![^\W_])")
"""What GitHub would read as markup; an underscore within a word is none, nor is a bracket without a link."""


def markdown_lines(record: Mapping[str, Any]) -> list[str]:
    """The report: a verdict line, a table of environments for each model, failures first, and what made a difference.

    Environments that are bit-identical and ended alike share a line, those that were skipped are folded away: 30
    environments of a model stay under 60 lines.
    """
    views = model_views(record)
    lines = [_verdict(views), ""]
    if said := run_notices(record["run"]):
        lines += [escaped(" ".join(said)), ""]
    for view in views:
        lines += _model_lines(view)
    return [*lines, *_sensitivity_lines(views)]


def write_markdown(record: Mapping[str, Any], path: Path) -> None:
    """Write the report, whole or not at all. Raises `DeclarationError` where the place cannot be written."""
    write_text(path, "\n".join(markdown_lines(record)) + "\n", "summary")


def escaped(text: str) -> str:
    """Text of any kind as it stands, in one line, within a table or without."""
    in_one_line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\g<0>", in_one_line)


def _verdict(views: Sequence[ModelView]) -> str:
    found = Counter(row.group for view in views for row in view.rows)
    if not found:
        return f"### {_SIGNS['inconclusive']} envrobust: no cell was recorded"
    sign = next(_SIGNS[ended] for ended in ("failed", "inconclusive", "passed", "limited", "skipped") if found[ended])
    counts = ", ".join(f"{found[ended]} {ended}" for ended in _SIGNS if found[ended])
    return f"### {sign} envrobust: {counts} of {counted(found.total(), 'cell')}"


def _model_lines(view: ModelView) -> Iterator[str]:
    yield from (f"#### {escaped(headline(view))}", "")
    if view.notes:
        yield from ("<br>".join(map(escaped, view.notes)), "")
    shown = [row for row in view.rows if row.group != "skipped"]
    if shown:
        yield from (
            *_table(_HEAD, _rows(shown, view)),
            "",
        )
    if known := known_flip_lines(view.rows):
        yield from ("<br>".join(map(escaped, known)), "")
    yield from _time_lines(view)
    skipped: dict[str, list[str]] = {}
    for row in view.rows:
        if row.group == "skipped":
            skipped.setdefault(row.reason, []).append(row.environment)
    if skipped:
        count = sum(map(len, skipped.values()))
        yield from (f"<details><summary>{_SIGNS['skipped']} {count} skipped</summary>", "")
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
        yield from _table(_THROUGHPUT_HEAD, [_throughput(table) for table in tables])
        if unavailable := unavailable_points(timings):
            yield ""
            for reason, environments in unavailable.items():
                yield f"- {escaped(reason)} ({escaped(', '.join(environments))})"
        yield from ("", "</details>", "")


def _throughput(timings: Sequence[Timed]) -> list[str]:
    """One line for an environment, all its points in it."""
    measured = [timed for timed in timings if not timed.reason]
    columns = [
        [str(timed.point.batch) for timed in measured],
        [str(timed.point.threads) for timed in measured],
        [_milliseconds(timed.latency.get("wall_ms", {}).get("median")) for timed in measured],
        [_milliseconds(timed.image_ms) for timed in measured],
        [rate_text(timed) for timed in measured],
        [ratio_text(timed) for timed in measured],
    ]
    return [escaped(timings[0].environment), *("<br>".join(column) if any(column) else "" for column in columns)]


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _rows(rows: Sequence[Row], view: ModelView) -> list[list[str]]:
    """The cells of the table, one line for all that gave the same bits and ended alike, the gravest first."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        apart = row.environment if not row.output else ""
        groups.setdefault((row.status, row.output, _reason(row, view), apart), []).append(row)
    order = list(_SIGNS)
    ordered = sorted(groups.values(), key=lambda group: (order.index(group[0].group), GRAVITY.index(group[0].status)))
    return [_line(group, view) for group in ordered]


def _line(group: Sequence[Row], view: ModelView) -> list[str]:
    first = group[0]
    labels = next((row.labels for row in group if row.labels), {})
    ratios = [ratio_text(Timed(row.environment, row.latency)) for row in group]
    return [
        f"{_SIGNS[first.group]} {escaped(first.status)}",
        "<br>".join(map(_name, group)),
        agreement_text(labels),
        next(filter(None, map(bound_text, group)), ""),
        flips_text(labels),
        "<br>".join(ratios) if any(ratios) else "",
        escaped(_reason(first, view)),
    ]


def _name(row: Row) -> str:
    return escaped(row.environment or "(declaration)") + (" (reference)" if row.is_reference else "")


def _reason(row: Row, view: ModelView) -> str:
    """Why it ended so, without the cell's name, which stands beside it."""
    text = row.reason.removeprefix(f"{view.name} in {row.environment}: ")
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON].rstrip()} ..."


def _sensitivity_lines(views: Sequence[ModelView]) -> list[str]:
    rows = [
        [escaped(text) for text in (view.name, *sensitivity_texts(entry))]
        for view in views
        for entry in view.sensitivity
    ]
    if not rows:
        return []
    return ["#### What makes labels and time differ", "", *_table(["model", *SENSITIVITY_HEAD], rows), ""]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table without the columns in which no row has anything."""
    used = [column for column in range(len(head)) if any(row[column] for row in rows)]
    return ["| " + " | ".join(row[column] for column in used) + " |" for row in (head, ["---"] * len(head), *rows)]
