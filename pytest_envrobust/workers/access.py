"""Which worker does something for a plan, with which settings of its device, and how long it may take."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pytest_envrobust.backends.base import Option
from pytest_envrobust.core.status import Stage
from pytest_envrobust.planning.catalogue import Plan
from pytest_envrobust.workers.host import Worker
from pytest_envrobust.workers.pool import Pool

LIMITS: Mapping[Stage, float] = {
    Stage.IMPORT: 120.0,
    Stage.CONVERT: 900.0,
    Stage.COMPILE: 900.0,
    Stage.LOAD: 300.0,
    Stage.RUN: 600.0,
}
"""Seconds that each stage may take unless the user says otherwise."""


class WorkerAccess:
    """The workers of a run, as its options and time limits have them.

    ``limits`` are seconds by stage, where they are not `LIMITS`; ``options`` are those of compilers and devices, by the
    one's name and the option's. ``say`` tells the user what is being done.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        limits: Mapping[Stage, float] = LIMITS,
        options: Mapping[str, Mapping[str, Option]] | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.pool, self.say = pool, say
        self.limits = {**LIMITS, **limits}
        self.options = options or {}

    def worker(self, plan: Plan, threads: int, *, instance: int = 0) -> Worker:
        """The worker that runs the plan's engine on its device; another ``instance`` is another process."""
        limit = self.limit(Stage.IMPORT, plan)
        options = self.device_options(plan)
        return self.pool.worker(
            plan.backend, plan.device, threads, limit, place=plan.place, options=options, instance=instance
        )

    def device_options(self, plan: Plan) -> dict[str, Option]:
        """What is set of the plan's device: what the engine has there, as the run or the device's declaration says."""
        given = {**self.options.get(plan.device, {}), **plan.place.options}
        return plan.backend.devices[plan.device].resolved(given)

    def limit(self, stage: Stage, plan: Plan) -> float:
        """Seconds that a stage of the plan's engine may take, where it runs."""
        return self.limits[stage] * plan.place.patience
