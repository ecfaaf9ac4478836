"""The tables of the HTML report on times: the throughput, and how the times were taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_envrobust.core.wording import clock_name
from pytest_envrobust.history.view import ModelView, Row
from pytest_envrobust.reports.timings import RecordedTiming, notices_of, rate_text, throughput_of, timings_of
from pytest_envrobust.reports.words import milliseconds, ratio
from pytest_envrobust.timing.control import MARGIN
from pytest_envrobust.timing.intervals import Estimate


@dataclass(frozen=True)
class RatioCell:
    """A ratio to the reference on the clock that decides, and its A/A control, as text.

    ``control_doubt`` is in words why the control speaks against the ratio, empty where it does not.
    """

    ratio: str = ""
    interval: str = ""
    clock: str = ""
    control: str = ""
    control_doubt: str = ""


@dataclass(frozen=True)
class ThroughputRow:
    """A point of the axes; ``reason`` says why the cell could not be brought there, nothing else is told then."""

    batch: int
    threads: int
    call: str
    image: str
    rate: str
    ratio: RatioCell
    reason: str


@dataclass(frozen=True)
class Throughput:
    """An environment's rows."""

    environment: str
    rows: tuple[ThroughputRow, ...]


@dataclass(frozen=True)
class Measurement:
    """How the time of an environment was taken, and what makes it doubtful, at further points too.

    What is not known is empty.
    """

    environment: str
    clock: str
    calls: str
    warm_up: str
    visible: str
    control: str
    doubts: tuple[str, ...]


def ratio_cell(timing: RecordedTiming) -> RatioCell:
    """The ratio of a timing."""
    found = timing.ratio
    if found is None:
        return RatioCell(control_doubt="not run" if timing.control_fault else "")
    return RatioCell(
        ratio(found.mid),
        _interval(found),
        clock_name(timing.clock),
        f"{timing.control.mid:.3f}" if timing.control else "",
        _control_doubt(timing),
    )


def throughput_tables(view: ModelView) -> list[Throughput]:
    """For each environment its points; none where a single input a call is all that was timed."""
    return [
        Throughput(timings[0].environment, tuple(_throughput_row(timing) for timing in timings))
        for timings in throughput_of(view)
    ]


def measurements_of(view: ModelView) -> list[Measurement]:
    """How times were taken, for the environments of which the record tells it."""
    found = [_measurement(row, timings) for row in view.rows if (timings := timings_of(row))]
    return [each for each in found if each.calls or each.control or each.doubts]


def _throughput_row(timing: RecordedTiming) -> ThroughputRow:
    return ThroughputRow(
        timing.point.batch,
        timing.point.threads,
        _milliseconds(timing.call_ms),
        _milliseconds(timing.image_ms),
        rate_text(timing),
        ratio_cell(timing),
        timing.reason,
    )


def _measurement(row: Row, timings: Sequence[RecordedTiming]) -> Measurement:
    timing = timings[0]
    latency, control = timing.latency, timing.control
    return Measurement(
        environment=row.environment,
        clock=clock_name(timing.clock),
        calls=f"{latency.rounds} × {latency.calls_a_turn}" if latency.rounds and latency.calls_a_turn else "",
        warm_up="" if latency.warm_up_calls is None else str(latency.warm_up_calls),
        visible="" if latency.smallest_visible is None else ratio(latency.smallest_visible),
        control="" if control is None else f"{control.mid:.3f} ({control.low:.3f} to {control.high:.3f})",
        doubts=(*_faults(timings), *notices_of(row)),
    )


def _control_doubt(timing: RecordedTiming) -> str:
    if timing.control_fault:
        return "not run"
    return "" if timing.control is None or timing.control_holds else f"outside {MARGIN * 100:g} %"


def _faults(timings: Sequence[RecordedTiming]) -> list[str]:
    faults = dict.fromkeys(timing.control_fault for timing in timings if timing.control_fault)
    return [f"the A/A control could not run: {fault}" for fault in faults]


def _interval(estimate: Estimate) -> str:
    return f"{ratio(estimate.low)} to {ratio(estimate.high)}"


def _milliseconds(value: float | None) -> str:
    return "" if value is None else milliseconds(value)
