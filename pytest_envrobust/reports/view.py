"""What the reports show of a record: the entries of a cell put together, and environments grouped by their output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_GRAVITY = (
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

NO_MODEL = "(no model)"
"""In the place of a name, for entries of a test whose declaration is at fault."""
_ABSENT = ("unavailable", "no-route")


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
    output: str = ""

    @property
    def ran(self) -> bool:
        """Whether the environment gave predictions."""
        return bool(self.output)

    @property
    def was_skipped(self) -> bool:
        """Whether it could not run here, and nobody required it to."""
        return self.status in _ABSENT and not self.ran and not self.is_required


@dataclass(frozen=True)
class ModelView:
    """The rows of a model, in the record's order."""

    name: str
    reference: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def outputs(self) -> dict[str, str]:
        """A letter for each distinct output, by digest, in order of appearance."""
        digests = dict.fromkeys(row.output for row in self.rows if row.output)
        return {digest: _letters(number) for number, digest in enumerate(digests)}

    @property
    def ran(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.ran)

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
        reference = next(
            (cell["reference"] for cells in environments.values() for cell in cells if "reference" in cell), ""
        )
        rows = tuple(_row(environment, cells) for environment, cells in environments.items())
        notes = tuple(described.get(name, {}).get("guesses", {}).values())
        views.append(ModelView(name, reference, rows, tuple(dict.fromkeys(notes))))
    return views


def _row(environment: str, cells: list[Mapping[str, Any]]) -> Row:
    gravest = min(cells, key=lambda cell: _GRAVITY.index(cell["status"]))
    latencies = [cell["latency"] for cell in cells if "latency" in cell]
    return Row(
        environment=environment,
        status=gravest["status"],
        reason=gravest.get("reason", ""),
        is_reference=any(cell.get("reference") == environment for cell in cells),
        is_required=any(cell.get("required", False) for cell in cells),
        labels=next((cell["labels"] for cell in cells if "labels" in cell), {}),
        latency=max(latencies, key=lambda latency: latency.get("from") != "predictions", default={}),
        output=next((cell["output_digest"] for cell in cells if "output_digest" in cell), ""),
    )


def _letters(number: int) -> str:
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters
