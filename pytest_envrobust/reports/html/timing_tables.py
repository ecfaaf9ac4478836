"""The tables of the HTML report on times: the throughput, and how the times were taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_envrobust.core.wording import clock_name
from pytest_envrobust.history.view import ModelView, Row
from pytest_envrobust.reports.times import Timed, notices_of, rate_text, throughput_of, timings_of
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
class Taken:
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


def ratio_cell(timed: Timed) -> RatioCell:
    """The ratio of a timing."""
    found = timed.ratio
    if found is None:
        return RatioCell(control_doubt="not run" if timed.control_fault else "")
    return RatioCell(
        ratio(found.mid),
        _interval(found),
        clock_name(timed.clock),
        f"{timed.control.mid:.3f}" if timed.control else "",
        _control_doubt(timed),
    )


def throughput_tables(view: ModelView) -> list[Throughput]:
    """For each environment its points; none where a single input a call is all that was timed."""
    return [
        Throughput(timings[0].environment, tuple(_throughput_row(timed) for timed in timings))
        for timings in throughput_of(view)
    ]


def taken_rows(view: ModelView) -> list[Taken]:
    """How times were taken, for the environments of which the record tells it."""
    found = [_taken(row, timings) for row in view.rows if (timings := timings_of(row))]
    return [row for row in found if row.calls or row.control or row.doubts]


def _throughput_row(timed: Timed) -> ThroughputRow:
    latency = timed.latency
    return ThroughputRow(
        timed.point.batch,
        timed.point.threads,
        _milliseconds(latency.get("wall_ms", {}).get("median")),
        _milliseconds(timed.image_ms),
        rate_text(timed),
        ratio_cell(timed),
        timed.reason,
    )


def _taken(row: Row, timings: Sequence[Timed]) -> Taken:
    timed, latency = timings[0], row.latency
    rounds, calls = latency.get("rounds"), latency.get("calls_a_turn")
    visible = latency.get("smallest_visible")
    control = timed.control
    return Taken(
        row.environment,
        clock_name(timed.clock),
        f"{rounds} × {calls}" if rounds and calls else "",
        str(latency.get("warm_up_calls", "")),
        ratio(visible) if visible is not None else "",
        f"{control.mid:.3f} ({control.low:.3f} to {control.high:.3f})" if control else "",
        (*_faults(timings), *notices_of(row)),
    )


def _control_doubt(timed: Timed) -> str:
    if timed.control_fault:
        return "not run"
    return "" if timed.control is None or timed.control_holds else f"outside {MARGIN * 100:g} %"


def _faults(timings: Sequence[Timed]) -> list[str]:
    faults = dict.fromkeys(timed.control_fault for timed in timings if timed.control_fault)
    return [f"the A/A control could not run: {fault}" for fault in faults]


def _interval(estimate: Estimate) -> str:
    return f"{ratio(estimate.low)} to {ratio(estimate.high)}"


def _milliseconds(value: float | None) -> str:
    return "" if value is None else milliseconds(value)
