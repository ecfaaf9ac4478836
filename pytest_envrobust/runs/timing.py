"""Timing a cell: its session in turns with the reference's and the control's, alone on the device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_envrobust.core.axes import Point
from pytest_envrobust.core.errors import EnvrobustError
from pytest_envrobust.core.timing import Timing
from pytest_envrobust.environments.machine import this_machine
from pytest_envrobust.timing.conditions import notices, own_cpu_seconds, read_conditions
from pytest_envrobust.timing.evidence import LatencyEvidence
from pytest_envrobust.timing.measuring import Subject, measure_alone, measure_beside
from pytest_envrobust.timing.sampling import Effort, Sampler
from pytest_envrobust.workers.sessions import LiveSession

if TYPE_CHECKING:
    from pytest_envrobust.runs.cell_run import CellRun
    from pytest_envrobust.runs.laboratory import Laboratory


def time_cell(
    laboratory: Laboratory, run: CellRun, reference: CellRun | None, point: Point, effort: Effort
) -> LatencyEvidence:
    """Time a cell at a point of the axes, beside its reference where there is one.

    All is loaded and has run before the device's lock is taken. Raises `Unavailable` where a session cannot take that
    batch, and `StageFailure`.
    """
    precision = laboratory.settings.timing.precision
    with ExitStack() as stack:
        session = stack.enter_context(_at(run, point))
        environment = replace(run.environment, device=session.plan.device)
        subject = Subject(environment, point, session.clock_steps_ns["cpu"])
        cell = _sampler(run, session, point)
        if reference is None:
            with laboratory.alone_on(_lock(session)), _Watch([session]) as watch:
                found = measure_alone(subject, cell, effort, precision)
        else:
            other = stack.enter_context(_at(reference, point))
            other.pin()
            control, fault = _control(laboratory, reference, other, stack)
            sessions = [session, other, *([control] if control else [])]
            samplers = [_sampler(reference, each, point) for each in sessions[1:]]
            with laboratory.alone_on(_lock(session)), _Watch(sessions) as watch:
                found = measure_beside(subject, cell, samplers[0], samplers[1] if control else None, effort, precision)
            found = replace(found, control_fault=fault)
        # a session that served another point before is not timed from its first call here
        first = session.first_call_ns if session is not run.session or point == run.base_point else None
    return replace(
        found,
        first_call_ms=None if first is None else first / 1e6,
        notices=(*watch.notices, *_unsettled(found), *_emulated(session)),
    )


@contextmanager
def _at(run: CellRun, point: Point) -> Iterator[LiveSession]:
    """A session of the cell at that point; one that is not the cell's own is closed afterwards."""
    session = run.session_at(point)
    if session is run.session:
        yield session
        return
    try:
        yield session
    finally:
        session.close()


def _control(
    laboratory: Laboratory, reference: CellRun, session: LiveSession, stack: ExitStack
) -> tuple[LiveSession | None, str]:
    """The second session of the reference; or none, and why, where it should be there and cannot."""
    if not laboratory.settings.isolated:
        return None, ""  # both would share this very process
    try:
        if session is reference.session:
            return reference.control, ""
        control = session.again()
        stack.callback(control.close)
        control.load()
    except EnvrobustError as error:
        return None, error.headline
    return control, ""


def _sampler(run: CellRun, session: LiveSession, point: Point) -> Sampler:
    def sample(first: int, calls: int) -> Timing:
        return session.sample(run.handle, first, calls, point.batch)

    return sample


def _unsettled(found: LatencyEvidence) -> list[str]:
    if found.settled:
        return []
    return [f"times were still falling when the warm-up of {found.warm_up_calls} calls had to end"]


def _lock(session: LiveSession) -> str:
    plan = session.plan
    return replace(plan.place, device=plan.device).lock


def _emulated(session: LiveSession) -> list[str]:
    place = session.plan.place
    return [f"{place.name} is emulated: its times are not that processor's"] if place.is_emulated else []


class _Watch:
    """What goes on beside a timing on this machine."""

    def __init__(self, sessions: list[LiveSession]) -> None:
        self._pids = [session.pid for session in sessions if not session.plan.place.host]
        self.notices: tuple[str, ...] = ()

    def __enter__(self) -> _Watch:
        self._before = read_conditions(self._pids)
        return self

    def __exit__(self, *error: object) -> None:
        after = read_conditions(self._pids)
        cores = this_machine().cores
        self.notices = notices(self._before, after, cores=cores, own_cpu_seconds=own_cpu_seconds(self._before, after))
