"""Which xdist process gets which cell: those of one engine go together, the longest first, and no process waits."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from pytest_envrobust.core.environment import CONVERTED, VARIANT, Environment
from pytest_envrobust.core.errors import EnvrobustError

if TYPE_CHECKING:
    from pytest_envrobust.planning.catalogue import Catalogue

Kind = tuple[str, str]
"""What cells share where they go together: the model, and the engine that a process must import and feed."""


_AHEAD = 1
"""A process of xdist begins a test once it knows the one after: with so many left it is given more."""
_UNKNOWN = 1e6
"""Seconds that a cell counts as before it has run: it may have to be converted and compiled."""


class Cells:
    """Cells and their kinds, told from node ids: the process that schedules collects nothing itself."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._kinds: dict[str, Kind | None] = {}

    def scope(self, nodeid: str) -> str:
        """The cell that a node id is about, model and environment; the id itself where it is about none."""
        found = self._pattern.search(nodeid)
        return nodeid if found is None else f"{found['model'] or nodeid.partition('::')[0]}-{found['environment']}"

    def kind(self, nodeid: str) -> Kind | None:
        """What the cell of a node id shares with others; ``None`` for a test of something else."""
        if nodeid not in self._kinds:
            self._kinds[nodeid] = self._kind(nodeid)
        return self._kinds[nodeid]

    def _kind(self, nodeid: str) -> Kind | None:
        found = self._pattern.search(nodeid)
        if found is None:
            return None
        environment = Environment.parse(found["environment"])
        try:
            engine = self._catalogue.plan(environment, (environment.source,)).backend.engine
        except EnvrobustError:
            engine = environment.compiler
        return found["model"] or nodeid.partition("::")[0], engine

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """``[signs-torch/ort-all/cpu]`` at the end of an id, with or without the model, and with other parameters."""
        known = self._catalogue.everything
        source, definition, compiler, device = (
            _any_of({getattr(environment, axis) for environment in known})
            for axis in ("source_framework", "definition", "compiler", "device")
        )
        framework = f"{source}(?::{VARIANT})?(?:{CONVERTED}{definition})?"
        environment = f"(?P<environment>{framework}/{compiler}/{device})"
        return re.compile(rf"\[(?:(?P<model>[^\[\]]+?)-)?{environment}(?:-[^\[\]]*)?\]$")


def next_unit(
    waiting: Mapping[str, Kind], mine: Iterable[Kind], others: Iterable[Kind], seconds: Mapping[str, float]
) -> str:
    """Which of the cells that wait goes to a process that has had cells of the kinds ``mine``.

    One of its own kinds; else one of the kind that takes longest among those that no ``others`` process has; else one
    of the kind of which most is left. Of a kind the cell that took longest, by ``seconds``, as a long one at the end
    keeps all others waiting; one that is not in ``seconds`` counts as the longest. Where nothing is known it is the
    first in the order of ``waiting``, or the last where another process comes from the front.
    """
    had, taken = set(mine), set(others)
    own = [scope for scope, kind in waiting.items() if kind in had]
    free = [scope for scope, kind in waiting.items() if kind not in taken]
    left: defaultdict[Kind, float] = defaultdict(float)
    for scope, kind in waiting.items():
        left[kind] += seconds.get(scope, _UNKNOWN)

    def cost(scope: str) -> tuple[float, float]:
        return left[waiting[scope]], seconds.get(scope, _UNKNOWN)

    return max(own or free or list(waiting)[::-1], key=cost)


class Durations:
    """How long each cell took: pytest's cache keeps it from run to run."""

    _KEY = "envrobust/seconds"

    def __init__(self, config: pytest.Config, cells: Cells) -> None:
        self._cache: pytest.Cache | None = getattr(config, "cache", None)  # pytest may run without
        self._cells = cells
        self._new: defaultdict[str, float] = defaultdict(float)

    @cached_property
    def known(self) -> dict[str, float]:
        """Seconds by cell, of earlier runs."""
        kept = {} if self._cache is None else self._cache.get(self._KEY, {})
        return kept if isinstance(kept, dict) else {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up what a cell's tests took, with the preparing."""
        self._new[self._cells.scope(report.nodeid)] += report.duration

    def pytest_sessionfinish(self) -> None:
        """Keep it beside what is known of the cells that did not run now."""
        if self._cache is not None and self._new:
            new = {scope: round(seconds, 3) for scope, seconds in self._new.items()}
            self._cache.set(self._KEY, {**self.known, **new})


class Scheduling:
    """Gives xdist a scheduler of our own in the place of its ``load``, and leaves every other one alone."""

    def __init__(self, cells: Cells, durations: Durations) -> None:
        self._cells, self._durations = cells, durations

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """The scheduler, where the run is distributed by ``load``: what ``-n`` alone asks for."""
        if config.getvalue("dist") != "load":
            return None
        config.option.loadscopereorder = False  # cells stay in their order, not by how many tests they have
        return _scheduler(self._cells, self._durations.known, config, log)


def _scheduler(cells: Cells, seconds: Mapping[str, float], config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class CellScheduling(LoadScopeScheduling):  # type: ignore[misc]
        """All tests of a cell go to one process, and a process that needs work gets what suits it."""

        def _split_scope(self, nodeid: str) -> str:
            return cells.scope(nodeid)

        def _reschedule(self, node: Any) -> None:
            # a cell may take a minute: one that waits behind another is better kept for whoever is free first
            if not self.workqueue or self._pending_of(self.assigned_work[node]) <= _AHEAD:
                super()._reschedule(node)

        def remove_node(self, node: Any) -> str | None:
            """Give to the others what a process that crashed had not begun; the test that it crashed in has ended."""
            units = self.assigned_work.pop(node)
            pending = [(unit, nodeid) for unit in units.values() for nodeid, is_done in unit.items() if not is_done]
            if not pending:
                return None
            unit, crashed = pending[0]
            unit[crashed] = True
            self.workqueue.update({scope: unit for scope, unit in units.items() if not all(unit.values())})
            for each in self.assigned_work:
                self._reschedule(each)
            return str(crashed)

        def mark_test_pending(self, item: str) -> None:
            """Have a test that crashed made again: pytest-rerunfailures asks for it."""
            scope = self._split_scope(item)
            self.workqueue[scope] = {**self.workqueue.get(scope, {}), item: False}
            for each in self.assigned_work:
                self._reschedule(each)

        def _assign_work_unit(self, node: Any) -> None:
            if waiting := _kinds(self.workqueue):  # tests of something else come after all cells, in their order
                had = {each: _kinds(assigned).values() for each, assigned in self.assigned_work.items()}
                others = [kind for each, kinds in had.items() if each is not node for kind in kinds]
                self.workqueue.move_to_end(next_unit(waiting, had.get(node, ()), others, seconds), last=False)
            super()._assign_work_unit(node)

    def _kinds(units: Mapping[str, Mapping[str, bool]]) -> dict[str, Kind]:
        return {scope: kind for scope, unit in units.items() if (kind := cells.kind(next(iter(unit))))}

    return CellScheduling(config, log)


def _any_of(names: Iterable[str]) -> str:
    return f"(?:{'|'.join(re.escape(name) for name in sorted(names, key=len, reverse=True))})"
