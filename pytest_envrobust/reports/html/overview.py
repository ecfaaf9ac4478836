"""The head of the HTML report: how many cells ended how, what changed labels and times most, and what to know first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_envrobust.core.wording import counted, listed, percent
from pytest_envrobust.history.view import GROUPS, ModelView, run_notices
from pytest_envrobust.reports.times import all_timings, doubtful_times
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
    """A row of the sensitivity table, as text; ``mean`` and ``largest`` are shares, absent ones empty."""

    model: str
    factor: str
    part: str
    pairs: int
    environments: str
    outputs: str
    mean: str = ""
    largest: str = ""
    largest_share: float = 0.0
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


def headline(total: Counts) -> str:
    """The verdict in one line."""
    failed, unsure, limited = (total.by_group[group] for group in ("failed", "inconclusive", "limited"))
    ran = total.total - total.by_group["skipped"]
    if failed:
        return f"{failed} of {counted(ran, 'cell')} failed"
    if unsure:
        return f"No cell failed, {unsure} of {ran} {'is' if unsure == 1 else 'are'} inconclusive"
    if limited:
        return f"No cell failed, {limited} of {ran} {'is' if limited == 1 else 'are'} limited as declared"
    if ran:
        return "The one cell that ran passed" if ran == 1 else f"All {ran} cells that ran passed"
    return "Every cell was skipped" if total.total else "No cells were recorded"


def sentences(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """What most changed labels, and what most changed time, over all models."""
    entries = [(model["name"], entry) for model in models for entry in _sensitivity(model) if "part" not in entry]
    several = len(models) > 1
    found = []
    by_labels = [(entry["labels"]["largest"], name, entry) for name, entry in entries if "labels" in entry]
    if by_labels:
        largest, name, entry = max(by_labels, key=lambda item: item[0])
        factors = list(dict.fromkeys(item["factor"] for _, _, item in by_labels))
        found.append(_about_labels(largest, name if several else "", entry, factors))
    by_time = [(entry["time"]["largest"], name, entry) for name, entry in entries if "time" in entry]
    if by_time:
        largest, name, entry = max(by_time, key=lambda item: item[0])
        slow, fast = entry["time"]["pair"]
        subject = f" of {name}" if several else ""
        found.append(
            f"Time changed most with the {entry['factor']}: a call{subject} takes {ratio(largest)} times as long in "
            f"{slow} as in {fast}."
        )
    return found


def _about_labels(largest: float, name: str, entry: Mapping[str, Any], factors: Sequence[str]) -> str:
    subject = f" of {name}" if name else ""
    if largest == 0:
        return f"No label changed with {listed(factors, 'or')} alone."
    one, other = entry["labels"]["pair"]
    return (
        f"Labels changed most with the {entry['factor']}: {percent(largest)} of the labels{subject} differ between "
        f"{one} and {other}."
    )


def factor_rows(models: Sequence[Mapping[str, Any]]) -> list[list[FactorRow]]:
    """The sensitivity table: for each model that has one, its rows."""
    tables = [[_factor_row(model["name"], entry) for entry in _sensitivity(model)] for model in models]
    return [rows for rows in tables if rows]


def _factor_row(name: str, entry: Mapping[str, Any]) -> FactorRow:
    labels, time = entry.get("labels", {}), entry.get("time", {})
    interval = time.get("interval")
    return FactorRow(
        model=name,
        factor=entry["factor"],
        part=_PARTS.get(entry.get("part", ""), entry.get("part", "")),
        pairs=entry["pairs"],
        environments=str(entry.get("environments", "")),
        outputs=str(entry.get("distinct_outputs", "")),
        mean=percent(labels["mean"]) if "mean" in labels else "",
        largest=percent(labels["largest"]) if "largest" in labels else "",
        largest_share=labels.get("largest", 0.0),
        labels_pair=tuple(labels.get("pair", ())) if labels.get("largest") else (),
        time=ratio(time["largest"]) if "largest" in time else "",
        time_interval=f"{ratio(interval[0])} to {ratio(interval[1])}" if interval else "",
        time_pair=tuple(time.get("pair", ())),
    )


def notices(record: Mapping[str, Any], views: Sequence[ModelView]) -> list[str]:
    """What a reader must know before the figures, one line each; what is so of several models is said once."""
    times = [text for text in (doubtful_times(views), _controls(views)) if text]
    about: dict[str, list[str]] = {}
    for view in views:
        for text in view.notes:
            about.setdefault(text, []).append(view.name)
    return [*run_notices(record["run"]), *(f"{_named(names)}: {text}" for text, names in about.items()), *times]


def _controls(views: Sequence[ModelView]) -> str:
    """That A/A controls were outside their margin, or could not run; empty where all were well."""
    counts = {view.name: sum(timed.control_speaks_against for timed in all_timings(view)) for view in views}
    doubtful = sum(counts.values())
    if not doubtful:
        return ""
    of = sum(timed.control is not None or bool(timed.control_fault) for view in views for timed in all_timings(view))
    by_model = ", ".join(f"{name} ({count})" for name, count in counts.items() if count)
    return (
        f"A/A controls, the reference against itself: {doubtful} of {of} outside {MARGIN * 100:g} % or not run, "
        f"by model: {by_model}"
    )


def _named(names: Sequence[str]) -> str:
    return listed(names) if len(names) <= 6 else f"{', '.join(names[:5])} and {len(names) - 5} more"


def _sensitivity(model: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = model.get("analysis", {}).get("sensitivity", ())
    return found
