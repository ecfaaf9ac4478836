"""What the reports show of a record: the entries of a cell put together, and environments grouped by their output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_envrobust.checks.figures import was_timed
from pytest_envrobust.comparison.adequacy import Adequacy
from pytest_envrobust.core.wording import clock_name, counted, listed, percent
from pytest_envrobust.record.shards import shard_notice

GRAVITY = (
    "broken",
    "conversion-failed",
    "crashed",
    "timed-out",
    "out-of-memory",
    "failed",
    "no-route",
    "inconclusive",
    "limited",
    "unavailable",
    "passed",
)
"""Every status, the gravest first."""

NO_MODEL = "(no model)"
"""In the place of a name, for entries of a test whose declaration is at fault."""
_ABSENT = ("unavailable", "no-route")
_NO_FAILURE = ("passed", "inconclusive", "limited")
GROUPS = ("passed", "failed", "inconclusive", "limited", "skipped")
"""How cells end, as the reports count them."""


@dataclass(frozen=True)
class Row:
    """All that a record says of a model in an environment."""

    environment: str
    status: str
    reason: str
    is_reference: bool
    is_required: bool = False
    labels: Mapping[str, Any] = field(default_factory=dict)
    latency: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    invariants: tuple[Mapping[str, Any], ...] = ()
    output: str = ""

    @property
    def ran(self) -> bool:
        """Whether the environment gave predictions, be it of some inputs only."""
        return bool(self.output) or "of" in self.labels

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
        return "skipped" if self.status in _ABSENT else self.status


@dataclass(frozen=True)
class ModelView:
    """The rows of a model, in the record's order."""

    name: str
    reference: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    sensitivity: tuple[Mapping[str, Any], ...] = ()

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
        return tuple(row for row in self.rows if row.status == "inconclusive")

    @property
    def absent(self) -> Counter[str]:
        """Reasons for which environments were skipped, with how many."""
        return Counter(row.reason for row in self.rows if row.was_skipped)


def model_views(record: Mapping[str, Any]) -> list[ModelView]:
    """A view of each model of the record."""
    by_model: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for cell in record["cells"]:
        by_model.setdefault(cell.get("model", NO_MODEL), {}).setdefault(cell.get("environment", ""), []).append(cell)
    described = {model["name"]: model for model in record["models"]}
    views = []
    for name, environments in by_model.items():
        rows = tuple(_row(environment, cells) for environment, cells in environments.items())
        every = [cell for cells in environments.values() for cell in cells]
        model = described.get(name, {})
        sensitivity = tuple(model.get("analysis", {}).get("sensitivity", ()))
        notes = (*_notes(model), *_adequacy_notes(model, every))
        views.append(ModelView(name, _reference(every), rows, notes, sensitivity))
    return views


def _reference(cells: list[Mapping[str, Any]]) -> str:
    """What labels were compared with: an environment, or that of an earlier run."""
    earlier = (cell["labels"]["reference"] for cell in cells if "reference" in cell.get("labels", {}))
    return next(earlier, next((cell["reference"] for cell in cells if "reference" in cell), ""))


def _notes(model: Mapping[str, Any]) -> tuple[str, ...]:
    """What a reader must know of the model beside its figures, each once."""
    weights: dict[str, list[str]] = {}
    for framework, source in model.get("sources", {}).items():
        if "weights" in source:
            weights.setdefault(source["weights"], []).append(framework)
    said = [f"weights in {listed(frameworks)}: {text}" for text, frameworks in weights.items()]
    notices = model.get("analysis", {}).get("notices", ())
    return tuple(dict.fromkeys([*model.get("guesses", {}).values(), *said, *notices]))


def _adequacy_notes(model: Mapping[str, Any], cells: list[Mapping[str, Any]]) -> Iterator[str]:
    """What the inputs can tell under the most generous of the limits that they were held against."""
    limits = [cell["labels"]["limit"] for cell in cells if "limit" in cell.get("labels", {})]
    for plain in model.get("adequacy", {}).values() if limits else ():
        yield from Adequacy.from_plain(plain).lines(min(limits))


def _row(environment: str, cells: list[Mapping[str, Any]]) -> Row:
    gravest = min(_judged(cells), key=lambda cell: GRAVITY.index(cell["status"]))
    latencies = [cell["latency"] for cell in cells if "latency" in cell]
    return Row(
        environment=environment,
        status=gravest["status"],
        reason=gravest.get("reason", ""),
        is_reference=any(
            cell.get("reference") == environment and "reference" not in cell.get("labels", {}) for cell in cells
        ),
        is_required=any(cell.get("required", False) for cell in cells),
        labels=next((cell["labels"] for cell in cells if "labels" in cell), {}),
        latency=_latency(latencies),
        scores=next((cell["scores"] for cell in cells if "scores" in cell), {}),
        invariants=tuple(each for cell in cells for each in cell.get("invariants", ())),
        output=next((cell["output_digest"] for cell in cells if "output_digest" in cell), ""),
    )


def _latency(latencies: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """A time that was asked for before one that was not; with the further points that any of the entries has."""
    best = max(latencies, key=was_timed, default={})
    points: dict[tuple[int, int], Mapping[str, Any]] = {}
    for latency in latencies:
        for point in latency.get("points", ()):
            points.setdefault((point.get("batch", 1), point.get("threads", 1)), point)
    return {**best, "points": list(points.values())} if points else best


def _judged(cells: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The entries that tell how a cell ended: what it has not, and nobody required, counts only where it has no other.

    Predictions recorded elsewhere have labels and no time: what asks for their time is skipped, and they have passed.
    """
    if any(cell.get("required", False) for cell in cells):
        return cells
    return [cell for cell in cells if cell["status"] not in _ABSENT] or cells


def run_notices(run: Mapping[str, Any]) -> list[str]:
    """What a reader must know of the run before its figures, one line each."""
    said = []
    if parts := run.get("parts"):
        said.append(f"Merged from {counted(len(parts), 'record')}: {listed([part['record'] for part in parts])}.")
    if told := run.get("shard"):
        notice = shard_notice(told)
        said.append(f"{notice[0].upper()}{notice[1:]}.")
    said += run.get("notices", ())
    if run.get("preprocess_from") == "reference":
        said.append("Every source was given the reference's preprocessing, not its own: labels differ by that too.")
    if earlier := run.get("reference_run"):
        machine = earlier.get("machine", {}).get("processor")
        where = f" on {machine}" if machine else ""
        started = f", started {earlier['started']}" if "started" in earlier else ""
        said.append(
            f"The reference's labels were recorded by an earlier run{where}: {earlier.get('path', '')}{started}."
        )
    return said


def headline(view: ModelView) -> str:
    """A model's line: name, reference, inputs, how many environments ran with how many distinct outputs."""
    inputs = next((row.labels["n"] for row in view.rows if "n" in row.labels), None)
    parts = [f"reference {view.reference}"] if view.reference else []
    if inputs is not None:
        parts.append(counted(inputs, "input"))
    parts.append(f"{counted(len(view.ran), 'environment')} ran, {counted(len(view.outputs), 'distinct output')}")
    return f"{view.name}: {', '.join(parts)}"


SENSITIVITY_HEAD = ("only this differs", "pairs", "labels differ: mean", "largest", "between", "slower/faster", "of")


def sensitivity_texts(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """One entry of an analysis' sensitivity in words, a text for each of `SENSITIVITY_HEAD`."""
    labels, time = entry.get("labels", {}), entry.get("time", {})
    part = f" ({entry['part']})" if "part" in entry else ""
    interval = "[{:.2f}, {:.2f}] ".format(*time["interval"]) if "interval" in time else ""
    return (
        f"{entry['factor']}{part}",
        str(entry.get("pairs", "")),
        percent(labels["mean"]) if labels else "",
        percent(labels["largest"]) if labels else "",
        " and ".join(labels["pair"]) if labels.get("largest") else "",
        f"{time['largest']:.2f} {interval}{clock_name(time.get('clock', ''))}".strip() if time else "",
        " / ".join(time.get("pair", ())),
    )


def _letters(number: int) -> str:
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters
