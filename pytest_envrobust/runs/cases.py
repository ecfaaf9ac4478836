"""Cases: which models are tested in which environments, and what is wrong with a declaration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from pytest_envrobust.core.environment import RECORDED, Environment
from pytest_envrobust.core.errors import DeclarationError, EnvrobustError, NoRoute
from pytest_envrobust.core.suggestions import did_you_mean
from pytest_envrobust.environments.selection import check_patterns, select
from pytest_envrobust.models.model import Model
from pytest_envrobust.planning.catalogue import Catalogue, Plan
from pytest_envrobust.runs.declared import DeclaredModels
from pytest_envrobust.runs.settings import Settings


@dataclass(frozen=True, repr=False)
class Case:
    """One model in one environment, before anything is started.

    ``required``: the user named the environment, so its absence is a failure. ``fault`` is what makes the case
    impossible from the start; then ``plan`` may be missing. Cases of several tests are equal where they are about the
    same thing: pytest puts the items of equal ones together, so that a worker is used while it is there.
    """

    model: Model
    environment: Environment
    reference: Environment
    required: bool = False
    plan: Plan | None = field(default=None, compare=False)
    fault: EnvrobustError | None = field(default=None, compare=False)
    declared: DeclaredModels = field(default_factory=DeclaredModels, compare=False)

    def __repr__(self) -> str:
        return f"<Case {self.model_name} in {self.environment.id}>"

    @property
    def id(self) -> str:
        return f"{self.model.name}-{self.environment.id}"

    @property
    def model_name(self) -> str:
        """The model's name in this run, for messages and the record."""
        return self.declared.name_of(self.model)

    @property
    def way(self) -> tuple[str, ...]:
        """The route as messages and record show it; empty where there is none."""
        if self.plan is not None:
            return self.plan.way
        recorded = self.environment.is_recorded and self.fault is None
        return (self.environment.source, RECORDED) if recorded else ()


@dataclass(frozen=True, eq=False, repr=False)
class Fault:
    """A declaration that cannot be used, in the place of the cases that it would have made.

    ``name`` is the model's, empty where the fault is not that of one model; ``model`` is the declaration, where there
    is one.
    """

    name: str
    error: EnvrobustError
    model: Model | None = None
    declared: DeclaredModels = field(default_factory=DeclaredModels)

    def __repr__(self) -> str:
        return f"<Fault in the declaration of {self.model_name}>" if self.name else "<Fault in a declaration>"

    @property
    def model_name(self) -> str:
        """The model's name in this run, for the record."""
        return self.name if self.model is None else self.declared.name_of(self.model)

    @property
    def id(self) -> str:
        return f"{self.name}-declaration" if self.name else "declaration"


class LeftOut:
    """The environments that a run's models have and no test takes."""

    def __init__(self) -> None:
        self._offered: dict[Model, set[Environment]] = {}
        self._taken: dict[Model, set[Environment]] = {}

    def note(self, model: Model, offered: Iterable[Environment], taken: Iterable[Environment]) -> None:
        """A test takes some of the environments that a model has."""
        self._offered.setdefault(model, set()).update(offered)
        self._taken.setdefault(model, set()).update(taken)

    def line(self, declared: DeclaredModels) -> str:
        """One line for the user; empty where nothing was left out."""
        counts = {model: len(offered - self._taken[model]) for model, offered in self._offered.items()}
        parts = [f"{count} environments of {declared.name_of(model)}" for model, count in counts.items() if count]
        return f"left out: {', '.join(parts)} (--envrobust-env '*' takes all that can run)" if parts else ""


@dataclass(frozen=True)
class Choice:
    """What was asked for: patterns of the command line (or ini), of the marker, and a reference.

    ``narrowing``: the patterns come from the command line and narrow what a marker chose.
    """

    patterns: tuple[str, ...] = ()
    marker: tuple[str, ...] = ()
    narrowing: bool = False
    reference: Environment | None = None


def choice_of(settings: Settings) -> Choice:
    """What the command line or the ini file asks for."""
    return Choice(settings.environments, narrowing=settings.is_narrowed, reference=settings.reference)


def cases_of(
    model: Model, catalogue: Catalogue, choice: Choice, left_out: LeftOut, declared: DeclaredModels | None = None
) -> list[Case | Fault]:
    """All cases of a model under that choice, in the catalogue's order; a `Fault` where the declaration is at fault.

    ``declared`` are all models of the run, by default this one alone.
    """
    declared = DeclaredModels() if declared is None else declared
    try:
        model.check()
        check_patterns(choice.marker, catalogue.everything, "marker")
        reference = reference_of(model, catalogue, choice.reference)
    except DeclarationError as error:
        return [Fault(model.name, error, model, declared)]
    everything = environments_of(model, catalogue)
    chosen, required = _chosen(catalogue, choice, model, everything)
    left_out.note(model, everything, chosen)
    cases = (_case(model, environment, reference, environment in required, catalogue) for environment in chosen)
    return [replace(case, declared=declared) for case in cases]


def environments_of(model: Model, catalogue: Catalogue) -> tuple[Environment, ...]:
    """Every environment that a model can have: those its sources lead to, and those recorded elsewhere."""
    recorded = (Environment.recorded(source) for source in model.recorded)
    return (*recorded, *catalogue.environments(model.native))


def reference_of(model: Model, catalogue: Catalogue, chosen: Environment | None) -> Environment:
    """The environment that a model's others are compared with: the chosen one, the model's own, or its first source's.

    Raises `DeclarationError` where the model names one that there cannot be.
    """
    if chosen is not None:
        return chosen
    if model.reference is not None:
        check_patterns([model.reference], catalogue.everything, f"reference of model {model.name!r}")
        return Environment.parse(model.reference)
    first = next(iter(model.sources))
    return Environment.recorded(first) if first in model.recorded else catalogue.reference((first,))


def find_models(names: Sequence[str], models: Sequence[Model], declared: DeclaredModels) -> list[Model | Fault]:
    """The models of those names, with or without where they are declared; a `Fault` for a name that none has.

    All where no name is given.
    """
    if not names:
        return list(models)
    by_name = {model.name: model for model in models}
    known = {declared.full_name_of(model): model for model in models} | by_name
    return [known.get(name) or _unknown_model(name, list(by_name)) for name in names]


def _unknown_model(name: str, known: list[str]) -> Fault:
    cause = f"declared are {', '.join(known)}" if known else "no conftest declares a model"
    remedy = did_you_mean(name, known, "declare it in pytest_envrobust_models")
    return Fault(name, DeclarationError(f"there is no model {name!r}", cause=cause, remedy=remedy))


def _chosen(
    catalogue: Catalogue, choice: Choice, model: Model, everything: tuple[Environment, ...]
) -> tuple[list[Environment], frozenset[Environment]]:
    first = choice.marker or choice.patterns
    if not first:
        recorded = [environment for environment in everything if environment.is_recorded]
        return [*recorded, *catalogue.defaults(model.native)], frozenset()
    selection = select(first, _with_named(first, everything), catalogue.named_only)
    chosen, required = list(selection.chosen), selection.required
    if not choice.marker:
        # The command line speaks to all models: one without a route there is skipped, and another may have it.
        required &= frozenset(everything)
    if choice.marker and choice.patterns and choice.narrowing:
        narrowed = select(choice.patterns, chosen, catalogue.named_only)
        chosen, required = list(narrowed.chosen), required | narrowed.required
    return chosen, required


def _with_named(patterns: Sequence[str], everything: tuple[Environment, ...]) -> list[Environment]:
    """The model's environments, and those named outright that it has none of: they are cases too, without a route."""
    known = {environment.id for environment in everything}
    named = [text for text in patterns if not any(mark in text for mark in "*?[") and text not in known]
    return [*everything, *(Environment.parse(text) for text in named)]


def _nothing_recorded(model: Model, environment: Environment) -> NoRoute:
    return NoRoute(
        f"no route to {environment.id}",
        cause=f"the {environment.source} source of {model.name!r} is no recorded predictions",
        remedy="declare them: sources={...: er.RecordedPredictions(path)}",
    )


def _case(model: Model, environment: Environment, reference: Environment, required: bool, catalogue: Catalogue) -> Case:
    if environment.is_recorded:
        fault = None if environment.source in model.recorded else _nothing_recorded(model, environment)
        return Case(model, environment, reference, required, fault=fault)
    try:
        plan = catalogue.plan(environment, model.native)
    except EnvrobustError as error:
        return Case(model, environment, reference, required, fault=error)
    return Case(model, environment, reference, required, plan, plan.absent)
