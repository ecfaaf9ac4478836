"""The table at the end of a run, as lines of plain text: a view of the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_envrobust.history.view import (
    SENSITIVITY_HEAD,
    ModelView,
    Row,
    headline,
    model_views,
    run_notices,
    sensitivity_texts,
)
from pytest_envrobust.reports.findings import (
    SCORE_HEAD,
    agreement_text,
    bound_text,
    flips_text,
    invariants_text,
    known_flip_lines,
    score_texts,
)
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

_HEAD = (
    *("environment", "status", "agreement", "at least", "flips", *SCORE_HEAD, "invariants"),
    *("wall ms", "CPU ms", "device ms", "ratio", "output"),
)
_THROUGHPUT_HEAD = ("throughput", "batch", "threads", "ms a call", "ms an image", "images/s", "ratio")
_RIGHT = frozenset({*SCORE_HEAD, "wall ms", "CPU ms", "device ms", "pairs", *_THROUGHPUT_HEAD[1:-1]})


def terminal_lines(record: Mapping[str, Any]) -> list[str]:
    """The report of a run: for each model a table of its environments and what is to be known about it."""
    lines = run_notices(record["run"])
    for view in model_views(record):
        if lines:
            lines.append("")
        lines += _model_lines(view)
    return lines


def _model_lines(view: ModelView) -> list[str]:
    lines = [headline(view), *(f"  {note}" for note in view.notes)]
    shown = [row for row in view.rows if not row.was_skipped]
    if shown:
        lines += _table([_HEAD, *(_cells(row, view.outputs) for row in shown)])
    lines += [
        f"  output {letter} is bit-identical in {len(same)}: {', '.join(same)}" for letter, same in view.identical
    ]
    lines += [f"  {line}" for line in known_flip_lines(view.rows)]
    lines += [f"  inconclusive: {row.reason.removeprefix(f'{view.name} in ')}" for row in view.undecided]
    lines += _time_lines(view)
    if view.sensitivity:
        lines += ["", *_table([SENSITIVITY_HEAD, *map(sensitivity_texts, view.sensitivity)])]
    lines += [f"  skipped {count}: {reason}" for reason, count in view.absent.most_common()]
    return lines


def _time_lines(view: ModelView) -> Iterator[str]:
    """What the times rest on, and the throughput where it was asked for."""
    timings = all_timings(view)
    if controls := controls_text(timings):
        yield f"  {controls}"
    yield from (f"  timing: {line}" for line in notice_lines(view))
    if tables := throughput_of(view):
        measured = [timed for table in tables for timed in table if not timed.reason]
        yield from ("", *_table([_THROUGHPUT_HEAD, *map(_throughput_cells, measured)]))
        for reason, environments in unavailable_points(timings).items():
            yield f"  {reason} ({', '.join(environments)})"


def _throughput_cells(timed: Timed) -> tuple[str, ...]:
    return (
        timed.environment,
        str(timed.point.batch),
        str(timed.point.threads),
        _median(timed.latency, "wall_ms"),
        "" if timed.image_ms is None else f"{timed.image_ms:.2f}",
        rate_text(timed),
        ratio_text(timed),
    )


def _cells(row: Row, outputs: Mapping[str, str]) -> tuple[str, ...]:
    return (
        row.environment or "(declaration)",
        "reference" if row.is_reference and row.status == "passed" else row.status,
        agreement_text(row.labels),
        bound_text(row),
        flips_text(row.labels),
        *score_texts(row.scores),
        invariants_text(row.invariants),
        _median(row.latency, "wall_ms"),
        _median(row.latency, "cpu_ms"),
        _median(row.latency, "device_ms"),
        ratio_text(Timed(row.environment, row.latency)),
        outputs.get(row.output, ""),
    )


def _median(latency: Mapping[str, Any], clock: str) -> str:
    median = latency.get(clock, {}).get("median")
    return "" if median is None else f"{median:.2f}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    used = [column for column in range(len(rows[0])) if any(row[column] for row in rows[1:])]
    widths = {column: max(len(row[column]) for row in rows) for column in used}
    lines = []
    for row in rows:
        parts = [
            row[column].rjust(widths[column]) if rows[0][column] in _RIGHT else row[column].ljust(widths[column])
            for column in used
        ]
        lines.append(("  " + "  ".join(parts)).rstrip())
    return lines
