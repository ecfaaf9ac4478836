"""The route planner: the shortest chain of steps from a source to what an engine loads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

from pytest_envrobust.conversion.base import Step
from pytest_envrobust.core.requirements import Requirement


@dataclass(frozen=True)
class Route:
    """The conversion steps from a source's form to the form that an engine loads; none where they are the same."""

    source: str
    steps: tuple[Step, ...] = ()

    @property
    def target(self) -> str:
        return self.steps[-1].target if self.steps else self.source

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(step.name for step in self.steps)

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return tuple(dict.fromkeys(item for step in self.steps for item in step.requires))

    def __add__(self, other: Route) -> Route:
        return Route(self.source, self.steps + other.steps)


def shortest(
    source: str,
    targets: Sequence[str],
    steps: Iterable[Step],
    *,
    after: Step | None = None,
) -> Route | None:
    """The route from ``source`` to any of ``targets`` with the fewest steps, or ``None``.

    Among routes of equal length the lower sum of ranks wins, then the target named first, then the names. A step is
    never put behind one that it cannot follow; ``after`` is the step that made ``source``, if any. Routes lead
    through forms only once.
    """
    outgoing: dict[str, list[Step]] = {}
    for step in steps:
        outgoing.setdefault(step.source, []).append(step)
    ties = count()
    queue: list[tuple[int, int, int, int, tuple[Step, ...]]] = [(0, 0, _order(source, targets), next(ties), ())]
    while queue:
        length, rank, _, _, path = heappop(queue)
        form = path[-1].target if path else source
        if form in targets:
            return Route(source, path)
        seen = {source, *(step.target for step in path)}
        previous = path[-1] if path else after
        for step in sorted(outgoing.get(form, ()), key=lambda step: step.name):
            blocked = previous is not None and previous.name in step.not_after
            if not blocked and step.target not in seen:
                entry = (length + 1, rank + step.rank, _order(step.target, targets), next(ties), (*path, step))
                heappush(queue, entry)
    return None


def _order(form: str, targets: Sequence[str]) -> int:
    return targets.index(form) if form in targets else len(targets)
