"""What a run with --envrobust adds to pytest: collection, fixtures, outcomes, the record."""

from __future__ import annotations

import pytest


def register(config: pytest.Config) -> None:
    """Read the settings and register the rest of the plugin."""
    from pytest_envrobust.core.errors import EnvrobustError
    from pytest_envrobust.integration import (
        benchmark,
        collection,
        fixtures,
        outcomes,
        parametrization,
        property_tests,
        scheduling,
        session_hooks,
    )
    from pytest_envrobust.integration.recording import Recorder, WorkerRecorder
    from pytest_envrobust.integration.settings import read_settings
    from pytest_envrobust.integration.sharding import Sharding
    from pytest_envrobust.planning.catalogue import Catalogue
    from pytest_envrobust.runs.laboratory import Laboratory

    catalogue = Catalogue()
    laboratory = Laboratory(config, catalogue, read_settings(config, catalogue))
    try:
        _ = laboratory.earlier, laboratory.baseline  # one that cannot be read ends this run before it begins
    except EnvrobustError as error:
        raise pytest.UsageError(str(error)) from None
    manager = config.pluginmanager
    manager.register(laboratory, "envrobust-laboratory")
    manager.register(session_hooks.SessionHooks(laboratory), "envrobust-session")
    manager.register(parametrization.Parametrization(laboratory), "envrobust-parametrization")
    manager.register(collection.ModelCollection(laboratory), "envrobust-collection")
    manager.register(fixtures, "envrobust-fixtures")
    manager.register(benchmark.fixtures_for(config), "envrobust-benchmark")
    manager.register(property_tests.PropertyTests(), "envrobust-property-tests")
    manager.register(outcomes.Outcomes(laboratory), "envrobust-outcomes")
    if laboratory.settings.shard is not None:
        manager.register(Sharding(laboratory, laboratory.settings.shard), "envrobust-sharding")
    in_xdist_worker = hasattr(config, "workerinput")
    if manager.has_plugin("xdist") and not in_xdist_worker:
        cells = scheduling.Cells(catalogue)
        durations = scheduling.Durations(config, cells)
        manager.register(durations, "envrobust-durations")
        manager.register(scheduling.Scheduling(cells, durations), "envrobust-scheduling")
    manager.register((WorkerRecorder if in_xdist_worker else Recorder)(laboratory), "envrobust-recorder")
