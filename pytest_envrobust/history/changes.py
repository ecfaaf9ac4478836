"""Two runs compared: of two machines, two commits, two sets of versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_envrobust.core.status import Status, gravity
from pytest_envrobust.core.timing import Clock
from pytest_envrobust.history.label_changes import LabelChanges, MatchedInputs, changed_labels, matched_inputs
from pytest_envrobust.history.namesakes import told_apart
from pytest_envrobust.history.recorded_run import RecordedRun, differ
from pytest_envrobust.history.view import ModelView, Row, model_views
from pytest_envrobust.record.schema import Machine, Model, Run, Source

_GIB = 2**30
_SHOWN_FEATURES = 12
_OF_TIME = ("processor", "processor features", "cores", "governor", "threads")
"""Where machines differ in one of these, their times are not comparable."""


@dataclass(frozen=True)
class Difference:
    """A fact that differs between the runs; an empty text where one of them does not have it."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class CellChange:
    """A cell that both runs have. ``labels`` is ``None`` where it is not known what became of them."""

    environment: str
    before: Row
    after: Row
    labels: LabelChanges | None = None

    @property
    def status_changed(self) -> bool:
        """Whether it ended otherwise, or its time was judged otherwise."""
        return self.statuses[0] != self.statuses[1]

    @property
    def statuses(self) -> tuple[str, str]:
        """How it ended, and the verdict on its time where that is another word."""
        return _status(self.before), _status(self.after)

    @property
    def is_graver(self) -> bool:
        """Whether the status is a graver one."""
        return gravity(self.after.status) < gravity(self.before.status)

    @property
    def labels_changed(self) -> bool:
        """Whether a label is another one; without predictions, whether the counts of flips tell so."""
        return self.labels.count > 0 if self.labels is not None else self.flips_changed

    @property
    def flips_changed(self) -> bool:
        """Whether other numbers of inputs, or of another kind, flipped."""
        before, after = self.before.labels, self.after.labels
        return before is not None and after is not None and before.flips != after.flips

    @property
    def bits_changed(self) -> bool:
        """Whether the scores differ and no label does."""
        return self.labels is not None and self.labels.bits_differ and not self.labels.count

    @property
    def labels_unknown(self) -> bool:
        """Whether both runs had labels that could not be compared."""
        return self.labels is None and self.before.ran and self.after.ran

    def time_ratio(self, clock: Clock) -> float | None:
        """Median after over median before, on a clock.

        Only where both were measured in the same way, with the same batch and threads as far as the runs tell.
        """
        before, after = self.before.latency, self.after.latency
        if before is None or after is None or before.was_asked_for != after.was_asked_for:
            return None
        if differ(before.batch, after.batch) or differ(before.threads, after.threads):
            return None
        old, new = before.on(clock), after.on(clock)
        return new.median / old.median if old is not None and new is not None and old.median and new.median else None


@dataclass(frozen=True)
class ModelChanges:
    """What became of a model: cells in both runs, lost and gained ones, and what else of it differs, in words."""

    name: str
    cells: tuple[CellChange, ...] = ()
    lost: tuple[Row, ...] = ()
    gained: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Changes:
    """What differs between two runs. Cells that were skipped in each run that has them are left out."""

    before: RecordedRun
    after: RecordedRun
    machine: tuple[Difference, ...]
    versions: tuple[Difference, ...]
    models: tuple[ModelChanges, ...]

    @property
    def not_comparable_times(self) -> tuple[str, ...]:
        """What the machines differ in that makes times incomparable."""
        return tuple(difference.name for difference in self.machine if difference.name in _OF_TIME)

    @property
    def labels_unknown(self) -> bool:
        """Whether there are cells whose labels could not be compared input by input."""
        return any(cell.labels_unknown for model in self.models for cell in model.cells)

    @property
    def is_worse(self) -> bool:
        """Whether a cell was lost, got a graver status, or gives other labels."""
        return any(
            model.lost or any(cell.is_graver or cell.labels_changed for cell in model.cells) for model in self.models
        )


def changes_between(before: RecordedRun, after: RecordedRun) -> Changes:
    """Compare two runs, with labels input by input where both have their predictions."""
    before, after = told_apart([before, after])
    return Changes(
        before=before,
        after=after,
        machine=tuple(_machine(before.record.run, after.record.run)),
        versions=_differences(before.record.run.versions or {}, after.record.run.versions or {}),
        models=tuple(_models(before, after)),
    )


def _models(before: RecordedRun, after: RecordedRun) -> Iterator[ModelChanges]:
    views = [{view.name: view for view in model_views(run.record)} for run in (before, after)]
    for name in dict.fromkeys([*views[0], *views[1]]):
        old, new = views[0].get(name), views[1].get(name)
        if old is None or new is None:
            rows = tuple(row for view in (old, new) if view is not None for row in view.rows if not row.was_skipped)
            run = before if new is None else after
            notes = (f"only {run.name} has this model",)
            yield ModelChanges(name, lost=rows if new is None else (), gained=rows if old is None else (), notes=notes)
        else:
            models = [run.record.model(name) or Model(name=name) for run in (before, after)]
            yield _Pair(before, after, old, new, *models).changes()


@dataclass(frozen=True)
class _Pair:
    """A model in both runs."""

    before: RecordedRun
    after: RecordedRun
    old: ModelView
    new: ModelView
    old_model: Model
    new_model: Model

    def changes(self) -> ModelChanges:
        inputs = matched_inputs(self.old_model, self.new_model)
        old = {row.environment: row for row in self.old.rows}
        new = {row.environment: row for row in self.new.rows}
        both = [(row, new[row.environment]) for row in self.old.rows if row.environment in new]
        return ModelChanges(
            name=self.old.name,
            cells=tuple(
                CellChange(row.environment, row, other, self._labels(row, other, inputs))
                for row, other in both
                if not (row.was_skipped and other.was_skipped)
            ),
            lost=_only(self.old.rows, new),
            gained=_only(self.new.rows, old),
            notes=tuple(self._notes(inputs)),
        )

    def _labels(self, old: Row, new: Row, inputs: MatchedInputs) -> LabelChanges | None:
        if not (old.ran and new.ran):
            return None
        names = self.old_model.class_names or [], self.new_model.class_names or []
        scores = self.before.predictions.scores(old.output), self.after.predictions.scores(new.output)
        found = None
        if scores[0] is not None and scores[1] is not None:
            found = changed_labels(scores[0], scores[1], inputs, names)
        if found is None and old.output == new.output and inputs.are_the_same and names[0] == names[1]:
            return LabelChanges(compared=len(inputs.rows))
        return found

    def _notes(self, inputs: MatchedInputs) -> Iterator[str]:
        if self.old.reference != self.new.reference:
            references = " -> ".join(view.reference or "none" for view in (self.old, self.new))
            yield f"reference: {references}: agreement and ratios are with another one"
        yield from self._source_notes()
        if not inputs.rows and (inputs.only_before or inputs.only_after):
            yield "inputs: none is in both runs: status and time can be compared, labels cannot"
            return
        if inputs.only_before or inputs.only_after:
            yield (
                f"inputs: {len(inputs.rows)} in both, {inputs.only_before} only in {self.before.name}, "
                f"{inputs.only_after} only in {self.after.name}: labels are compared for those in both, "
                "agreement is over different inputs"
            )
        if inputs.other_pixels:
            yield (
                f"inputs: {inputs.other_pixels} have the same name and other pixels (replaced, or decoded otherwise): "
                "their labels may change for that alone"
            )

    def _source_notes(self) -> Iterator[str]:
        before, after = self.old_model.sources or {}, self.new_model.sources or {}
        for framework in dict.fromkeys([*before, *after]):
            if framework in before and framework in after:
                yield from (f"{framework}: {note}" for note in _source_differences(before[framework], after[framework]))
            else:
                run = self.before if framework in before else self.after
                yield f"{framework}: only {run.name} has this source"


def _source_differences(old: Source, new: Source) -> Iterator[str]:
    if old.digest is not None and new.digest is not None and old.digest != new.digest:
        yield (
            f"weights or structure differ ({old.digest[:12]} -> {new.digest[:12]}): labels and times may change for "
            "that alone; environments of one run can be compared with each other"
        )
    facts = (
        ("weights", old.weights, new.weights),
        ("preprocessing", old.preprocess, new.preprocess),
        ("label offset", old.label_offset, new.label_offset),
    )
    for what, before, after in facts:
        if differ(before, after):
            yield f"{what} {before} -> {after}: labels may change for that alone, time can be compared"


def _only(rows: Iterable[Row], others: Mapping[str, Row]) -> tuple[Row, ...]:
    return tuple(row for row in rows if row.environment not in others and not row.was_skipped)


def _status(row: Row) -> str:
    on_time = row.latency.verdict if row.latency is not None else None
    if on_time is None or on_time in (row.status, Status.PASSED):
        return row.status.value
    return f"{row.status.value}, time {on_time.value}"


def _machine(before: Run, after: Run) -> Iterator[Difference]:
    """What differs of the machines and of how the engines were run."""
    yield from _differences(_facts(before), _facts(after))
    old, new = (set((run.machine or Machine()).features or ()) for run in (before, after))
    if old != new:
        yield Difference("processor features", _shortened(sorted(old - new)), _shortened(sorted(new - old)))


def _facts(run: Run) -> dict[str, object]:
    """What is held against the other run's, by what it is called; ``None`` where it is not known."""
    machine = run.machine or Machine()
    memory = machine.memory_bytes
    return {
        "architecture": machine.architecture,
        "processor": machine.processor,
        "cores": machine.cores,
        "governor": machine.governor or None,
        "memory": None if memory is None else f"{memory / _GIB:.1f} GiB",
        "system": machine.system,
        "python": machine.python,
        "threads": run.threads,
        "preprocessing of": run.preprocess_from,
        "labels compared with": None if run.reference_run is None else run.reference_run.path,
    }


def _shortened(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_FEATURES} more" if len(names) > _SHOWN_FEATURES else ""
    return ", ".join(names[:_SHOWN_FEATURES]) + more


def _differences(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[Difference, ...]:
    texts = [{name: str(value) for name, value in each.items() if value is not None} for each in (before, after)]
    return tuple(
        Difference(name, texts[0].get(name, ""), texts[1].get(name, ""))
        for name in dict.fromkeys([*texts[0], *texts[1]])
        if texts[0].get(name) != texts[1].get(name)
    )
