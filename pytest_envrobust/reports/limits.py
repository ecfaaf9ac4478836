"""What a cell was held against, beside its figures: the limit, and in lines of their own where each was set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pytest_envrobust.checks.registry import limit_kinds
from pytest_envrobust.history.view import HeldLimit, Row
from pytest_envrobust.record.judged_part import family_of
from pytest_envrobust.reports.tables import Column, HasRow
from pytest_envrobust.verdicts.limits import (
    MAX_LATENCY_MS,
    MAX_LATENCY_RATIO,
    MAX_LATENCY_REGRESSION,
    TAIL_LIMITS,
)

_ON_INTERVALS = (MAX_LATENCY_MS, *TAIL_LIMITS, MAX_LATENCY_RATIO, MAX_LATENCY_REGRESSION)


def limit_lines(rows: Iterable[Row]) -> list[str]:
    """Every limit with the place that set it: those that hold for all environments in one line, others by environment.

    The reference has none on what it is itself the measure of, and does not count.
    """
    held = [row for row in rows if row.limits]
    others = [row for row in held if not row.is_reference]
    order = list(limit_kinds())
    every = sorted(
        dict.fromkeys(limit for row in held for limit in row.limits),
        key=lambda limit: order.index(limit.name) if limit.name in order else len(order),
    )
    of_some: dict[tuple[str, ...], list[HeldLimit]] = {}
    of_all: list[HeldLimit] = []
    for limit in every:
        holding = [row for row in held if limit in row.limits]
        if others and all(limit in row.limits for row in others):
            of_all.append(limit)
        else:
            of_some.setdefault(tuple(row.environment for row in holding), []).append(limit)
    lines = [f"limits: {_said(of_all)}"] if of_all else []
    lines += [f"limits in {', '.join(names)}: {_said(limits)}" for names, limits in of_some.items()]
    return [*lines, *_families(held)]


def _families(held: Sequence[Row]) -> list[str]:
    """Over how many cells the verdicts on bounds and intervals hold, where that is more than one."""
    judged = [row for row in held if any(limit.on_bound or limit.name in _ON_INTERVALS for limit in row.limits)]
    families = dict.fromkeys(family_of(row.family) for row in judged if not row.is_reference)
    return [f"what is shown, and intervals that are judged, at {family}" for family in families if family.cells > 1]


def changed_limits(before: Row, after: Row) -> list[str]:
    """What an environment was held against before and after, for each limit that is not the same in both."""
    names = dict.fromkeys(limit.name for row in (before, after) for limit in row.limits)
    told = []
    for name in names:
        one, other = ([limit for limit in row.limits if limit.name == name] for row in (before, after))
        if {_asked(limit) for limit in one} != {_asked(limit) for limit in other}:
            told.append(f"{_said(one) or f'{name} (none)'} -> {_said(other) or '(none)'}")
    return told


def limit_beside(row: Row, name: str, *, of_bound: bool | None = None) -> str:
    """``≥ 0.98`` or ``≤ 40``: the limit of that name, the strictest where several tests set one; empty without any.

    ``of_bound`` takes only those that the bound has to keep, or the share itself.
    """
    values = [limit.value for limit in row.limits if limit.name == name and of_bound in (None, limit.on_bound)]
    if not values:
        return ""
    return f"≥ {max(values):g}" if name.startswith("min") else f"≤ {min(values):g}"


def with_limits(columns: Iterable[Column[HasRow]], subjects: Sequence[HasRow]) -> list[Column[HasRow]]:
    """The columns with their limits: in the heading where one holds for all figures, else beside each figure."""
    return [_with_limit(column, subjects) if column.limit else column for column in columns]


def _with_limit(column: Column[HasRow], subjects: Sequence[HasRow]) -> Column[HasRow]:
    def beside(subject: HasRow) -> str:
        return limit_beside(subject.row, column.limit, of_bound=column.of_bound) if column.text(subject) else ""

    said = dict.fromkeys(filter(None, map(beside, subjects)))
    if len(said) == 1:
        (only,) = said
        html = f"{column.html_heading or column.heading}\nlimit {only}"
        return replace(column, heading=f"{column.heading} {only}", html_heading=html)
    if not said:
        return column

    def text(subject: HasRow) -> str:
        return f"{column.text(subject)} {beside(subject)}".rstrip()

    return replace(column, text=text, html_text=column.html_text or column.text, html_limit=beside)


def _said(limits: Iterable[HeldLimit]) -> str:
    return ", ".join(f"{limit.name} {limit.value:g}{_terms(limit)} ({limit.origin})" for limit in limits)


def _asked(limit: HeldLimit) -> tuple[float, bool, bool]:
    """What is asked, wherever it was set."""
    return limit.value, limit.on_bound, limit.ignores_ties


def _terms(limit: HeldLimit) -> str:
    return (" on what is shown" if limit.on_bound else "") + (" without ties" if limit.ignores_ties else "")
