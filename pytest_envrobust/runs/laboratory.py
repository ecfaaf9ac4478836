"""The laboratory: what a run shares. Started when the first cell needs it, closed at the run's end."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_envrobust.artifacts.store import Store
from pytest_envrobust.core.axes import Axes
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError, EnvrobustError
from pytest_envrobust.models.model import Model
from pytest_envrobust.record.predictions import PredictionStore
from pytest_envrobust.runs.baseline import Baseline
from pytest_envrobust.runs.cases import Case, Choice, LeftOut, reference_of
from pytest_envrobust.runs.cell_run import CellRun
from pytest_envrobust.runs.earlier import EarlierRun
from pytest_envrobust.runs.model_run import ModelRun
from pytest_envrobust.runs.settings import NATIVE
from pytest_envrobust.timing.evidence import TAILS
from pytest_envrobust.timing.intervals import calls_for_quantile
from pytest_envrobust.timing.sampling import Effort
from pytest_envrobust.verdicts.limits import TAIL_LIMITS
from pytest_envrobust.workers.locks import machine_lock
from pytest_envrobust.workers.pool import Pool
from pytest_envrobust.workers.session_builder import SessionBuilder
from pytest_envrobust.workers.transport import Scratch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_envrobust.core.shard import CellName
    from pytest_envrobust.planning.catalogue import Catalogue
    from pytest_envrobust.runs.settings import Settings
    from pytest_envrobust.verdicts.limits import Limit

KEPT = "envrobust_kept"
"""Key under which an xdist worker learns where the run keeps its predictions."""


class Laboratory:
    """Settings, catalogue, store, workers, and the runs of models and cells, each made once."""

    def __init__(self, config: pytest.Config, catalogue: Catalogue, settings: Settings) -> None:
        self.config, self.catalogue, self.settings = config, catalogue, settings
        self.left_out = LeftOut()
        self.whole: Sequence[CellName] | None = None
        self.started = time.time()
        self._workshop: SessionBuilder | None = None
        self._pool: Pool | None = None
        self._scratch: Scratch | None = None
        self._models: dict[str, ModelRun] = {}
        self._cells: dict[tuple[str, str], CellRun] = {}
        self._declared: dict[object, tuple[Model, ...]] = {}

    @property
    def choice(self) -> Choice:
        """What the command line or the ini file asks for."""
        settings = self.settings
        narrowing = settings.environments_origin.startswith("--")
        return Choice(settings.environments, narrowing=narrowing, reference=settings.reference)

    @property
    def outer_limits(self) -> tuple[Mapping[str, Limit], Mapping[str, Limit]]:
        """Limits of the command line and of the ini file, in order of precedence."""
        return self.settings.command_line_limits, self.settings.ini_limits

    def declared(self, node: pytest.Item) -> tuple[Model, ...]:
        """The models that the conftest files which apply to a node declare, paths resolved against the root.

        Raises `DeclarationError` where a hook raises, returns something else, or a name is given twice.
        """
        key = node.path.parent
        if key not in self._declared:
            self._declared[key] = self._ask(node)
        return self._declared[key]

    def model_run(self, model: Model) -> ModelRun:
        """What a run has of a model: its inputs and batches."""
        if model.name not in self._models:
            self._models[model.name] = ModelRun(model, self)
        return self._models[model.name]

    def cell_run(self, model: Model, environment: Environment) -> CellRun:
        """What a run has of a model in an environment: its session and predictions."""
        key = (model.name, environment.id)
        if key not in self._cells:
            self._cells[key] = CellRun(self.model_run(model), environment, self)
        return self._cells[key]

    def reference_run(self, case: Case) -> CellRun:
        """The run that a case is compared with."""
        return self.cell_run(case.model, case.reference)

    @cached_property
    def earlier(self) -> EarlierRun | None:
        """The earlier run whose reference's labels are the reference here, where the user named one."""
        path = self.settings.reference_run
        return None if path is None else EarlierRun.read(path)

    @cached_property
    def baseline(self) -> Baseline | None:
        """The saved run that times are held against, where the user named one."""
        path = self.settings.timing.baseline
        return None if path is None else Baseline.read(path)

    def axes(self, model: Model) -> Axes:
        """What a model's cells are timed with: as it declares or, where it does not, as the settings say."""
        return self.settings.timing.axes.behind(model.axes)

    def effort(self, limits: Sequence[Limit]) -> Effort:
        """How long a cell is timed: within the budget, as many calls as the limits on tails need."""
        shares = [TAILS[TAIL_LIMITS[limit.name]] for limit in limits if limit.name in TAIL_LIMITS]
        calls = max((calls_for_quantile(share) for share in shares), default=0)
        return Effort(budget=self.settings.timing.budget, calls=calls)

    def preprocess_of(self, model: Model, framework: str) -> str:
        """The framework whose source says how inputs are prepared for that framework's source."""
        if self.settings.preprocess_from == NATIVE:
            return framework
        reference = reference_of(model, self.catalogue, self.settings.reference).source_framework
        return reference if reference in model.native else framework

    @cached_property
    def kept(self) -> PredictionStore:
        """Where all processes of the run keep predictions and thumbnails."""
        shared = getattr(self.config, "workerinput", {}).get(KEPT)
        return PredictionStore(Path(shared or tempfile.mkdtemp(prefix="envrobust-")))

    def is_first_with(self, task: str) -> bool:
        """Whether this is the first process of the run that asks for a task, which one of them is to do."""
        if not hasattr(self.config, "workerinput"):
            return True
        claim = self.kept.folder / f"{hashlib.sha256(task.encode()).hexdigest()[:16]}.claimed"
        try:
            claim.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def described_devices(self) -> dict[str, dict[str, Any]]:
        """What the record says of the devices that have a place of their own, by name."""
        hosts = {} if self._pool is None else self._pool.hosts
        places = self.catalogue.places
        return {name: {**place.described(), **hosts.get(name, {})} for name, place in places.items()}

    def described_models(self) -> list[dict[str, Any]]:
        """What the record says of the models that were used, as plain data."""
        return [{**run.described(), **self._described_adequacy(name)} for name, run in self._models.items()]

    def described_shard(self) -> dict[str, Any] | None:
        """What the record says of the shard that this run is; ``None`` where it is none.

        ``whole`` has the cells of all shards, in the run's order, once they were collected.
        """
        shard = self.settings.shard
        if shard is None:
            return None
        whole = {} if self.whole is None else {"whole": [list(cell) for cell in self.whole]}
        return {"numbers": [shard.number], "of": shard.of, **whole}

    def _described_adequacy(self, model: str) -> dict[str, Any]:
        """What the model's inputs can tell, by reference."""
        runs = [run for (name, _), run in self._cells.items() if name == model]
        found = {run.environment.id: told.as_plain() for run in runs if (told := run.known_adequacy) is not None}
        return {"adequacy": found} if found else {}

    @property
    def scratch(self) -> Scratch:
        if self._scratch is None:
            self._scratch = Scratch()
        return self._scratch

    @property
    def workshop(self) -> SessionBuilder:
        """Store and workers. Raises `DeclarationError` where the store's directory cannot be written."""
        if self._workshop is None:
            settings = self.settings
            store = Store(settings.cache_dir)
            environ = {"TORCHINDUCTOR_CACHE_DIR": str(store.engine_cache("inductor"))}
            self._pool = Pool(self.scratch, isolated=settings.isolated, environ=environ)
            self._workshop = SessionBuilder(
                store,
                self._pool,
                threads=settings.timing.threads,
                limits=settings.limits,
                options=settings.options,
                report=self.say,
            )
        return self._workshop

    @contextmanager
    def alone_on(self, kind: str) -> Iterator[None]:
        """Hold that lock: no other run on this machine that keeps to it times anything on that device meanwhile."""
        with machine_lock(f"timing-{kind}", lambda: self.say(f"wait for another run's timing on {kind}")):
            yield

    def say(self, text: str) -> None:
        """A line of progress, where the user looks on: on a terminal, or with -v."""
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        if terminal is None or not (self.config.option.verbose > 0 or terminal.isatty):
            return
        capture = self.config.pluginmanager.get_plugin("capturemanager")
        seconds = time.time() - self.started
        if capture is None:
            self._write(terminal, text, seconds)
        else:
            with capture.global_and_fixture_disabled():
                self._write(terminal, text, seconds)

    def _write(self, terminal: pytest.TerminalReporter, text: str, seconds: float) -> None:
        terminal.ensure_newline()
        terminal.write_line(f"  envrobust {seconds:6.1f} s  {text}", cyan=True)

    def _ask(self, node: pytest.Item) -> tuple[Model, ...]:
        try:
            answers: Sequence[Sequence[Model]] = node.ihook.pytest_envrobust_models(config=self.config)
        except EnvrobustError:
            raise
        except Exception as error:
            raise DeclarationError(
                "pytest_envrobust_models failed", cause=f"{type(error).__name__}: {error}"
            ) from error
        models = [model for answer in answers if answer for model in answer]
        for model in models:
            if not isinstance(model, Model):
                raise DeclarationError(
                    f"pytest_envrobust_models returned a {type(model).__name__}", cause="it returns a list of Model"
                )
        names = [model.name for model in models]
        for name in names:
            if names.count(name) > 1:
                raise DeclarationError(f"model {name!r} is declared {names.count(name)} times", remedy="rename one")
        return tuple(model.resolved(self._base) for model in models)

    @property
    def _base(self) -> Path:
        """Where relative paths of declarations begin: at the ini file or, without one, where pytest was started.

        Without an ini file pytest's root is a guess from its arguments, the paths of our own options among them.
        """
        config = self.config
        return config.rootpath if config.inipath is not None else Path(config.invocation_params.dir)

    def pytest_sessionstart(self) -> None:
        """Clear the store where the user asked for it."""
        if self.settings.cache_clear and not hasattr(self.config, "workerinput"):
            try:
                Store(self.settings.cache_dir).clear()
            except EnvrobustError as error:
                raise pytest.UsageError(str(error)) from None

    def pytest_report_collectionfinish(self) -> str:
        """What was left out, in one line."""
        line = self.left_out.line()
        return f"envrobust: {line}" if line else ""

    def pytest_unconfigure(self) -> None:
        """End every worker; remove the scratch directory and what the run kept."""
        self.close()
        if "kept" in vars(self) and not hasattr(self.config, "workerinput"):
            self.kept.remove()

    def close(self) -> None:
        """End every worker and remove the scratch directory. Closing twice is fine."""
        if self._pool is not None:
            self._pool.close()
            self._pool = self._workshop = None
        if self._scratch is not None:
            self._scratch.remove()
            self._scratch = None
