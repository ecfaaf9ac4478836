"""What every part of a run stands on: settings, catalogue, store, workers, scratch, predictions, progress."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from pytest_envrobust.artifacts.store import Store
from pytest_envrobust.core.lazy import Lazy
from pytest_envrobust.planning.catalogue import Catalogue
from pytest_envrobust.record.predictions import PredictionStore
from pytest_envrobust.runs.declared import DeclaredModels
from pytest_envrobust.runs.earlier import EarlierRun
from pytest_envrobust.runs.families import Families
from pytest_envrobust.runs.settings import Settings
from pytest_envrobust.workers.pool import Pool
from pytest_envrobust.workers.session_builder import SessionBuilder
from pytest_envrobust.workers.transport import Scratch


def silent(text: str) -> None:
    """Progress that nobody looks at."""


class RunContext:
    """Settings and services that all models and cells of a run share; workers start when first needed.

    ``predictions`` keeps what the run predicts, in one folder for all processes of a run; ``is_one_of_several`` says
    whether there are others. ``say`` takes lines of progress. ``earlier`` is the run whose predictions are the
    reference here, where the settings name one; ``declared`` are the models that it was given, ``families`` the cells
    that are judged at once.
    """

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        predictions: PredictionStore,
        *,
        say: Callable[[str], None] = silent,
        is_one_of_several: bool = False,
        earlier: EarlierRun | None = None,
    ) -> None:
        self.settings, self.catalogue, self.predictions = settings, catalogue, predictions
        self.say, self.earlier = say, earlier
        self.declared = DeclaredModels()
        self.families = Families()
        self.started = time.time()
        self._is_one_of_several = is_one_of_several
        self._scratch = Lazy(Scratch)
        self._pool = Lazy(self._make_pool)
        self._session_builder = Lazy(self._make_session_builder)
        self._store = Lazy(lambda: Store(settings.cache_dir))

    @property
    def scratch(self) -> Scratch:
        """Files that workers map: inputs and outputs."""
        return self._scratch.value

    @property
    def session_builder(self) -> SessionBuilder:
        """Who opens sessions. Raises `DeclarationError` where the store's directory cannot be written."""
        return self._session_builder.value

    @property
    def store(self) -> Store:
        """Converted and compiled files. Raises `DeclarationError` where its directory cannot be written."""
        return self._store.value

    @property
    def hosts(self) -> Mapping[str, Mapping[str, Any]]:
        """What is known of the other machines that workers were started on, by device."""
        return {} if self._pool.done is None else self._pool.done.hosts

    def is_first_with(self, task: str) -> bool:
        """Whether this is the first process of the run that asks for a task, which one of them is to do."""
        if not self._is_one_of_several:
            return True
        claim = self.predictions.folder / f"{hashlib.sha256(task.encode()).hexdigest()[:16]}.claimed"
        try:
            claim.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def close(self) -> None:
        """End every worker and remove the scratch directory. Closing twice is fine."""
        if self._pool.done is not None:
            self._pool.done.close()
        if self._scratch.done is not None:
            self._scratch.done.remove()

    def _make_pool(self) -> Pool:
        return Pool(self.scratch, isolated=self.settings.isolated, engine_cache=self._store.value.engine_cache)

    def _make_session_builder(self) -> SessionBuilder:
        settings = self.settings
        return SessionBuilder(
            self._store.value,
            self._pool.value,
            threads=settings.timing.threads,
            limits=settings.limits,
            options=settings.options,
            report=self.say,
        )
