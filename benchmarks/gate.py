"""Which latency gates cry wolf, and which sleep: false alarms and power of ours and of those in common use.

In every trial EfficientNet-Lite0 in ONNX Runtime, one thread, is held against itself, in processes that are started for
this trial alone: whatever a gate sees is noise. Slowdowns of 5, 10 and 20 % are put on the cell's times afterwards, so
that every gate judges the same times. Half of the trials run beside a busy neighbor, a process that multiplies matrices
without a pause. ``false_alarm`` is the share of trials that a gate fails though nothing is slower, ``power_05``,
``power_10`` and ``power_20`` the shares that it fails at these slowdowns, and ``inconclusive`` the share of all its
verdicts that are none.

Our gates judge the plugin's own measurement, at most 200 rounds of cell, reference and control in turns. The others
judge 40 calls of the reference, then 40 of the cell: a plain median, and pytest-benchmark's mean and minimum
as ``--benchmark-compare-fail`` compares them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
from _common import arguments, report
from _sessions import Bench, bench

from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.status import Status
from pytest_envrobust.core.timing import Clock, Timing
from pytest_envrobust.timing.evidence import LatencyEvidence
from pytest_envrobust.timing.intervals import Estimate
from pytest_envrobust.timing.measuring import Timed, measure_beside
from pytest_envrobust.timing.sampling import Effort
from pytest_envrobust.verdicts.latency import judge_latency
from pytest_envrobust.verdicts.limits import MAX_LATENCY_RATIO, Limit
from pytest_envrobust.verdicts.verdict import Subject
from pytest_envrobust.workers.sessions import LiveSession

ENVIRONMENT = "torch/ort-all/cpu"
SLOWDOWNS = {"false_alarm": 1.0, "power_05": 1.05, "power_10": 1.10, "power_20": 1.20}
LIMITS = (1.03, 1.05)
CALLS = 40
NEIGHBOR = """
import numpy
a = numpy.random.default_rng(0).random((512, 512))
while True:
    a = a @ a / numpy.abs(a @ a).max()
"""


@dataclass(frozen=True)
class Trial:
    """The evidence of our measurement, and the wall times (ns) of one session after the other."""

    evidence: LatencyEvidence
    before: Timing
    after: Timing


Gate = Callable[[Trial, float, float], Status]
"""Judges a trial whose cell is slower by a factor, under a limit."""


def ours(clock: Clock) -> Gate:
    """The plugin's own verdict, on that clock."""

    def judge(trial: Trial, slowdown: float, limit: float) -> Status:
        evidence = trial.evidence
        ratios = {name: _scaled(ratio, slowdown) for name, ratio in evidence.ratios.items()}
        slower = LatencyEvidence(evidence.timing, ratios, evidence.controls, clock=clock)
        asked = Limit(MAX_LATENCY_RATIO, limit, "benchmark")
        return judge_latency(slower, asked, Subject("lite0", ENVIRONMENT, ENVIRONMENT)).status

    return judge


def one_after_the_other(figure: Callable[[list[int]], float]) -> Gate:
    """A figure of one run of calls against that of another."""

    def judge(trial: Trial, slowdown: float, limit: float) -> Status:
        ratio = slowdown * figure(list(trial.after.wall_ns)) / figure(list(trial.before.wall_ns))
        return Status.FAILED if ratio > limit else Status.PASSED

    return judge


GATES: Mapping[str, Gate] = {
    "ours, CPU time": ours("cpu"),
    "ours, wall time": ours("wall"),
    "A then B, median": one_after_the_other(median),
    "pytest-benchmark, mean": one_after_the_other(mean),
    "pytest-benchmark, min": one_after_the_other(min),
}


def main() -> None:
    """Measure and report."""
    options = arguments(
        __doc__ or "",
        rounds=100,
        budget={"type": float, "default": 15.0, "help": "seconds of our measurement in a trial (%(default)s)"},
        raw={"type": Path, "metavar": "PATH", "help": "write what each trial measured there, as JSON"},
    )
    trials: dict[str, list[Trial]] = {"quiet": [], "busy": []}
    with bench() as made:
        session = made.session(ENVIRONMENT)
        sessions = [session, session.again(1), session.again(2)]
        with suppress(KeyboardInterrupt):  # what was measured until then is told
            for number in range(options.rounds):  # in turns, so that a change of the machine meets both
                for load in ("quiet", "busy") if number % 2 == 0 else ("busy", "quiet"):
                    with neighbor() if load == "busy" else nobody():
                        trials[load].append(measured(made, sessions, options.budget))
                    print(f"{load} {number + 1}/{options.rounds}", end="\r", file=sys.stderr)
    figures = {
        f"{gate} > {limit:g}": {load: judged(GATES[gate], limit, trials[load]) for load in trials}
        for gate in GATES
        for limit in LIMITS
    }
    if options.raw is not None:
        options.raw.write_text(json.dumps({load: [raw(trial) for trial in each] for load, each in trials.items()}))
    columns = ("gate", "neighbor", *SLOWDOWNS, "inconclusive")
    rounds = {load: [trial.evidence.rounds for trial in each] for load, each in trials.items()}
    report(
        f"EfficientNet-Lite0 in ONNX Runtime against itself, one thread, "
        f"{len(trials['quiet'])} trials quiet and {len(trials['busy'])} busy; "
        f"median rounds {median(rounds['quiet']):g} quiet, {median(rounds['busy']):g} busy",
        figures,
        columns=columns,
        rows=[
            (name, load, *(each[load][column] for column in columns[2:]))
            for name, each in figures.items()
            for load in each
        ],
        targets={},
        json_path=options.json,
    )


def measured(made: Bench, sessions: Sequence[LiveSession], budget: float) -> Trial:
    """One trial, in processes of its own."""
    samplers = [made.sampler(session) for session in sessions]
    try:
        evidence = measure_beside(
            Timed(Environment.parse(ENVIRONMENT), cpu_step_ns=sessions[0].clock_steps_ns["cpu"]),
            samplers[0],
            samplers[1],
            samplers[2],
            Effort(budget=budget),
        )
        calls = min(CALLS, evidence.rounds * evidence.calls_a_turn)
        return Trial(evidence, samplers[1](0, calls), samplers[0](0, calls))
    finally:
        made.end_workers()


def judged(gate: Gate, limit: float, trials: list[Trial]) -> dict[str, float]:
    """The shares of trials."""
    found = {name: [gate(trial, slowdown, limit) for trial in trials] for name, slowdown in SLOWDOWNS.items()}
    shares = {name: statuses.count(Status.FAILED) / len(statuses) for name, statuses in found.items()}
    every = [status for statuses in found.values() for status in statuses]
    return {**shares, "inconclusive": every.count(Status.INCONCLUSIVE) / len(every)}


def raw(trial: Trial) -> dict[str, Any]:
    """What was measured, as plain data."""
    evidence = trial.evidence
    return {
        "rounds": evidence.rounds,
        "ratio": {clock: [one.low, one.mid, one.high] for clock, one in evidence.ratios.items()},
        "control": {clock: [one.low, one.mid, one.high] for clock, one in evidence.controls.items()},
        "one_after_the_other": float(np.median(trial.after.wall_ns) / np.median(trial.before.wall_ns)),
    }


def _scaled(ratio: Estimate, factor: float) -> Estimate:
    return Estimate(ratio.low * factor, ratio.mid * factor, ratio.high * factor)


@contextmanager
def neighbor() -> Iterator[None]:
    """A process that keeps a core busy."""
    process = subprocess.Popen([sys.executable, "-c", NEIGHBOR])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def nobody() -> Iterator[None]:
    """No neighbor of ours."""
    yield


if __name__ == "__main__":
    main()
