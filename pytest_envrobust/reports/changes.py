"""The comparison of two runs as lines of plain text, and as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_envrobust.core.timing import Clock
from pytest_envrobust.core.wording import counted
from pytest_envrobust.history.changes import CellChange, Changes, Difference, ModelChanges
from pytest_envrobust.history.recorded_run import RecordedRun
from pytest_envrobust.record.schema import Machine
from pytest_envrobust.reports.columns import agreement_text
from pytest_envrobust.reports.limits import changed_limits
from pytest_envrobust.reports.words import kinds

NO_DECLARATION = "(declaration)"
_CLOCKS: tuple[Clock, ...] = ("cpu", "wall")


def changes_lines(changes: Changes) -> list[str]:
    """What differs between two runs, for the terminal."""
    lines = [run_line(changes.before), run_line(changes.after)]
    lines += [f"run: {_arrow(difference)}" for difference in changes.machine]
    if warning := time_warning(changes):
        lines.append(warning)
    lines += [f"version: {_arrow(difference)}" for difference in changes.versions]
    for model in changes.models:
        lines += ["", *_model_lines(model, not changes.not_comparable_times)]
    return lines


def changes_page(changes: Changes) -> str:
    """The same as one self-contained page of HTML."""
    from pytest_envrobust.reports.html.rendering import render

    return render(
        "changes.html.j2",
        changes=changes,
        runs=[run_line(run) for run in (changes.before, changes.after)],
        warning=time_warning(changes),
        summary=model_summary,
        environment=_environment,
        agreement=_agreement,
        unknown=_unknown,
        without_label=without_label,
        times=_times,
        limits=_limits,
    )


def run_line(run: RecordedRun) -> str:
    """Which run it was: name, start, processor, cores, threads."""
    about = run.record.run
    machine = about.machine or Machine()
    counts = ((machine.cores, "core"), (about.threads, "thread"))
    parts = [about.started, machine.processor, *(counted(n, noun) for n, noun in counts if n is not None)]
    return f"{run.name}: {', '.join(part for part in parts if part)}"


def time_warning(changes: Changes) -> str:
    """That times are not comparable, and why; empty where they are."""
    differing = changes.not_comparable_times
    return f"times are not comparable: the runs differ in {', '.join(differing)}" if differing else ""


def model_summary(model: ModelChanges) -> str:
    """How many of a model's cells changed, and in what."""
    counts = {
        "lost": len(model.lost),
        "gained": len(model.gained),
        "with a graver status": sum(cell.is_graver for cell in model.cells),
        "with another status": sum(cell.status_changed and not cell.is_graver for cell in model.cells),
        "with changed labels": sum(cell.labels_changed for cell in model.cells),
        "changed in bits only": sum(cell.bits_changed for cell in model.cells),
        "whose labels cannot be compared input by input": sum(cell.labels_unknown for cell in model.cells),
    }
    said = [f"{count} {what}" for what, count in counts.items() if count] or ["no status, label or bit changed"]
    return f"{counted(len(model.cells), 'cell')} in both runs, {', '.join(said)}"


def _arrow(difference: Difference) -> str:
    return f"{difference.name} {difference.before or '(none)'} -> {difference.after or '(none)'}"


def _model_lines(model: ModelChanges, times_are_comparable: bool) -> Iterator[str]:
    yield f"{model.name}: {model_summary(model)}"
    yield from (f"  {note}" for note in model.notes)
    yield from (f"  lost    {_environment(row.environment)} (was {row.status.value})" for row in model.lost)
    yield from (f"  gained  {_environment(row.environment)} ({row.status.value})" for row in model.gained)
    for cell in sorted(model.cells, key=lambda cell: not cell.is_graver):
        if cell.status_changed:
            word = "graver" if cell.is_graver else "status"
            reason = f": {cell.after.reason}" if cell.after.reason else ""
            yield f"  {word}  {_environment(cell.environment)}: {' -> '.join(cell.statuses)}{reason}"
    yield from _limit_lines(model.cells)
    yield from _label_lines(model.cells)
    if bits := [cell.environment for cell in model.cells if cell.bits_changed]:
        yield f"  bits    {len(bits)} changed in bits only: {', '.join(bits)}"
    if unknown := [cell.environment for cell in model.cells if cell.labels_unknown and not cell.flips_changed]:
        said = "cannot be compared input by input; the counts of flips tell no change"
        yield f"  labels  {len(unknown)} {said}: {', '.join(unknown)}"
    yield from _time_lines(model, times_are_comparable)


def _limit_lines(cells: Sequence[CellChange]) -> Iterator[str]:
    """Which limits became others: what passed then may have been asked for less."""
    by_limit: dict[str, list[str]] = {}
    for cell in cells:
        for said in _limits(cell):
            by_limit.setdefault(said, []).append(cell.environment)
    yield from (f"  limits  {', '.join(names)}: {said}" for said, names in by_limit.items())


def _limits(cell: CellChange) -> list[str]:
    return changed_limits(cell.before, cell.after)


def _label_lines(cells: Sequence[CellChange]) -> Iterator[str]:
    """What became of labels; cells of which the same is to be said share its lines."""
    by_lines: dict[tuple[str, ...], list[str]] = {}
    for cell in cells:
        if said := tuple(_labels_said(cell)):
            by_lines.setdefault(said, []).append(cell.environment)
    for (first, *details), environments in by_lines.items():
        yield f"  labels  {', '.join(environments)}: {first}"
        yield from (f"    {line}" for line in details)


def _labels_said(cell: CellChange) -> Iterator[str]:
    agreement, without = _agreement(cell), without_label(cell)
    if cell.labels is not None and cell.labels.count:
        of = f"{cell.labels.count} of {cell.labels.compared} changed"
        yield ", ".join(filter(None, (of, without, agreement)))
        yield from (f"{change.input}: {change.before} -> {change.after}" for change in cell.labels.first)
        if (more := cell.labels.count - len(cell.labels.first)) > 0:
            yield f"and {more} more"
    elif cell.labels_unknown and cell.flips_changed:
        yield ", ".join(filter(None, (_unknown(cell), agreement)))
    elif (agreement or without) and not cell.labels_unknown:
        yield ", ".join(filter(None, ("none changed", without, agreement)))


def without_label(cell: CellChange) -> str:
    """How many inputs have no label in either run, which makes them the same as nothing; empty for none."""
    count = 0 if cell.labels is None else cell.labels.without_label
    return f"{count} without a label in both runs" if count else ""


def _unknown(cell: CellChange) -> str:
    """What is known of labels that could not be compared input by input: the counts of flips."""
    before, after = cell.before.labels, cell.after.labels
    if before is None or after is None:
        return "not comparable"
    flips = [kinds(labels.flips) or "none" for labels in (before, after)]
    return f"not comparable input by input, flips {flips[0]} -> {flips[1]}"


def _agreement(cell: CellChange) -> str:
    """Agreement with the reference before and after, where it is not the same."""
    before, after = (agreement_text(row.labels) for row in (cell.before, cell.after))
    return f"agreement {before} -> {after}" if before and after and before != after else ""


def _time_lines(model: ModelChanges, are_comparable: bool) -> Iterator[str]:
    rows = [(_environment(cell.environment), *_times(cell)) for cell in model.cells if any(_times(cell))]
    if rows:
        head = "time, after over before" + ("" if are_comparable else " (not comparable)")
        table = [(head, "CPU", "wall"), *rows]
        widths = [max(len(row[column]) for row in table) for column in range(3)]
        yield from (
            f"  {row[0].ljust(widths[0])}  {row[1].rjust(widths[1])}  {row[2].rjust(widths[2])}" for row in table
        )


def _times(cell: CellChange) -> Sequence[str]:
    """Ratios of the medians, CPU and wall, as text; empty where one is missing."""
    ratios = (cell.time_ratio(clock) for clock in _CLOCKS)
    return [f"{ratio:.2f}" if ratio is not None else "" for ratio in ratios]


def _environment(environment: str) -> str:
    return environment or NO_DECLARATION
