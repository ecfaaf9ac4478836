"""The benchmark hook: a cell's worker-measured times in pytest-benchmark's table, storage and comparisons.

The cell is timed as every other, in its worker, in turns with its reference. pytest-benchmark then "times" as many
calls of a function that does nothing but let its timer go on by what the worker measured: what it shows, saves and
compares are these times, without transport, and it takes no time of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_envrobust.core.timing import Clock
from pytest_envrobust.integration.parametrization import CASE_FIXTURE
from pytest_envrobust.record.latency_part import ends
from pytest_envrobust.runs.cases import Case
from pytest_envrobust.runs.cell import Cell
from pytest_envrobust.timing.evidence import LatencyEvidence

FIXTURE = "envrobust_benchmark"
_TICK_NS = 1
"""A timer that stands still would let pytest-benchmark read it for ever, where it looks for its precision."""


class Replay:
    """A timer (s) that goes on by measured times, one for each call of `step`."""

    def __init__(self) -> None:
        self._now_ns = 0
        self._times: Iterator[int] = iter(())

    def __call__(self) -> float:
        self._now_ns += _TICK_NS
        return self._now_ns / 1e9

    def load(self, times_ns: tuple[int, ...]) -> None:
        """The times (ns) of the calls to come."""
        self._times = iter(times_ns)

    def step(self) -> None:
        """One call: the timer has gone on by its time when it is read again. After the last one it does not."""
        self._now_ns += max(0, next(self._times, 0) - _TICK_NS)


REPLAY = Replay()


def fixtures_for(config: pytest.Config) -> object:
    """The fixture's plugin: the real one where pytest-benchmark is active, else one that skips with the remedy."""
    return _WithBenchmark() if config.pluginmanager.hasplugin("benchmark") else _WithoutBenchmark()


class _WithBenchmark:
    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Group by model, and time by the replay."""
        for item in items:
            if FIXTURE in getattr(item, "fixturenames", ()):
                model = _model_name(item)
                item.add_marker(pytest.mark.benchmark(group=model, timer=REPLAY))

    @pytest.fixture
    def envrobust_benchmark(
        self, benchmark: Any, envrobust: Cell, pytestconfig: pytest.Config
    ) -> Callable[[Cell], LatencyEvidence | None]:
        """Record a cell's time: ``envrobust_benchmark(envrobust)`` returns the evidence.

        As long as the cell's time is measured elsewhere, but at least ``--benchmark-min-rounds`` calls, as far as the
        time budget goes. Under ``--benchmark-disable`` it runs one call and returns ``None``.
        """

        def record(cell: Cell) -> LatencyEvidence | None:
            if not benchmark.enabled:
                benchmark(cell.call)
                return None
            evidence = cell.measure_latency(calls=pytestconfig.getoption("benchmark_min_rounds"))
            benchmark.extra_info |= _extra_info(cell, evidence)
            REPLAY.load(evidence.timing.wall_ns)
            benchmark.pedantic(REPLAY.step, rounds=evidence.timing.calls)
            return evidence

        return record


class _WithoutBenchmark:
    @pytest.fixture
    def envrobust_benchmark(self) -> Callable[[Cell], LatencyEvidence | None]:
        """Skips: pytest-benchmark is not active."""
        pytest.skip("pytest-benchmark is not installed or switched off: pip install 'pytest-envrobust[benchmark]'")


def _extra_info(cell: Cell, evidence: LatencyEvidence) -> dict[str, Any]:
    """What stands beside the times: which cell, its CPU time, and how it stands to its reference."""
    found: dict[str, Any] = {
        "model": cell.case.model_name,
        "environment": cell.environment.id,
        "reference": cell.case.reference.id,
        "route": list(cell.route),
        "clock": "wall time of the call inside the worker",
        "cpu_median_ms": evidence.timing.median_cpu_ms,
        "images_per_second": evidence.images_per_second,
    }
    clock: Clock = evidence.clock
    for name, estimates in (("ratio", evidence.ratios), ("control", evidence.controls)):
        if clock in estimates and (told := ends(estimates[clock])) is not None:
            found[name] = {"clock": clock, "median": told[1], "interval": [told[0], told[2]]}
    return found


def _model_name(item: pytest.Item) -> str:
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get(CASE_FIXTURE) if callspec is not None else None
    return case.model_name if isinstance(case, Case) else "envrobust"
