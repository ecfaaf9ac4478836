"""Items without test code: `--envrobust-model FILE --envrobust-inputs FOLDER`."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_envrobust.checks.registry import checks
from pytest_envrobust.core.errors import DeclarationError, EnvrobustError
from pytest_envrobust.integration.collected import SELECTED, Collected
from pytest_envrobust.integration.outcomes import SUBJECT, refuse, rerun_command, skip_or_refuse
from pytest_envrobust.integration.xdist import is_worker
from pytest_envrobust.models import zoo
from pytest_envrobust.models.guessing import framework_of
from pytest_envrobust.models.inputs import Inputs, inputs_at
from pytest_envrobust.models.model import Model, is_import_path
from pytest_envrobust.models.variants import with_variants
from pytest_envrobust.runs.cases import Case, Fault, cases_of, choice_of
from pytest_envrobust.runs.cell import Cell
from pytest_envrobust.runs.registry import Registry
from pytest_envrobust.runs.settings import Settings

ORIGIN = "--envrobust-model"
"""Where the models of the command line are declared."""


class ModelCollection:
    """Collects an item for each check of each case of the models on the command line."""

    def __init__(self, config: pytest.Config, registry: Registry, collected: Collected) -> None:
        self._registry, self._collected = registry, collected
        settings = registry.context.settings
        self._models = zoo.expanded(settings.models)
        try:
            _check_zoo(self._models, settings)
        except DeclarationError as error:
            raise pytest.UsageError(str(error)) from None
        if self._models and not is_worker(config):
            _set_selected_apart(config, self._models)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Put the models behind the test files that the session collects."""
        report = yield
        if isinstance(collector, pytest.Session) and report.passed:
            report.result = [*(report.result or []), *self._collectors(collector)]
        return report

    def _collectors(self, session: pytest.Session) -> Iterator[ModelCollector]:
        for name in self._models:
            yield ModelCollector.from_parent(
                session, name=name, nodeid=name, registry=self._registry, collected=self._collected
            )


class ModelCollector(pytest.Collector):
    """A model of the command line."""

    def __init__(self, *, registry: Registry, collected: Collected, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self._registry, self._collected = registry, collected

    def collect(self) -> list[CheckItem]:
        """The checks of one environment stand together, so that its worker is used while it is there.

        Where node ids of models' items were given, only those.
        """
        found = list(self._items())
        selected: list[str] = getattr(self.config.option, SELECTED, [])
        asked = [nodeid for nodeid in selected if nodeid.partition("::")[0] == self.name]
        if not selected or self.name in asked:
            return found
        if unknown := sorted(set(asked) - {item.nodeid for item in found}):
            raise self.CollectError(f"not found: {unknown[0]} (there are {len(found)} items of {self.name})")
        return [item for item in found if item.nodeid in asked]

    def _items(self) -> Iterator[CheckItem]:
        for case in self._cases():
            label = case.environment.id if isinstance(case, Case) else "declaration"
            for check in self._checks if isinstance(case, Case) else self._checks[:1]:
                yield CheckItem.from_parent(
                    self, name=f"{check}[{label}]", case=case, check=check, registry=self._registry
                )

    @property
    def _checks(self) -> tuple[str, ...]:
        """What was asked for or, where nobody asked, those that any model is given and those with a limit set."""
        settings = self._registry.context.settings
        limited = {**settings.command_line_limits, **settings.ini_limits}
        return settings.checks or tuple(
            check.name
            for check in checks().values()
            if check.asked_for_by_default or any(kind.name in limited for kind in check.limits)
        )

    def _cases(self) -> list[Case | Fault]:
        context = self._registry.context
        try:
            model = declared_model(self.name, context.settings, Path(self.config.invocation_params.dir))
        except EnvrobustError as error:
            return [Fault(self.name, error)]
        model = context.declared.add(model, ORIGIN)
        choice = choice_of(context.settings)
        return cases_of(model, context.catalogue, choice, self._collected.left_out, context.declared)


class CheckItem(pytest.Item):
    """One check of a model in one environment."""

    def __init__(self, *, case: Case | Fault, check: str, registry: Registry, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.case, self.check = case, check
        self._registry = registry
        self.stash[SUBJECT] = case

    def setup(self) -> None:
        """Skip or fail what is known to be impossible before anything is started.

        ``--setup-plan`` shows what would be done, and does none of it.
        """
        if self.config.getoption("setupplan", False):
            return
        if isinstance(self.case, Fault):
            refuse(self.case.error)
        if self.case.fault is not None:
            skip_or_refuse(self.case.fault, required=self.case.required)

    def runtest(self) -> None:
        """Make the check, against the limits of the command line and the ini file."""
        assert isinstance(self.case, Case)
        limits = self._registry.context.settings.outer_limits
        cell = Cell(self.case, self._registry, layers=limits, rerun=rerun_command(self))
        self.stash[SUBJECT] = cell
        cell.check(self.check)

    def repr_failure(  # type: ignore[override]
        self, excinfo: pytest.ExceptionInfo[BaseException], style: str | None = None
    ) -> object:
        """The message alone: there is no test code to show."""
        if not isinstance(excinfo.value, (EnvrobustError, AssertionError, pytest.fail.Exception)):
            return super().repr_failure(excinfo)
        told = excinfo.getrepr(style="value", chain=False)
        told.reprtraceback.reprentries[-1].lines = str(excinfo.value).splitlines()
        if told.reprcrash is not None:
            told.reprcrash.path, told.reprcrash.lineno = self._model, 1  # --tb=line: not where this package raised it
        return told

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the item comes from; it has no line of its own.

        pytest shows the node id as it is where the name does not end it; else it would take its dots for a module's.
        """
        return self.path, 0, f"{self._model}: {self.name}"

    @property
    def _model(self) -> str:
        return self.parent.name if self.parent is not None else ""


def declared_model(text: str, settings: Settings, base: Path) -> Model:
    """The model that a command line declares, its paths relative to ``base``. Raises `DeclarationError`."""
    inputs = _inputs(settings)
    if text.startswith(zoo.PREFIX):
        model = zoo.named(text, inputs, zoo.parsed_weights(settings.weights))
    else:
        framework, target = framework_of(text)
        model = Model(text, sources={framework: target}, inputs=inputs)
    if settings.class_names is not None:
        model = replace(model, labels=settings.class_names)
    model = with_variants(model, settings.variants)
    if not text.startswith(zoo.PREFIX):
        model = settings.choices.in_model(model)
    return model.resolved(base)


def _check_zoo(models: tuple[str, ...], settings: Settings) -> None:
    """Raise `DeclarationError` for options of built-in models that cannot be meant so."""
    built_in = [text for text in models if text.startswith(zoo.PREFIX)]
    if not built_in:
        if settings.weights and not any(is_import_path(text.rpartition("=")[2]) for text in models):
            raise DeclarationError(
                "--envrobust-weights without a model that takes them",
                cause="a built-in model does, and a function that returns a network",
                remedy="add --envrobust-model zoo:NAME, or package.module:factory",
            )
        return
    try:
        weights = zoo.parsed_weights(settings.weights)
    except DeclarationError as error:
        raise DeclarationError(f"--envrobust-weights: {error.thing}", cause=error.cause, remedy=error.remedy) from None
    if len(built_in) > 1 and not isinstance(weights, str):
        raise DeclarationError(
            f"--envrobust-weights {' '.join(settings.weights)} for {len(built_in)} models",
            cause="a file fits one model",
            remedy="name one --envrobust-model zoo:NAME",
        )
    if built_in and len(built_in) == len(models) and (given := settings.preparation.options):
        raise DeclarationError(
            f"{' and '.join(given)} {'does' if len(given) == 1 else 'do'} nothing here",
            cause="each source of a built-in model has its native preprocessing",
            remedy="--envrobust-preprocess-from=reference gives all of them the reference's",
        )


def _inputs(settings: Settings) -> Inputs:
    assert settings.inputs is not None
    return inputs_at(settings.inputs, truth=settings.truth)


def _set_selected_apart(config: pytest.Config, models: tuple[str, ...]) -> None:
    """Take node ids of the models' items out of pytest's arguments: it would look for files of these names.

    Where no argument but these was given, the models alone are checked.
    """
    given = config.args_source == config.ArgsSource.ARGS
    selected = [argument for argument in config.args if argument.partition("::")[0] in models]
    setattr(config.option, SELECTED, selected if given else [])
    config.args[:] = [argument for argument in config.args if argument not in selected] if given else []
