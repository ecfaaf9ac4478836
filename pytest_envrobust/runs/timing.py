"""Timing a cell: its session in turns with the reference's and the control's, alone on the device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from pytest_envrobust.core.axes import Point
from pytest_envrobust.core.errors import EnvrobustError
from pytest_envrobust.core.lazy import Memo
from pytest_envrobust.core.timing import Clock, Timing
from pytest_envrobust.environments.machine import this_machine
from pytest_envrobust.runs.cell_run import CellRun
from pytest_envrobust.runs.context import RunContext
from pytest_envrobust.timing.conditions import notices, own_cpu_seconds, read_conditions, was_quiet
from pytest_envrobust.timing.drift import moved
from pytest_envrobust.timing.evidence import TAILS, LatencyEvidence, LatencyFigures, has_tail, tail_of
from pytest_envrobust.timing.measuring import Timed, measure_alone, measure_beside
from pytest_envrobust.timing.sampling import Effort, Sampler
from pytest_envrobust.timing.waiting import HARDLY_WAITS, disagreement, reference_on_processor, share_on_processor
from pytest_envrobust.workers.locks import machine_lock
from pytest_envrobust.workers.sessions import LiveSession

_WALL_CLOCKS: tuple[Clock, Clock] = ("wall", "own")
_LONGER = 1.1
_NAMED = 3


@dataclass(frozen=True)
class TimingTask:
    """A cell to be timed: at a point of the axes, with that effort, beside its reference or, without one, alone."""

    cell: CellRun
    reference: CellRun | None
    point: Point
    effort: Effort


class CellTimer:
    """Times cells, each task once in a run, while no other run on this machine times anything on that device."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._found: Memo[TimingTask, LatencyEvidence] = Memo()

    def time(self, task: TimingTask) -> LatencyEvidence:
        """What was measured. Raises `Unavailable` where a session cannot take that batch, and `StageFailure`."""
        return self._found.get(task, lambda: self._measured(task))

    def _measured(self, task: TimingTask) -> LatencyEvidence:
        for run in (task.cell, task.reference):
            if run is not None:  # nothing is prepared under the lock, and what gives no scores is not timed
                run.first_scores(run.count)
        point, precision = task.point, self._context.settings.timing.precision
        with ExitStack() as stack:
            session = stack.enter_context(_at(task.cell, point))
            environment = replace(task.cell.environment, device=session.plan.device)
            steps = session.clock_steps_ns
            timed = Timed(environment, point, steps["cpu"], steps["wall"], inputs=task.cell.count)
            sampler = _sampler(task.cell, session, point)
            if task.reference is None:
                with self._alone(session), _Watch([session]) as watch:
                    found = measure_alone(timed, sampler, task.effort, precision)
            else:
                other = stack.enter_context(_at(task.reference, point))
                other.pin()
                control, fault = self._control(task.reference, other, stack)
                sessions = [session, other, *([control] if control else [])]
                samplers = [_sampler(task.reference, each, point) for each in sessions[1:]]
                with self._alone(session), _Watch(sessions) as watch:
                    beside, again = samplers[0], samplers[1] if control else None
                    found = measure_beside(timed, sampler, beside, again, task.effort, precision)
                found = replace(found, control_fault=fault)
            # a session that served another point before is not timed from its first call here
            is_first = session is not task.cell.session or point == task.cell.base_point
            first = session.first_call_ns if is_first else None
        found = replace(found, quiet=watch.quiet)
        return replace(
            found,
            first_call_ms=None if first is None else first / 1e6,
            notices=(*watch.notices, *_doubts(found, task.cell.model_run.inputs.names), *_emulated(session)),
        )

    @contextmanager
    def _alone(self, session: LiveSession) -> Iterator[None]:
        """Hold the lock of the session's device: no other run that keeps to it times anything there meanwhile."""
        plan = session.plan
        kind = replace(plan.place, device=plan.device).lock
        with machine_lock(f"timing-{kind}", lambda: self._context.say(f"wait for another run's timing on {kind}")):
            yield

    def _control(self, reference: CellRun, session: LiveSession, stack: ExitStack) -> tuple[LiveSession | None, str]:
        """The second session of the reference; or none, and why, where it should be there and cannot."""
        if not self._context.settings.isolated:
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


def _sampler(run: CellRun, session: LiveSession, point: Point) -> Sampler:
    def sample(first: int, calls: int) -> Timing:
        return session.sample(run.handle, first, calls, point.batch)

    return sample


def _doubts(found: LatencyEvidence, names: Sequence[str]) -> Iterator[str]:
    """What the times themselves make doubtful."""
    yield from _unsettled(found)
    yield from _waiting(found)
    yield from _drifting(found)
    yield from _held_up(found)
    yield from _by_input(found, names)


def _unsettled(found: LatencyEvidence) -> list[str]:
    if found.settled:
        return []
    return [f"times were still falling when the warm-up of {found.warm_up_calls} calls had to end"]


def _waiting(found: LatencyEvidence) -> Iterator[str]:
    """Who of cell and reference waits more than the other, where nobody else's doing can be taken for that."""
    if found.clock != "cpu" or not ("own" in found.ratios or found.quiet):
        return
    figures, both = LatencyFigures.of(found), disagreement(found.ratios)
    mine, theirs = share_on_processor(figures, both.clock) if both else None, reference_on_processor(figures)
    if mine is not None and mine < HARDLY_WAITS:
        yield f"a call waits: it has a processor for {100 * mine:.0f} % of its time, the reference for more"
    if theirs is not None:
        yield f"the reference waits: it has a processor for {100 * theirs:.0f} % of its time, which makes it look slow"


def _drifting(found: LatencyEvidence) -> Iterator[str]:
    if found.drift.time is not None:
        yield f"times {moved(found.drift.time)} from the first round to the last"
    if found.drift.ratio is not None:
        yield f"the ratio to the reference {moved(found.drift.ratio)} from the first round to the last"


def _held_up(found: LatencyEvidence) -> Iterator[str]:
    """The furthest tail that there are calls for, where other processes made it longer by a tenth."""
    name, share = list(TAILS.items())[-1 if has_tail(found.timing.calls, TAILS["p99"]) else 0]
    if not (has_tail(found.timing.calls, share) and found.timing.own_ns):
        return
    wall, own = (tail_of(found.timing.on(clock), share).mid for clock in _WALL_CLOCKS)
    if wall > _LONGER * own:
        yield f"other processes held calls up: {name} is {wall:.3g} ms, without what they took {own:.3g} ms"


def _by_input(found: LatencyEvidence, names: Sequence[str]) -> Iterator[str]:
    """The inputs that differ in time, of several a call the first ones."""
    if not found.by_input:
        return
    told = [f"{names[each.place]} takes {each.times:.2g} times as long" for each in found.by_input[:_NAMED]]
    more = len(found.by_input) - len(told)
    whose = "inputs" if found.point.batch == 1 else f"calls of {found.point.batch} inputs, by their first,"
    rest = f"; {more} more differ" if more else ""
    yield f"{whose} differ in time: {', '.join(told)} as most others{rest}"


def _emulated(session: LiveSession) -> list[str]:
    place = session.plan.place
    return [f"{place.name} is emulated: its times are not that processor's"] if place.is_emulated else []


class _Watch:
    """What goes on beside a timing on this machine."""

    def __init__(self, sessions: list[LiveSession]) -> None:
        self._pids = [session.pid for session in sessions if not session.plan.place.host]
        self._sees_all = len(self._pids) == len(sessions)
        self.notices: tuple[str, ...] = ()
        self.quiet: bool | None = None

    def __enter__(self) -> _Watch:
        self._before = read_conditions(self._pids)
        return self

    def __exit__(self, *error: object) -> None:
        after = read_conditions(self._pids)
        cores, own = this_machine().cores, own_cpu_seconds(self._before, after)
        self.notices = notices(self._before, after, cores=cores, own_cpu_seconds=own)
        if self._sees_all:
            self.quiet = was_quiet(self._before, after, cores=cores, own_cpu_seconds=own)
