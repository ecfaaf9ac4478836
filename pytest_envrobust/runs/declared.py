"""The models that a run was given, and what it calls them: several declarations may have one name."""

from __future__ import annotations

from pathlib import Path

from pytest_envrobust.models.model import Model
from pytest_envrobust.models.sameness import declared_the_same


class DeclaredModels:
    """Every model of a run, each declaration once, with where it was declared.

    What a run makes for a model holds for that declaration alone. In the record and in messages a model has its own
    name, unless another declaration of the run has the same: then each has behind it where it was declared,
    ``net (t2/conftest.py)``.
    """

    def __init__(self) -> None:
        self._origins: dict[Model, str] = {}
        self._folders: dict[Model, Path | None] = {}

    def add(self, model: Model, origin: str, folder: Path | None = None) -> Model:
        """Take a model in; the one that stands for it, where the same was declared before.

        ``origin`` is how the place of the declaration is called, and ``folder`` that of the conftest.
        """
        for known in self._namesakes(model):
            if declared_the_same(known, model):
                return known
        self._origins[model], self._folders[model] = origin, folder
        return model

    def origin_of(self, model: Model) -> str:
        """Where it was (first) declared: a conftest, or the option of the command line; empty where nobody said."""
        return self._origins.get(model, "")

    def folder_of(self, model: Model) -> Path | None:
        """The folder of the conftest that declares it; ``None`` where none does."""
        return self._folders.get(model)

    def name_of(self, model: Model) -> str:
        """Its name in this run. Final once all tests are collected."""
        return self.full_name_of(model) if len(self._namesakes(model)) > 1 else model.name

    def full_name_of(self, model: Model) -> str:
        """Its name with where it was declared, whether or not others have the same name."""
        origin = self.origin_of(model)
        if not origin:
            return model.name
        beside = [each for each in self._namesakes(model) if self._origins[each] == origin]
        number = f" #{beside.index(model) + 1}" if len(beside) > 1 else ""
        return f"{model.name} ({origin}{number})"

    def names_of(self, model: Model) -> tuple[str, ...]:
        """The names that it may have in a ledger, or in the record of another run: others may share its own there."""
        return tuple(dict.fromkeys((self.name_of(model), self.full_name_of(model))))

    def lines(self) -> list[str]:
        """One line for the user for each name that several declarations have."""
        by_name: dict[str, list[Model]] = {}
        for model in self._origins:
            by_name.setdefault(model.name, []).append(model)
        return [
            f"{len(models)} models are named {name!r}: the record has {', '.join(map(self.full_name_of, models))}"
            for name, models in by_name.items()
            if len(models) > 1
        ]

    def _namesakes(self, model: Model) -> list[Model]:
        return [each for each in self._origins if each.name == model.name]
