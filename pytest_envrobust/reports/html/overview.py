"""The head of the HTML report: how many cells ended how, what changed labels and times most, and what to know first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_envrobust.core.wording import counted, listed, percent
from pytest_envrobust.history.view import GROUPS, NOT_RUN, ModelView
from pytest_envrobust.record.schema import LabelSensitivity, Model, Run, Sensitivity, TimeSensitivity
from pytest_envrobust.reports.lines import head_lines
from pytest_envrobust.reports.timings import all_timings, doubtful_times
from pytest_envrobust.reports.words import ratio
from pytest_envrobust.timing.control import MARGIN

_PARTS = {"definitions": "other definitions of the model", "conversions": "one definition, converted"}


@dataclass(frozen=True)
class Counts:
    """How many cells of a model, or of all, ended how; ``anchor`` is the section's id."""

    name: str
    anchor: str
    by_group: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.by_group.values())


@dataclass(frozen=True)
class FactorRow:
    """A row of the sensitivity table; ``mean`` and ``largest`` are shares as text, empty where there are none."""

    model: str
    factor: str
    part: str
    pairs: int
    environments: int
    outputs: int
    mean: str = ""
    largest: str = ""
    labels_pair: tuple[str, ...] = ()
    time: str = ""
    time_interval: str = ""
    time_pair: tuple[str, ...] = ()


def counts_of(view: ModelView, anchor: str) -> Counts:
    """How the cells of a model ended."""
    groups = [row.group for row in view.rows]
    return Counts(view.name, anchor, {group: groups.count(group) for group in GROUPS})


def total_of(counts: Sequence[Counts]) -> Counts:
    """All models together."""
    return Counts("all", "", {group: sum(item.by_group[group] for item in counts) for group in GROUPS})


def headline(total: Counts, run: Run) -> str:
    """The verdict in one line."""
    failed, unsure, limited = (total.by_group[group] for group in ("failed", "inconclusive", "limited"))
    to_come = total.by_group[NOT_RUN]
    ran = total.total - total.by_group["skipped"] - to_come
    if failed:
        return f"{failed} of {counted(ran, 'cell')} failed" + (f", {to_come} did not run" if to_come else "")
    if to_come or run.interrupted:
        return f"The run was interrupted: {to_come} of {counted(ran + to_come, 'cell')} did not run"
    if unsure:
        return f"No cell failed, {unsure} of {ran} {'is' if unsure == 1 else 'are'} inconclusive"
    if limited:
        return f"No cell failed, {limited} of {ran} {'is' if limited == 1 else 'are'} limited as declared"
    if ran:
        return "The one cell that ran passed" if ran == 1 else f"All {ran} cells that ran passed"
    return "Every cell was skipped" if total.total else "No cells were recorded"


def sentences(models: Sequence[Model]) -> list[str]:
    """What most changed labels, and what most changed time, over all models."""
    factors = [(model.name, factor) for model in models for factor in _sensitivity(model) if factor.part is None]
    by_labels = [(name, factor.factor, factor.labels) for name, factor in factors if factor.labels is not None]
    by_time = [(name, factor.factor, factor.time) for name, factor in factors if factor.time is not None]
    several = len(models) > 1
    found = []
    if by_labels:
        name, factor, labels = max(by_labels, key=lambda item: item[2].largest)
        if labels.largest == 0:
            factors_named = list(dict.fromkeys(factor for _, factor, _ in by_labels))
            found.append(f"No label changed with {listed(factors_named, 'or')} alone.")
        else:
            found.append(_about_labels(name if several else "", factor, labels))
    if by_time:
        name, factor, time = max(by_time, key=lambda item: item[2].largest)
        found.append(_about_time(name if several else "", factor, time))
    return found


def _about_labels(model: str, factor: str, labels: LabelSensitivity) -> str:
    one, other = labels.pair
    return (
        f"Labels changed most with the {factor}: {percent(labels.largest)} of the labels{_of(model)} differ between "
        f"{one} and {other}."
    )


def _about_time(model: str, factor: str, time: TimeSensitivity) -> str:
    slow, fast = time.pair
    return (
        f"Time changed most with the {factor}: a call{_of(model)} takes {ratio(time.largest)} times as long in {slow} "
        f"as in {fast}."
    )


def _of(model: str) -> str:
    return f" of {model}" if model else ""


def factor_rows(models: Sequence[Model]) -> list[list[FactorRow]]:
    """The sensitivity table: for each model that has one, its rows."""
    tables = [[_factor_row(model.name, factor) for factor in _sensitivity(model)] for model in models]
    return [rows for rows in tables if rows]


def _factor_row(name: str, factor: Sensitivity) -> FactorRow:
    labels, time = factor.labels, factor.time
    return FactorRow(
        model=name,
        factor=factor.factor,
        part=_PARTS.get(factor.part or "", factor.part or ""),
        pairs=factor.pairs,
        environments=factor.environments,
        outputs=factor.distinct_outputs,
        mean="" if labels is None else percent(labels.mean),
        largest="" if labels is None else percent(labels.largest),
        labels_pair=labels.pair if labels is not None and labels.largest else (),
        time="" if time is None else ratio(time.largest),
        time_interval="" if time is None or time.interval is None else " to ".join(map(ratio, time.interval)),
        time_pair=() if time is None else time.pair,
    )


def notices(run: Run, views: Sequence[ModelView]) -> list[str]:
    """What a reader must know before the figures, one line each; what is so of several models is said once."""
    times = [text for text in (doubtful_times(views), _controls(views)) if text]
    about: dict[str, list[str]] = {}
    for view in views:
        for text in view.notes:
            about.setdefault(text, []).append(view.name)
    return [*head_lines(run, views), *(f"{_named(names)}: {text}" for text, names in about.items()), *times]


def _controls(views: Sequence[ModelView]) -> str:
    """That A/A controls were outside their margin, or could not run; empty where all were well."""
    counts = {view.name: sum(timing.control_speaks_against for timing in all_timings(view)) for view in views}
    doubtful = sum(counts.values())
    if not doubtful:
        return ""
    timings = [timing for view in views for timing in all_timings(view)]
    of = sum(timing.control is not None or bool(timing.control_fault) for timing in timings)
    by_model = ", ".join(f"{name} ({count})" for name, count in counts.items() if count)
    return (
        f"A/A controls, the reference against itself: {doubtful} of {of} outside {MARGIN * 100:g} % or not run, "
        f"by model: {by_model}"
    )


def _named(names: Sequence[str]) -> str:
    return listed(names) if len(names) <= 6 else f"{', '.join(names[:5])} and {len(names) - 5} more"


def _sensitivity(model: Model) -> Sequence[Sensitivity]:
    return model.analysis.sensitivity if model.analysis is not None else ()
