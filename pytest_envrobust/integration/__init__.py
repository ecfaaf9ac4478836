"""What a run with --envrobust adds to pytest: collection, fixtures, outcomes, the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_envrobust.planning.catalogue import Catalogue
    from pytest_envrobust.runs.registry import Registry
    from pytest_envrobust.runs.settings import Settings


def register(config: pytest.Config) -> None:
    """Read the settings and register the rest of the plugin."""
    from pytest_envrobust.integration import (
        benchmark,
        collection,
        effects,
        families,
        fixtures,
        outcomes,
        parametrization,
        property_tests,
        recording,
        scheduling,
        session_hooks,
        sharding,
        short_summary,
        unfinished,
        xdist,
    )
    from pytest_envrobust.integration.collected import Collected
    from pytest_envrobust.integration.declarations import Declarations
    from pytest_envrobust.integration.settings import read_catalogue, read_settings

    catalogue = read_catalogue(config)
    settings = read_settings(config, catalogue)
    registry = _registry(config, catalogue, settings)
    context, collected = registry.context, Collected(settings.shard)
    config.stash[fixtures.REGISTRY], config.stash[fixtures.COLLECTED] = registry, collected
    manager = config.pluginmanager
    manager.register(session_hooks.SessionHooks(config, context, collected), "envrobust-session")
    manager.register(
        parametrization.Parametrization(context, Declarations(config, context.declared), collected),
        "envrobust-parametrization",
    )
    manager.register(collection.ModelCollection(config, registry, collected), "envrobust-collection")
    manager.register(fixtures, "envrobust-fixtures")
    manager.register(benchmark.fixtures_for(config), "envrobust-benchmark")
    manager.register(property_tests.PropertyTests(), "envrobust-property-tests")
    manager.register(outcomes.Outcomes(registry), "envrobust-outcomes")
    manager.register(effects.DeclaredEffects(config, settings, collected), "envrobust-effects")
    is_shard = settings.shard is not None
    manager.register(families.CollectedFamilies(context.families, is_shard=is_shard), "envrobust-families")
    if settings.shard is not None:
        manager.register(sharding.Sharding(collected, settings.shard), "envrobust-sharding")
    if xdist.is_worker(config):
        manager.register(xdist.WorkerHooks(registry, collected), "envrobust-worker")
        return
    stopping = unfinished.Unfinished(config, context.predictions.folder)
    manager.register(stopping, "envrobust-unfinished")
    recorder = recording.Recorder(config, registry, collected, stopping)
    manager.register(recorder, "envrobust-recorder")
    manager.register(short_summary.FoldedSkips(), "envrobust-folded-skips")
    if manager.has_plugin("xdist"):
        cells = scheduling.Cells(catalogue)
        durations = scheduling.Durations(config, cells)
        manager.register(durations, "envrobust-durations")
        manager.register(scheduling.Scheduling(cells, durations), "envrobust-scheduling")
        manager.register(xdist.ControllerHooks(context.predictions.folder, recorder.learn), "envrobust-controller")


def _registry(config: pytest.Config, catalogue: Catalogue, settings: Settings) -> Registry:
    """The run's models and cells. Raises `pytest.UsageError` where a run that they are held against cannot be read."""
    import tempfile
    from pathlib import Path

    from pytest_envrobust.core.errors import EnvrobustError
    from pytest_envrobust.integration.session_hooks import TerminalProgress
    from pytest_envrobust.integration.xdist import is_worker, shared_folder
    from pytest_envrobust.record.predictions import PredictionStore
    from pytest_envrobust.runs.baseline import Baseline
    from pytest_envrobust.runs.context import RunContext
    from pytest_envrobust.runs.earlier import EarlierRun
    from pytest_envrobust.runs.registry import Registry

    try:
        earlier = None if settings.reference_run is None else EarlierRun.read(settings.reference_run)
        baseline = None if settings.timing.baseline is None else Baseline.read(settings.timing.baseline)
    except EnvrobustError as error:
        raise pytest.UsageError(str(error)) from None
    context = RunContext(
        settings,
        catalogue,
        PredictionStore(shared_folder(config) or Path(tempfile.mkdtemp(prefix="envrobust-"))),
        say=TerminalProgress(config).say,
        is_one_of_several=is_worker(config),
        earlier=earlier,
    )
    return Registry(context, baseline)
