"""How many cells of a model are asked the same: known once all are collected, before the first is judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pytest_envrobust.models.model import Model
from pytest_envrobust.record import schema
from pytest_envrobust.runs.cases import Case

LABELS = "labels"
_Name = tuple[str, str]
"""An environment and what it is compared with."""


@dataclass
class _Asked:
    """The cells of a model by the check that they are asked; under "" those whose test may ask any."""

    by_check: dict[str, set[_Name]] = field(default_factory=dict)

    def names(self, check: str) -> set[_Name]:
        if not check:
            return set().union(*self.by_check.values())
        return self.by_check.get(check, set()) | self.by_check.get("", set())


class Families:
    """The families of a run: the cells of each model that are asked each check, whichever process or job judges them.

    A test with code may ask any check of its cells: nobody knows before it runs.
    """

    def __init__(self) -> None:
        self._models: dict[Model, _Asked] = {}

    def note(self, case: Case, check: str = "") -> None:
        """A cell is asked that check, or whatever its test asks."""
        asked = self._models.setdefault(case.model, _Asked())
        asked.by_check.setdefault(check, set()).add((case.environment.id, case.reference.id))

    def __iter__(self) -> Iterator[tuple[Model, int]]:
        """Each model, with how many cells may be asked for their labels."""
        for model, asked in self._models.items():
            yield model, sum(environment != reference for environment, reference in asked.names(LABELS))

    def of(self, case: Case, check: str = "") -> schema.Family:
        """The family that a cell is in, itself included where nobody noted it."""
        asked = self._models.get(case.model, _Asked())
        names = asked.names(check) | {(case.environment.id, case.reference.id)}
        cells = sum(environment != reference for environment, reference in names)
        return schema.Family(cells=cells, references=len(names) - cells)
