"""What the reports write in lines beside their tables: what is to be known of a run, a model, and its known flips."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_envrobust.core.wording import counted, listed
from pytest_envrobust.history.view import ModelView, Row
from pytest_envrobust.record.schema import Run
from pytest_envrobust.record.shards import shard_notice
from pytest_envrobust.verdicts.family import what_inputs_show
from pytest_envrobust.verdicts.limits import MIN_LABEL_AGREEMENT


def run_notices(run: Run) -> list[str]:
    """What a reader must know of the run before its figures, one line each."""
    said = (
        []
        if run.interrupted is None
        else [f"Interrupted: {run.interrupted}. What it had not done yet is told as not run."]
    )
    if run.parts:
        said.append(f"Merged from {counted(len(run.parts), 'record')}: {listed([part.record for part in run.parts])}.")
    if run.shard is not None:
        notice = shard_notice(run.shard)
        said.append(f"{notice[0].upper()}{notice[1:]}.")
    said += run.notices or ()
    if run.preprocess_from == "reference":
        said.append("Every source was given the reference's preprocessing, not its own: labels differ by that too.")
    if run.reference_run is not None:
        earlier = run.reference_run
        processor = earlier.machine.processor if earlier.machine is not None else None
        where = f" on {processor}" if processor else ""
        started = f", started {earlier.started}" if earlier.started is not None else ""
        said.append(f"The reference's labels were recorded by an earlier run{where}: {earlier.path or ''}{started}.")
    return said


def head_lines(run: Run, views: Sequence[ModelView]) -> list[str]:
    """What a reader must know of the run before its figures, and what its inputs can show of so many cells."""
    about: dict[str, list[str]] = {}
    for view in views:
        if said := _shown_by_inputs(view):
            about.setdefault(said, []).append(view.name)
    several = len(about) > 1
    return [*run_notices(run), *(f"{listed(names)}: {said}" if several else said for said, names in about.items())]


def _shown_by_inputs(view: ModelView) -> str:
    """Under the most generous limit that the share of a model's labels had to reach; empty where none had."""
    held = [
        (limit.value, row.labels.n, row.family.cells)
        for row in view.rows
        for limit in row.limits
        if limit.name == MIN_LABEL_AGREEMENT
        and not limit.on_bound
        and row.labels is not None
        and row.family is not None
        and not row.is_reference
        and row.labels.of is None
    ]
    if not held:
        return ""
    limit, inputs, cells = min(held)
    return what_inputs_show(inputs, cells, limit)


def model_line(view: ModelView) -> str:
    """A model's line: name, reference, inputs, how many environments ran with how many distinct outputs."""
    inputs = next((row.labels.n for row in view.rows if row.labels is not None), None)
    parts = [f"reference {view.reference}"] if view.reference else []
    if inputs is not None:
        parts.append(counted(inputs, "input"))
    parts.append(f"{counted(len(view.ran), 'environment')} ran, {counted(len(view.outputs), 'distinct output')}")
    return f"{view.name}: {', '.join(parts)}"


def known_flip_lines(rows: Iterable[Row]) -> list[str]:
    """A line for each known flip, by input and reason, with the environments in which it came."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for flip in (row.labels.flipped or ()) if row.labels is not None else ():
            if flip.known is not None:
                found.setdefault((flip.input, flip.known), []).append(row.environment)
    return [
        f"known flip: {name} in {', '.join(environments)}: {reason}" for (name, reason), environments in found.items()
    ]
