"""What the reports show of a record: the entries of a cell put together, and environments grouped by their output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from pytest_envrobust.backends.base import NOTICE
from pytest_envrobust.core.status import Status, gravity
from pytest_envrobust.core.wording import listed
from pytest_envrobust.record.adequacy_part import recorded_adequacy
from pytest_envrobust.record.judged_part import recorded_limits
from pytest_envrobust.record.schema import (
    Accuracy,
    Analysis,
    Attempt,
    Cell,
    CellAccuracy,
    Decomposition,
    Family,
    Invariant,
    Labels,
    Latency,
    Model,
    OtherPart,
    Record,
    Scores,
    Sensitivity,
)
from pytest_envrobust.verdicts.limits import MIN_LABEL_AGREEMENT

NO_MODEL = "(no model)"
"""In the place of a name, for entries of a test whose declaration is at fault."""
_ABSENT = (Status.UNAVAILABLE, Status.NO_ROUTE, Status.UNSUPPORTED)
_NO_FAILURE = (Status.PASSED, Status.INCONCLUSIVE, Status.LIMITED, Status.NOT_RUN)
NOT_RUN = "not run"
GROUPS = ("passed", "failed", NOT_RUN, "inconclusive", "limited", "skipped")
"""How cells end, as the reports count them."""


@dataclass(frozen=True)
class HeldLimit:
    """A limit that an environment was held against, and where it was set.

    ``on_bound``: not the share but what the inputs show had to keep it. ``ignores_ties``: ties were left out.
    """

    name: str
    value: float
    origin: str
    on_bound: bool = False
    ignores_ties: bool = False


@dataclass(frozen=True)
class Row:
    """All that a record says of a model in an environment.

    ``checks`` has what checks beyond those of this package found, by the check's name. ``limits`` are those of all
    tests of the environment, each once; ``family`` are the cells that were judged at once.
    """

    environment: str
    status: Status
    reason: str
    is_reference: bool
    is_required: bool = False
    labels: Labels | None = None
    accuracy: CellAccuracy | None = None
    latency: Latency | None = None
    scores: Scores | None = None
    invariants: tuple[Invariant, ...] = ()
    checks: Mapping[str, OtherPart] = field(default_factory=dict)
    output: str = ""
    limits: tuple[HeldLimit, ...] = ()
    family: Family | None = None

    @property
    def ran(self) -> bool:
        """Whether the environment gave predictions, be it of some inputs only."""
        return bool(self.output) or (self.labels is not None and self.labels.of is not None)

    @property
    def was_timed(self) -> bool:
        """Whether a time was asked for."""
        return self.latency is not None and self.latency.was_asked_for

    @property
    def was_skipped(self) -> bool:
        """Whether it could not run here, and nobody required it to."""
        return self.status in _ABSENT and not self.ran and not self.is_required

    @property
    def has_failed(self) -> bool:
        """Whether pytest shows a failure for it."""
        return self.is_required if self.status in _ABSENT else self.status not in _NO_FAILURE

    @property
    def group(self) -> str:
        """Which of `GROUPS` it belongs to."""
        if self.has_failed:
            return "failed"
        if self.status is Status.NOT_RUN:
            return NOT_RUN
        return "skipped" if self.status in _ABSENT else self.status.value


@dataclass(frozen=True)
class ModelView:
    """The rows of a model, in the record's order.

    ``off`` is by environment the largest difference of a score from the reference's, over the spread of the
    reference's scores.
    """

    name: str
    reference: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    sensitivity: tuple[Sensitivity, ...] = ()
    decompositions: tuple[Decomposition, ...] = ()
    accuracy: tuple[Accuracy, ...] = ()
    off: Mapping[str, float] = field(default_factory=dict)

    @property
    def outputs(self) -> dict[str, str]:
        """A letter for each distinct output, by digest, in order of appearance."""
        digests = dict.fromkeys(row.output for row in self.rows if row.output)
        return {digest: _letters(number) for number, digest in enumerate(digests)}

    @property
    def ran(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.ran)

    @property
    def identical(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Outputs that several environments gave, bit for bit: the letter, and the environments."""
        groups = [
            (letter, tuple(row.environment for row in self.rows if row.output == digest))
            for digest, letter in self.outputs.items()
        ]
        return tuple((letter, environments) for letter, environments in groups if len(environments) > 1)

    @property
    def undecided(self) -> tuple[Row, ...]:
        """The rows whose verdict is inconclusive: pytest counts them and says no more."""
        return tuple(row for row in self.rows if row.status is Status.INCONCLUSIVE)

    @property
    def absent(self) -> Counter[str]:
        """Reasons for which environments were skipped, with how many."""
        return Counter(row.reason for row in self.rows if row.was_skipped)


def model_views(record: Record) -> list[ModelView]:
    """A view of each model of the record."""
    by_model: dict[str, dict[str, list[Cell]]] = {}
    for cell in record.cells:
        by_model.setdefault(cell.model or NO_MODEL, {}).setdefault(cell.environment or "", []).append(cell)
    described = {model.name: model for model in record.models}
    views = []
    for name, environments in by_model.items():
        rows = tuple(_row(environment, cells) for environment, cells in environments.items())
        every = [cell for cells in environments.values() for cell in cells]
        model = described.get(name, Model(name=name))
        known = (*_notes(model), *_explained(model, every))
        notes = (*_attempt_notes(every), *known, *_told_by_engines(every), *_adequacy_notes(model, every))
        analysis = model.analysis
        views.append(
            ModelView(
                name=name,
                reference=_reference(every),
                rows=rows,
                notes=notes,
                sensitivity=tuple(analysis.sensitivity) if analysis is not None else (),
                decompositions=tuple((model.decompositions or {}).values()),
                accuracy=tuple(analysis.accuracy or ()) if analysis is not None else (),
                off=_off(analysis, _reference(every)) if analysis is not None else {},
            )
        )
    return views


def _reference(cells: Sequence[Cell]) -> str:
    """What labels were compared with: an environment, or that of an earlier run."""
    earlier = (cell.labels.reference for cell in cells if cell.labels is not None and cell.labels.reference is not None)
    return next(earlier, next((cell.reference for cell in cells if cell.reference is not None), ""))


def _off(analysis: Analysis, reference: str) -> dict[str, float]:
    """Of the environments whose scores can be held against the reference's; none against an earlier run's."""
    if reference not in analysis.environments or not analysis.outputs:
        return {}
    own = analysis.output_of[analysis.environments.index(reference)]
    spread = analysis.outputs[own].spread
    differences = analysis.matrices.largest_difference
    found = {
        name: differences[number][own]
        for name, number in zip(analysis.environments, analysis.output_of)
        if name != reference
    }
    return {name: value / spread for name, value in found.items() if value is not None} if spread else {}


def _notes(model: Model) -> tuple[str, ...]:
    """What a reader must know of the model beside its figures, each once."""
    weights: dict[str, list[str]] = {}
    for framework, source in (model.sources or {}).items():
        if source.weights is not None:
            weights.setdefault(source.weights, []).append(framework)
    said = [f"weights in {listed(frameworks)}: {text}" for text, frameworks in weights.items()]
    notices = model.analysis.notices if model.analysis is not None else ()
    unsteady = [f"{name}: {text}" for name, texts in (model.unsteady or {}).items() for text in texts]
    return tuple(dict.fromkeys([*(model.notices or ()), *(model.guesses or {}).values(), *said, *unsteady, *notices]))


def _explained(model: Model, cells: Sequence[Cell]) -> Iterator[str]:
    """What explains failures and is not in the analysis, as the reference is none of its environments; each once."""
    if model.analysis is None or _reference(cells) not in model.analysis.environments:
        yield from dict.fromkeys(notice for cell in cells for notice in cell.notices or ())


def _told_by_engines(cells: Sequence[Cell]) -> Iterator[str]:
    """What engines want a reader to know of what ran, each once."""
    told: dict[str, list[str]] = {}
    for cell in cells:
        notice = (cell.engine_evidence or {}).get(NOTICE)
        if notice is not None and cell.environment is not None:
            told.setdefault(notice, []).append(cell.environment)
    yield from (f"{listed(list(dict.fromkeys(names)))}: {notice}" for notice, names in told.items())


def _attempt_notes(cells: Sequence[Cell]) -> Iterator[str]:
    """A sentence for each test that was made several times."""
    for cell in cells:
        if cell.attempts:
            before = "; ".join(_attempt(attempt) for attempt in cell.attempts)
            yield f"{cell.environment}: {cell.status.value} at attempt {len(cell.attempts) + 1}; before it {before}"


def _attempt(attempt: Attempt) -> str:
    return f"{attempt.status.value} ({attempt.reason})" if attempt.reason else attempt.status.value


def _adequacy_notes(model: Model, cells: Sequence[Cell]) -> Iterator[str]:
    """What the inputs can tell under the most generous of the limits that they were held against."""
    limits = [cell.labels.limit for cell in cells if cell.labels is not None and cell.labels.limit is not None]
    for told in (model.adequacy or {}).values() if limits else ():
        yield from recorded_adequacy(told).lines(min(limits))


def _row(environment: str, cells: Sequence[Cell]) -> Row:
    gravest = min(_judged(cells), key=lambda cell: gravity(cell.status))
    return Row(
        environment=environment,
        status=gravest.status,
        reason=gravest.reason or "",
        is_reference=any(
            cell.reference == environment and (cell.labels is None or cell.labels.reference is None) for cell in cells
        ),
        is_required=any(cell.required for cell in cells),
        labels=next((cell.labels for cell in cells if cell.labels is not None), None),
        accuracy=next((cell.accuracy for cell in cells if cell.accuracy is not None), None),
        latency=_latency([cell.latency for cell in cells if cell.latency is not None]),
        scores=next((cell.scores for cell in cells if cell.scores is not None), None),
        invariants=tuple(each for cell in cells for each in cell.invariants or ()),
        checks=_checks(cells),
        output=next((cell.output_digest for cell in cells if cell.output_digest is not None), ""),
        limits=tuple(dict.fromkeys(limit for cell in cells for limit in _limits(cell))),
        family=next((cell.family for cell in cells if cell.family is not None), None),
    )


def _limits(cell: Cell) -> Iterator[HeldLimit]:
    """What a cell was held against; the reference's own labels are not held against themselves."""
    labels, accuracy = cell.labels, cell.accuracy
    if labels is not None and labels.limit is not None and not (cell.is_reference and labels.reference is None):
        yield HeldLimit(
            MIN_LABEL_AGREEMENT,
            labels.limit,
            labels.limit_from or "",
            on_bound=labels.limit_on == "bound",
            ignores_ties=labels.ties == "ignore",
        )
    for part in (accuracy, cell.scores, cell.latency, *(cell.checks or {}).values()):
        on_bound = part is accuracy and accuracy is not None and accuracy.limit_on == "bound"
        for limit in recorded_limits(part).values():
            yield HeldLimit(limit.name, limit.value, limit.origin, on_bound)


def _checks(cells: Sequence[Cell]) -> dict[str, OtherPart]:
    """What other checks found, each from the first entry that has it."""
    found: dict[str, OtherPart] = {}
    for cell in cells:
        for name, part in (cell.checks or {}).items():
            found.setdefault(name, part)
    return found


def _latency(latencies: Sequence[Latency]) -> Latency | None:
    """A time that was asked for before one that was not; with the further points that any of the entries has."""
    best = max(latencies, key=lambda latency: latency.was_asked_for, default=None)
    points: dict[tuple[int, int], Latency] = {}
    for latency in latencies:
        for point in latency.points or ():
            points.setdefault((point.batch or 1, point.threads or 1), point)
    return replace(best, points=list(points.values())) if best is not None and points else best


def _judged(cells: Sequence[Cell]) -> Sequence[Cell]:
    """The entries that tell how a cell ended: what it has not, and nobody required, counts only where it has no other.

    Predictions recorded elsewhere have labels and no time: what asks for their time is skipped, and they have passed.
    """
    if any(cell.required for cell in cells):
        return cells
    return [cell for cell in cells if cell.status not in _ABSENT] or cells


def _letters(number: int) -> str:
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters
