"""What reports say of times beyond their medians: the ratio that decides and its control, throughput, notices."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_envrobust.core.axes import Point
from pytest_envrobust.core.timing import Clock
from pytest_envrobust.core.wording import clock_name, counted
from pytest_envrobust.history.view import ModelView, Row
from pytest_envrobust.record.latency_part import clock_of, point_of
from pytest_envrobust.record.schema import Ends, Latency
from pytest_envrobust.reports.words import significant
from pytest_envrobust.timing.control import MARGIN, ControlCheck
from pytest_envrobust.timing.intervals import Estimate
from pytest_envrobust.verdicts.limits import MAX_LATENCY_RATIO

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?\b")


@dataclass(frozen=True)
class RecordedTiming:
    """A timing that the record has of an environment: its own, or one at a further point of the axes."""

    environment: str
    latency: Latency
    is_further: bool = False

    @classmethod
    def of(cls, row: Row) -> RecordedTiming:
        """An environment's own; nothing in it is told where there is none."""
        return cls(row.environment, row.latency or Latency())

    @property
    def clock(self) -> Clock:
        """The clock that decides."""
        return clock_of(self.environment, self.latency)

    @property
    def ratio(self) -> Estimate | None:
        """To the reference, on the clock that decides; ``None`` where none was taken."""
        return self._on_clock(self.latency.ratio)

    @property
    def judged_ratio(self) -> Estimate | None:
        """The same with the interval that a verdict rests on, where there is one; not bounded, it says nothing."""
        told = self.latency.simultaneous
        if told is None or not any(each.limit_name == MAX_LATENCY_RATIO for each in self.latency.verdicts or ()):
            return self.ratio
        found = self._on_clock(told.ratio)
        return found if found is not None or self.ratio is None else Estimate(0.0, self.ratio.mid, math.inf)

    @property
    def control(self) -> Estimate | None:
        """The A/A control on that clock; ``None`` where there was none."""
        return self._on_clock(self.latency.control)

    @property
    def control_holds(self) -> bool:
        """Whether the control is where it always may be; a verdict far from its limit allows it more."""
        return self.control is not None and ControlCheck(self.control, MARGIN).holds

    @property
    def control_speaks_against(self) -> bool:
        """Whether the control is elsewhere, or could not run though it should have."""
        return bool(self.control_fault) or (self.control is not None and not self.control_holds)

    @property
    def control_fault(self) -> str:
        """Why there is no control where there should be; empty where there is one, or none was asked for."""
        return self.latency.control_fault or ""

    @property
    def point(self) -> Point:
        """Where on the axes it was taken."""
        return point_of(self.latency)

    @property
    def name(self) -> str:
        """The environment, and the point where it is a further one."""
        return f"{self.environment} ({self.point})" if self.is_further else self.environment

    @property
    def reason(self) -> str:
        """Why the cell could not be brought to this point, without its name; empty where it was timed."""
        return (self.latency.reason or "").removeprefix(f"{self.environment} ")

    @property
    def call_ms(self) -> float | None:
        """Median wall time of a call."""
        return self.latency.median_on("wall")

    @property
    def image_ms(self) -> float | None:
        """The same, divided by the call's inputs."""
        return None if self.call_ms is None else self.call_ms / self.point.batch

    def _on_clock(self, recorded: Mapping[Clock, Ends] | None) -> Estimate | None:
        ends = (recorded or {}).get(self.clock)
        return None if ends is None else Estimate(*ends)


@dataclass(frozen=True)
class Condensed:
    """A kind of notice: its words, with the spans of the numbers that differ, and whom it is about."""

    text: str
    about: tuple[str, ...]


def timings_of(row: Row) -> tuple[RecordedTiming, ...]:
    """The timing that was asked for of an environment, then those at further points; those that failed too."""
    if not row.was_timed:
        return ()
    own = RecordedTiming.of(row)
    return (own, *(RecordedTiming(row.environment, point, True) for point in own.latency.points or ()))


def all_timings(view: ModelView) -> list[RecordedTiming]:
    """Those of all environments of a model."""
    return [timing for row in view.rows for timing in timings_of(row)]


def throughput_of(view: ModelView) -> tuple[tuple[RecordedTiming, ...], ...]:
    """Each environment's timings by threads and batch; none where a single input a call is all that was timed."""
    tables = [[timing for timing in timings_of(row) if timing.latency.batch is not None] for row in view.rows]
    if not any(timing.is_further or timing.point.batch > 1 for table in tables for timing in table):
        return ()
    return tuple(tuple(sorted(table, key=_place)) for table in tables if table)


def ratio_text(timing: RecordedTiming) -> str:
    """``0.80 [0.79, 0.82] CPU``, the ratio to the reference on the clock that decides; empty where none was taken."""
    ratio = timing.judged_ratio
    if ratio is None:
        return ""
    return f"{ratio.mid:.2f} [{ratio.low:.2f}, {ratio.high:.2f}] {clock_name(timing.clock)}"


def rate_text(timing: RecordedTiming) -> str:
    """Images a second to about three figures; empty where the record has none."""
    rate = timing.latency.images_per_second
    return "" if rate is None else significant(rate)


def unavailable_points(timings: Iterable[RecordedTiming]) -> dict[str, list[str]]:
    """Why cells could not be brought to some points, with the environments of which it is so, each once."""
    found: dict[str, list[str]] = {}
    for timing in timings:
        if timing.reason:
            names = found.setdefault(timing.reason, [])
            names += [timing.environment] * (timing.environment not in names)
    return found


def controls_text(timings: Sequence[RecordedTiming]) -> str:
    """What the A/A controls showed, in one line; empty where none was run or should have been."""
    checked = [(timing, control) for timing in timings if (control := timing.control) is not None]
    faults = Counter(timing.control_fault for timing in timings if timing.control_fault)
    if not checked and not faults:
        return ""
    said = []
    if checked:
        within = sum(timing.control_holds for timing, _ in checked)
        worst, control = max(checked, key=lambda item: _distance(item[1]))
        said.append(f"{within} of {len(checked)} within {MARGIN:.0%}".replace("%", " %"))
        said.append(f"the worst {control.mid:.3f} times its own {clock_name(worst.clock)} time beside {worst.name}")
    said += [f"{count} could not run: {fault}" for fault, count in faults.most_common()]
    bare = [timing for timing in timings if timing.ratio and timing.control is None and not timing.control_fault]
    if bare:
        said.append(f"{counted(len(bare), 'ratio')} without")
    return f"A/A controls, the reference against itself: {', '.join(said)}"


def notices_of(row: Row) -> tuple[str, ...]:
    """What makes an environment's times doubtful, a line for each kind of notice."""
    return tuple(each.text for each in condensed(("", text) for text in _notices(row)))


def notice_lines(view: ModelView) -> list[str]:
    """What makes times of a model doubtful: a line for each kind of notice, and which environments it is about."""
    rows = [row for row in view.rows if row.was_timed]
    kinds = condensed((row.environment, text) for row in rows for text in _notices(row))
    return [f"{kind.text} ({_about(kind.about, len(rows))})" for kind in kinds]


def doubtful_times(views: Sequence[ModelView]) -> str:
    """That times of a run are doubtful, and why, in one line; empty where they are not known to be."""
    rows = [(view.name, row) for view in views for row in view.rows if row.was_timed]
    cells = {f"{name} {row.environment}": _notices(row) for name, row in rows}
    doubtful = sum(map(bool, cells.values()))
    if not doubtful:
        return ""
    kinds = condensed((cell, text) for cell, notices in cells.items() for text in notices)
    said = "; ".join(f"{kind.text} ({len(kind.about)})" for kind in kinds)
    return f"Times are doubtful in {doubtful} of {counted(len(rows), 'timed cell')}: {said}"


def condensed(said: Iterable[tuple[str, str]]) -> list[Condensed]:
    """Notices, each with whom it is about, put together where they differ in their numbers alone.

    Of a number that differs the smallest and the largest stand: ``other processes used 0.4-1.9 of 2 cores``. Those
    about most come first.
    """
    kinds: dict[tuple[str, ...], dict[str, list[list[str]]]] = {}
    for about, text in said:
        kinds.setdefault(tuple(_NUMBER.split(text)), {}).setdefault(about, []).append(_NUMBER.findall(text))
    found = []
    for words, by_subject in kinds.items():
        numbers = zip(*(row for rows in by_subject.values() for row in rows))
        spans = [*map(_span, numbers), ""]
        found.append(Condensed("".join(word + span for word, span in zip(words, spans)), tuple(by_subject)))
    return sorted(found, key=lambda each: -len(each.about))


def _notices(row: Row) -> list[str]:
    return [text for timing in timings_of(row) for text in (timing.latency.notices or ())]


def _about(names: Sequence[str], of: int) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} of {of} environments"


def _place(timing: RecordedTiming) -> tuple[int, int]:
    return timing.point.threads, timing.point.batch


def _span(numbers: Sequence[str]) -> str:
    low, high = min(numbers, key=float), max(numbers, key=float)
    return low if float(low) == float(high) else f"{low}-{high}"


def _distance(control: Estimate) -> float:
    return abs(math.log(control.mid)) if control.mid > 0 else math.inf
