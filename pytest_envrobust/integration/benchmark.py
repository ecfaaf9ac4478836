"""The benchmark hook: a cell's worker-measured time through pytest-benchmark's own fixture.

pytest-benchmark times calls by a clock. Ours stands still for what a call spends outside the worker's inference, so
that transport is not recorded, and goes on by itself between calls, as pytest-benchmark's calibration needs.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import pytest

from pytest_envrobust.integration.cases import Case
from pytest_envrobust.integration.cell import Cell
from pytest_envrobust.integration.parametrization import CASE_FIXTURE

FIXTURE = "envrobust_benchmark"


class WorkerClock:
    """Seconds that pass, less those that calls spent outside the worker's inference."""

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._outside = 0.0

    def __call__(self) -> float:
        return self._clock() - self._outside

    def run(self, cell: Cell) -> None:
        """Make one call of the cell; the clock goes on by what the worker measured."""
        start = self._clock()
        inside = cell.call().wall_ns[0] / 1e9
        self._outside += max(0.0, self._clock() - start - inside)


CLOCK = WorkerClock()


def fixtures_for(config: pytest.Config) -> object:
    """The fixture's plugin: the real one where pytest-benchmark is active, else one that skips with the remedy."""
    return _WithBenchmark() if config.pluginmanager.hasplugin("benchmark") else _WithoutBenchmark()


class _WithBenchmark:
    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Group by model, and time by the worker's clock."""
        for item in items:
            if FIXTURE in getattr(item, "fixturenames", ()):
                model = _model_name(item)
                item.add_marker(pytest.mark.benchmark(group=model, timer=CLOCK))

    @pytest.fixture
    def envrobust_benchmark(self, benchmark: Any, envrobust: Cell) -> Callable[[Cell], None]:
        """Record a cell's time: ``envrobust_benchmark(envrobust)``; one input a call, transport excluded."""

        def record(cell: Cell) -> None:
            benchmark.extra_info |= {
                "model": cell.model.name,
                "environment": cell.environment.id,
                "route": list(cell.route),
                "clock": "wall time of the call inside the worker",
            }
            cell.predict()
            benchmark(CLOCK.run, cell)

        return record


class _WithoutBenchmark:
    @pytest.fixture
    def envrobust_benchmark(self) -> Callable[[Cell], None]:
        """Skips: pytest-benchmark is not active."""
        pytest.skip("pytest-benchmark is not installed or switched off: pip install 'pytest-envrobust[benchmark]'")


def _model_name(item: pytest.Item) -> str:
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get(CASE_FIXTURE) if callspec is not None else None
    return case.model.name if isinstance(case, Case) else "envrobust"
