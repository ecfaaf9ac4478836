"""The models and cells of a run, each made once."""

from __future__ import annotations

from contextlib import suppress

from msgspec.structs import replace

from pytest_envrobust.comparison.steadiness import remarks_on
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import EnvrobustError
from pytest_envrobust.models.model import Model
from pytest_envrobust.record import codec, schema
from pytest_envrobust.record.adequacy_part import adequacy_part
from pytest_envrobust.runs.baseline import Baseline
from pytest_envrobust.runs.cases import Case
from pytest_envrobust.runs.cell_run import CellRun
from pytest_envrobust.runs.context import RunContext
from pytest_envrobust.runs.decomposition import can_be_decomposed, decomposition_part_of
from pytest_envrobust.runs.model_run import ModelRun
from pytest_envrobust.runs.pairs import said_of_pairs
from pytest_envrobust.runs.reference import Reference
from pytest_envrobust.runs.steadiness import Steadiness
from pytest_envrobust.runs.timing import CellTimer


class Registry:
    """What a run has of its models, of its cells, and of those among them that others are compared with.

    A model is one declaration: another of the same name is another model.

    ``baseline`` is the saved run that times are held against, where there is one.
    """

    def __init__(self, context: RunContext, baseline: Baseline | None = None) -> None:
        self.context, self.baseline = context, baseline
        self.timer = CellTimer(context)
        self._models: dict[Model, ModelRun] = {}
        self._cells: dict[tuple[Model, str], CellRun] = {}
        self._references: dict[CellRun, Reference] = {}
        self._steadiness: dict[CellRun, Steadiness] = {}
        self._decompositions: dict[tuple[Model, str], schema.Decomposition | None] = {}
        self._pairs: dict[CellRun, str] = {}

    def model_run(self, model: Model) -> ModelRun:
        """What the run has of a model: its inputs and batches."""
        if model not in self._models:
            self._models[model] = ModelRun(model, self.context)
        return self._models[model]

    def cell_run(self, model: Model, environment: Environment) -> CellRun:
        """What the run has of a model in an environment: its session and predictions."""
        key = (model, environment.id)
        if key not in self._cells:
            self._cells[key] = CellRun(self.model_run(model), environment, self.context)
        return self._cells[key]

    def reference(self, case: Case) -> Reference:
        """What a case is compared with."""
        run = self.cell_run(case.model, case.reference)
        if run not in self._references:
            self._references[run] = Reference(run, self.steadiness(run), self.context)
        return self._references[run]

    def steadiness(self, run: CellRun) -> Steadiness:
        """How a cell's scores change by themselves."""
        if run not in self._steadiness:
            self._steadiness[run] = Steadiness(run, self.context)
        return self._steadiness[run]

    def decompose(self, case: Case) -> None:
        """Find out, once for each source in a run, why its labels are not the reference's source's.

        The source's own plainest environment tells, where the run has its predictions, else that of the case.
        """
        key, reference = case.environment.source, self.reference(case).run
        if key == case.reference.source or (case.model, key) in self._decompositions:
            return
        plainest = self.context.catalogue.reference((key,))
        cells = [self._cells.get((case.model, each.id)) for each in (plainest, case.environment)]
        run = next((cell for cell in cells if cell is not None and can_be_decomposed(cell)), None)
        if run is None or not can_be_decomposed(reference):
            return
        self._decompositions[case.model, key] = None
        if self.context.is_first_with(f"decomposition {run.model_run.name} {key}"):
            with suppress(EnvrobustError):  # it explains, and decides nothing
                self._decompositions[case.model, key] = decomposition_part_of(run, reference, self.context)

    def said_of_pairs(self, run: CellRun) -> str:
        """That two inputs in one call change each other's scores, in words; empty where they do not."""
        if run not in self._pairs:
            self._pairs[run] = said_of_pairs(run)
        return self._pairs[run]

    def model_parts(self) -> list[schema.Model]:
        """What the record says of the models that were used."""
        return [
            replace(
                run.part(),
                adequacy=self._adequacy(run),
                unsteady=self._unsteady(run),
                decompositions=self._decomposed(run),
            )
            for run in self._models.values()
        ]

    def device_parts(self) -> dict[str, schema.Device]:
        """What the record says of the devices that have a place of their own, by name."""
        places, hosts = self.context.catalogue.places, self.context.hosts
        told = {name: {**place.described(), **hosts.get(name, {})} for name, place in places.items()}
        return {name: codec.typed(each, schema.Device) for name, each in told.items()}

    def _unsteady(self, model_run: ModelRun) -> dict[str, list[str]] | None:
        """What changes by itself, by environment."""
        found: dict[str, list[str]] = {}
        for run, each in self._steadiness.items():
            if run.model_run is model_run:
                found[each.name] = remarks_on(each.known)
        for run, said in self._pairs.items():
            if run.model_run is model_run and said:
                found.setdefault(run.environment.id, []).append(said)
        return {name: said for name, said in found.items() if said} or None

    def _decomposed(self, model_run: ModelRun) -> dict[str, schema.Decomposition] | None:
        """Why its sources' labels are not the reference's, by source."""
        mine = {key: part for (model, key), part in self._decompositions.items() if model is model_run.model}
        return {key: part for key, part in mine.items() if part is not None} or None

    def _adequacy(self, model_run: ModelRun) -> dict[str, schema.Adequacy] | None:
        """What the model's inputs can tell, by reference."""
        references = [each for each in self._references.values() if each.run.model_run is model_run]
        known = {each.run.environment.id: each.known_adequacy for each in references}
        return {name: adequacy_part(adequacy) for name, adequacy in known.items() if adequacy is not None} or None
